//! Auditing another agency's ledger: what this node knows that it must hold, against the proofs that it gives.
//!
//! Decides nothing: whatever looks wrong becomes an accusation, and only what [`Judge`] holds for proven is reported.
//!
//! ```text
//! known.rs      one pass through the own ledger: what it says about the audited agency
//! shown.rs      questions to the agency, and its answers checked against the checkpoint that it signed
//! checks.rs     checkpoints, leaves, custody, offers, figures: what becomes an accusation
//! folder.rs     evidence files of the node
//! schedule.rs   audits without an operator
//! ```
//!
//! Invariants:
//! - an audit reads: it writes nothing but evidence files, and sends nothing but questions;
//! - what it costs is bounded by the own ledger and what the agency shows, in memory and in questions at a time.

mod checks;
mod folder;
mod known;
mod schedule;
mod shown;

pub use folder::{EvidenceFolder, FolderError, Kept};
pub use schedule::{keep_auditing, schedule_file};

use std::collections::BTreeMap;

use sinergi_proto::evidence::{Finding, Judge, Statement};
use sinergi_proto::ids::{AgencyId, ComplaintId};
use sinergi_proto::wire::{self, accusation::Finding as Kind};

use crate::case::CaseError;
use crate::link::{Links, Unanswered};
use crate::time::now_millis;
use known::Known;
use shown::{NotShown, Shown};

/// Findings of one kind in one audit: more say no more, and would crowd out the evidence against others.
const FINDINGS_OF_A_KIND: usize = 100;

/// What is audited.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only this complaint.
    pub complaint: Option<ComplaintId>,
    /// Only what this node wrote or received at or after this time, and offers whose time ended then, milliseconds since 1970.
    pub since: u64,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items that were checked.
    pub checked: u64,
    /// Items to check, as far as is known.
    pub total: u64,
}

/// What an audit of one agency found.
#[derive(Debug)]
pub struct Audited {
    /// The agency.
    pub agency: AgencyId,
    /// Leaves of the ledger that it showed; `None`: it showed none.
    pub size: Option<u64>,
    /// Everything that was asked was answered.
    pub is_whole: bool,
    /// Leaves of it that were proved to be what they should be.
    pub checked: u64,
    /// What it acknowledged in earlier epochs of its ledger: its present tree says nothing about that.
    pub of_earlier_epochs: u64,
    /// The findings: each accusation and what it says.
    pub findings: Vec<(wire::Accusation, Statement)>,
}

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
    let known = {
        let (links, agency, scope) = (links.clone(), agency.clone(), scope.clone());
        tokio::task::spawn_blocking(move || Known::gather(&links, &agency, &scope)).await??
    };
    let asked_at = now_millis();
    let (shown, result) = Shown::ask(links, agency, &known, scope, &mut progress).await;
    let silence = match result {
        Ok(()) => None,
        Err(NotShown::GivenUp) => return Err(AuditError::GivenUp),
        Err(silence) => Some(wire::Unresponsive { asked_at, answer: silence.to_string() }),
    };
    let (links, agency) = (links.clone(), agency.clone());
    tokio::task::spawn_blocking(move || conclude(&links, agency, &known, &shown, silence)).await?
}

/// Puts what is known beside what was shown.
fn conclude(
    links: &Links,
    agency: AgencyId,
    known: &Known,
    shown: &Shown,
    silence: Option<wire::Unresponsive>,
) -> Result<Audited, AuditError> {
    let is_whole = silence.is_none();
    let mut found: Vec<Kind> = silence.into_iter().map(Kind::Unresponsive).collect();
    found.extend(checks::find(links, known, shown)?);
    let newest = shown.newest().map(|tree| &tree.checkpoint);
    let of_earlier_epochs = newest.map_or(0, |newest| known.of_other_epochs(newest.epoch));
    let charters = links.directory.charters();
    let judge = Judge::new(&charters);
    let mut findings = Vec::new();
    for finding in found {
        let accusation = wire::Accusation { accused: agency.to_string(), finding: Some(finding) };
        match judge.judge(&accusation, now_millis()) {
            Ok(statement) => findings.push((accusation, statement)),
            Err(error) => tracing::debug!(peer = %agency, "looked wrong and is not: {error}"),
        }
    }
    findings.sort_by_key(|(_, statement)| (!statement.finding.is_proven(), statement.finding));
    findings.dedup_by(|(_, one), (_, other)| one == other);
    let mut of_kind = BTreeMap::<Finding, usize>::new();
    findings.retain(|(_, statement)| {
        let count = of_kind.entry(statement.finding).or_default();
        *count += 1;
        *count <= FINDINGS_OF_A_KIND
    });
    let size = newest.map(|newest| newest.size);
    Ok(Audited { agency, size, is_whole, checked: shown.checked(), of_earlier_epochs, findings })
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
            if finding.is_proven() || matches!(finding, Finding::Withheld | Finding::Misreported) {
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
