//! Audits other agencies' ledgers: sends the questions of [`sinergi_proto::transparency::audit`] over the links, and keeps findings as evidence.
//!
//! Must not decide which questions are asked, nor whether an answer is a finding.
//!
//! ```text
//! records.rs         the own ledger and store, as an audit reads them
//! folder.rs          the node's evidence: signs, keeps, lists and exports it
//! evidence_files.rs  the names of evidence files, and how many there may be
//! resume_files.rs    the points from which the next audits go on
//! schedule.rs        audits without an operator
//! ```
//!
//! Invariants:
//! - an audit reads: it writes nothing but evidence files and the point from which the next one goes on, and sends nothing but questions;
//! - that point is kept after the evidence;
//! - a failure of this node or of the link accuses nobody, and a node that may not sign accuses nobody;
//! - memory and the number of questions are bounded by the own ledger and by the tree that the agency shows.

mod checkpoints;
mod evidence_files;
mod folder;
mod records;
mod resume_files;
mod schedule;
mod witness;

pub use checkpoints::CheckpointChecks;
pub use evidence_files::FolderError;
pub use folder::{EvidenceFile, EvidenceFolder};
pub use schedule::{keep_auditing, schedule_file};
pub use sinergi_proto::transparency::audit::{Audited, Progress, Scope};
pub use witness::keep_witnessing;

use std::path::Path;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::audit::{Audit, NoAnswer};
use sinergi_proto::transparency::rollback_guard::GuardState;
use tokio::time::Instant;

use crate::base::time::now_millis;
use crate::peers::{Peers, Unanswered};
use crate::rollback_guard::GuardService;
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::outbox::Outbox;
use records::OwnRecords;
use resume_files::ResumeFiles;

/// An audit was not possible, or was not finished.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The agency could not be asked. It is accused of nothing.
    #[error(transparent)]
    NotAsked(Unanswered),
    /// This node may not sign, so it accuses nobody.
    #[error(
        "this node signs nothing now, because its ledger was set back or may be an old copy, so it accuses nobody either: see `sinergi status`; \
         nobody was audited"
    )]
    MayNotSign,
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
    guard: GuardService,
    records: OwnRecords,
    resume_files: ResumeFiles,
}

/// Where an audit begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Where the audit before ended.
    AfterLast,
    /// At the start of the ledger.
    AtStart,
}

impl Auditor {
    /// The auditor of this agency, with its data folder. `guard` says whether this node may accuse anybody.
    pub fn new(
        own: AgencyId,
        data: &Path,
        peers: Peers,
        outbox: Outbox,
        charter_store: CharterStore,
        guard: GuardService,
    ) -> Self {
        let resume_files = ResumeFiles::open(data, outbox.reader().epoch(), outbox.reader().end());
        let records = OwnRecords::new(outbox, charter_store.clone());
        Self { own, peers, records, resume_files, charter_store, guard }
    }

    /// Waits until the rollback guard has settled, and checks that this node may accuse anybody. A node whose ledger was set back lacks what others
    /// have proved to it, and would take that for their fault.
    ///
    /// # Errors
    /// It may not sign.
    pub async fn may_accuse(&self) -> Result<(), AuditError> {
        match self.guard.settled().await {
            GuardState::Clear => Ok(()),
            GuardState::Waiting | GuardState::Unconfirmed | GuardState::SetBack | GuardState::KeyRevoked => {
                Err(AuditError::MayNotSign)
            }
        }
    }

    /// Audits one agency. An audit with a scope begins at the start. After `until` no more is asked, and what was answered counts. `progress` is called
    /// after each question; it returns whether the caller still waits.
    ///
    /// # Errors
    /// The agency cannot be asked, this node may not accuse anybody, or its own data cannot be read.
    pub async fn audit(
        &self,
        agency: &AgencyId,
        scope: &Scope,
        begin: Begin,
        until: Option<Instant>,
        mut progress: impl FnMut(Progress) -> bool,
    ) -> Result<Audited, AuditError> {
        if self.peers.get(agency).is_none() {
            return Err(AuditError::NotAsked(Unanswered::NotAdjacent(agency.clone())));
        }
        let begin = if *scope == Scope::default() { begin } else { Begin::AtStart };
        let audit = match self.asked(agency, scope, begin, until, &mut progress).await? {
            audit if audit.must_begin_anew() => self.asked(agency, scope, Begin::AtStart, until, &mut progress).await?,
            audit => audit,
        };
        self.concluded(audit).await
    }

    /// Keeps the point from which the next audit goes on. Call it when the findings are kept.
    pub async fn keep_resume(&self, audited: &Audited) {
        let (files, agency, resume) = (self.resume_files.clone(), audited.agency.clone(), audited.resume.clone());
        let Some(resume) = resume else { return };
        if let Err(error) = tokio::task::spawn_blocking(move || files.keep(&agency, &resume)).await {
            tracing::error!(%error, "a file was not written; this is a defect of the program, please report it");
        }
    }

    /// Asks all questions of an audit.
    async fn asked(
        &self,
        agency: &AgencyId,
        scope: &Scope,
        begin: Begin,
        until: Option<Instant>,
        progress: &mut impl FnMut(Progress) -> bool,
    ) -> Result<Audit, AuditError> {
        self.may_accuse().await?;
        let resume = self.resume_files.load(agency);
        let holdings = {
            let (records, own, agency, scope) = (self.records.clone(), self.own.clone(), agency.clone(), scope.clone());
            tokio::task::spawn_blocking(move || records.of(&own, &agency, &scope, begin, resume)).await??
        };
        let mut audit = Audit::new(holdings, now_millis());
        while let Some(question) = audit.question() {
            if until.is_some_and(|until| Instant::now() >= until) {
                audit.unanswered(NoAnswer::Own(
                    "the audit took too long; what was answered until then counts".to_owned(),
                ));
                break;
            }
            match self.peers.ask(agency, question).await {
                Ok(proof) => {
                    let (records, charters) = (self.records.clone(), self.charter_store.charters());
                    // An answer may hold the hashes of 65,536 leaves.
                    let taken =
                        tokio::task::spawn_blocking(move || audit.answer(proof, &charters, &records).map(|()| audit));
                    audit = taken.await??;
                }
                Err(problem) => match NoAnswer::from(&problem) {
                    NoAnswer::Own(_) if audit.has_no_answer() => return Err(AuditError::NotAsked(problem)),
                    reason => audit.unanswered(reason),
                },
            }
            if !progress(audit.progress()) {
                return Err(AuditError::GivenUp);
            }
        }
        Ok(audit)
    }

    async fn concluded(&self, audit: Audit) -> Result<Audited, AuditError> {
        // The ledger may prove to be set back while others are asked.
        self.may_accuse().await?;
        let (records, charters) = (self.records.clone(), self.charter_store.charters());
        let conclude = move || audit.conclude(&records, &charters, now_millis());
        Ok(tokio::task::spawn_blocking(conclude).await??)
    }

    /// The agencies that can be audited.
    pub(crate) fn adjacent(&self) -> impl Iterator<Item = AgencyId> {
        self.peers.iter().map(|peer| peer.agency.clone())
    }
}
