//! Audits other agencies' ledgers: sends the questions of [`sinergi_proto::transparency::audit`] over the links, and keeps findings as evidence.
//!
//! Must not decide which questions are asked, nor whether an answer is a finding.
//!
//! ```text
//! records.rs         the own ledger and store, as an audit reads them
//! folder.rs          the node's evidence: signs, keeps, lists and exports it
//! evidence_files.rs  the names of evidence files, and how many there may be
//! schedule.rs        audits without an operator
//! ```
//!
//! Invariants:
//! - an audit reads: it writes nothing but evidence files, and sends nothing but questions;
//! - memory and the number of questions are bounded by the own ledger and by the tree that the agency shows.

mod checkpoints;
mod evidence_files;
mod folder;
mod records;
mod schedule;
mod witness;

pub use checkpoints::CheckpointChecks;
pub use evidence_files::FolderError;
pub use folder::{EvidenceFile, EvidenceFolder};
pub use schedule::{keep_auditing, schedule_file};
pub use sinergi_proto::transparency::audit::{Audited, Progress, Scope};
pub use witness::keep_witnessing;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::audit::Audit;

use crate::base::time::now_millis;
use crate::peers::{Peers, Unanswered};
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::outbox::Outbox;
use records::OwnRecords;

/// An audit was not possible, or was not finished.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The agency is not a peer of this node.
    #[error(transparent)]
    NotAdjacent(Unanswered),
    /// This node's own data cannot be read.
    #[error("this node's own data: {0}")]
    Own(#[from] OwnDataError),
    /// The caller no longer waits for the result.
    #[error("the audit was given up")]
    GivenUp,
    /// A task panicked: a defect of the program.
    #[error("the audit failed: {0}; this is a defect of the program, please report it")]
    Task(#[from] tokio::task::JoinError),
}

/// Audits agencies over the links that are up. Cheap to clone.
#[derive(Clone)]
pub struct Auditor {
    own: AgencyId,
    peers: Peers,
    charter_store: CharterStore,
    records: OwnRecords,
}

impl Auditor {
    /// The auditor of this agency.
    pub fn new(own: AgencyId, peers: Peers, outbox: Outbox, charter_store: CharterStore) -> Self {
        Self { own, peers, records: OwnRecords::new(outbox, charter_store.clone()), charter_store }
    }

    /// Audits one agency. `progress` is called after each question; it returns whether the caller still waits.
    ///
    /// # Errors
    /// The agency cannot be asked, or this node's own data cannot be read.
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
                Ok(proof) => audit.answer(proof, &self.charter_store.charters()),
                Err(problem) => audit.unanswered(problem.to_string()),
            }
            if !progress(audit.progress()) {
                return Err(AuditError::GivenUp);
            }
        }
        let (records, charters) = (self.records.clone(), self.charter_store.charters());
        let conclude = move || audit.conclude(&records, &charters, now_millis());
        Ok(tokio::task::spawn_blocking(conclude).await??)
    }

    /// The agencies that can be audited.
    pub(crate) fn adjacent(&self) -> impl Iterator<Item = AgencyId> {
        self.peers.iter().map(|peer| peer.agency.clone())
    }
}
