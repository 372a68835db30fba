//! Audits of other agencies' ledgers: asks the questions that [`sinergi_proto::transparency::audit`] puts, and keeps what it finds.
//!
//! Decides nothing.
//!
//! ```text
//! records.rs    the own ledger and store, as an audit reads them
//! folder.rs     evidence files of the node
//! schedule.rs   audits without an operator
//! ```
//!
//! Invariants:
//! - an audit reads: it writes nothing but evidence files, and sends nothing but questions;
//! - what it costs is bounded by the own ledger and what the agency shows, in memory and in questions at a time.

mod checkpoints;
mod folder;
mod records;
mod schedule;
mod witness;

pub use checkpoints::CheckpointChecks;
pub use folder::{EvidenceFolder, FolderError, Kept};
pub use schedule::{keep_auditing, schedule_file};
pub use sinergi_proto::transparency::audit::{Audited, Progress, Scope};
pub use witness::keep_witnessing;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::audit::Audit;

use crate::base::time::now_millis;
use crate::peers::{Peers, Unanswered};
use crate::storage::case::CaseError;
use crate::storage::charters::Directory;
use crate::storage::outbox::Outbox;
use records::OwnRecords;

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It is not linked with this node.
    #[error(transparent)]
    NotAdjacent(Unanswered),
    /// This node's own data.
    #[error("this node's own data: {0}")]
    Own(#[from] CaseError),
    /// Nobody waits for the result any more.
    #[error("the audit was given up")]
    GivenUp,
    /// A defect.
    #[error("the audit failed: {0}; this is a defect of the program, please report it")]
    Task(#[from] tokio::task::JoinError),
}

/// Audits agencies over the links that are up. Cheap to clone.
#[derive(Clone)]
pub struct Auditor {
    own: AgencyId,
    peers: Peers,
    directory: Directory,
    records: OwnRecords,
}

impl Auditor {
    /// The auditor of this agency.
    pub fn new(own: AgencyId, peers: Peers, outbox: Outbox, directory: Directory) -> Self {
        Self { own, peers, records: OwnRecords::new(outbox, directory.clone()), directory }
    }

    /// Audits one agency. `progress` says whether anybody still waits.
    ///
    /// # Errors
    /// When the agency cannot be asked, or this node's own data cannot be read.
    pub async fn audit(
        &self,
        agency: &AgencyId,
        scope: &Scope,
        mut progress: impl FnMut(Progress) -> bool,
    ) -> Result<Audited, AuditError> {
        if self.peers.get(agency).is_none() {
            return Err(AuditError::NotAdjacent(Unanswered::NotAdjacent(agency.clone())));
        }
        let holdings = {
            let (records, own, agency, scope) = (self.records.clone(), self.own.clone(), agency.clone(), scope.clone());
            tokio::task::spawn_blocking(move || records.of(&own, &agency, &scope)).await??
        };
        let mut audit = Audit::new(holdings, now_millis());
        while let Some(question) = audit.question() {
            match self.peers.ask(agency, question).await {
                Ok(proof) => audit.answer(proof, &self.directory.charters()),
                Err(problem) => audit.unanswered(problem.to_string()),
            }
            if !progress(audit.progress()) {
                return Err(AuditError::GivenUp);
            }
        }
        let (records, charters) = (self.records.clone(), self.directory.charters());
        let conclude = move || audit.conclude(&records, &charters, now_millis());
        Ok(tokio::task::spawn_blocking(conclude).await??)
    }

    /// The agencies that can be audited.
    pub(crate) fn adjacent(&self) -> impl Iterator<Item = AgencyId> {
        self.peers.iter().map(|peer| peer.agency.clone())
    }
}
