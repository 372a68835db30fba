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

pub use checkpoints::keep_checking_checkpoints;
pub use folder::{EvidenceFolder, FolderError, Kept};
pub use schedule::{keep_auditing, schedule_file};
pub use sinergi_proto::transparency::audit::{Audited, Progress, Scope};
pub use witness::keep_witnessing;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::audit::Audit;
use sinergi_proto::transparency::evidence::Statement;
use sinergi_proto::wire;

use crate::base::time::now_millis;
use crate::peers::{Links, Unanswered};
use crate::storage::case::CaseError;
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

/// Audits one agency. `progress` says whether anybody still waits.
///
/// # Errors
/// When the agency cannot be asked, or this node's own data cannot be read.
pub async fn audit(
    links: &Links,
    agency: &AgencyId,
    scope: &Scope,
    mut progress: impl FnMut(Progress) -> bool,
) -> Result<Audited, AuditError> {
    if links.peers.get(agency).is_none() {
        return Err(AuditError::NotAdjacent(Unanswered::NotAdjacent(agency.clone())));
    }
    let records = OwnRecords::new(links.outbox.clone(), links.directory.clone());
    let holdings = {
        let (records, own, agency, scope) = (records.clone(), links.own.clone(), agency.clone(), scope.clone());
        tokio::task::spawn_blocking(move || records.of(&own, &agency, &scope)).await??
    };
    let mut audit = Audit::new(holdings, now_millis());
    while let Some(question) = audit.question() {
        match links.ask(agency, question).await {
            Ok(proof) => audit.answer(proof, &links.directory.charters()),
            Err(problem) => audit.unanswered(problem.to_string()),
        }
        if !progress(audit.progress()) {
            return Err(AuditError::GivenUp);
        }
    }
    let charters = links.directory.charters();
    let conclude = move || audit.conclude(&records, &charters, now_millis());
    Ok(tokio::task::spawn_blocking(conclude).await??)
}

/// Keeps a finding as evidence, and alarms if it accuses of dishonesty rather than of being late. `None`: it could not be kept.
pub(crate) fn keep(
    links: &Links,
    folder: &EvidenceFolder,
    accusation: &wire::Accusation,
    statement: &Statement,
) -> Option<String> {
    let charters = links.directory.charters();
    let kept = folder.keep(&links.own, &charters, &links.entry_key, accusation, statement.finding.name());
    let (Statement { finding, accused, text, .. }, topic) = (statement, format!("audit {}", statement.accused));
    match kept {
        Ok(id) => {
            if finding.is_dishonest() {
                let advice = "show it to your supervisor and to an oversight agency";
                let what =
                    format!("{accused} {finding}: {text} `sinergi evidence export {id}` writes the evidence; {advice}");
                links.alarms.raise(topic, what);
            } else {
                tracing::info!(peer = %accused, evidence = id, "{finding}: {text}");
            }
            Some(id)
        }
        Err(error) => {
            links.alarms.raise(topic, format!("{accused} {finding}: {text} The evidence could not be kept: {error}"));
            None
        }
    }
}
