//! The case: the progress of the work on a complaint.
//!
//! Must not know custody. [`super::CustodyState::allows`] has judged before whether the author may make the entry.
//!
//! Invariants:
//! - a case entry never moves custody;
//! - an answer that was given stays an answer, even if its author no longer holds the complaint;
//! - a case is closed without the mark `self_closed` only by a silence that lasted or by a reply with the citizen's code.

use super::no_effect::NoEffect;
use super::phase::Phase;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::entry::content::reply_code_hash;
use crate::entry::{CaseAct, Lodged};
use crate::wire::{CloseCause, ReplyWord};

/// A calendar day, in milliseconds. A working day takes at least so long.
pub(crate) const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// The state of the case after some case entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseState {
    /// The phase of the work.
    pub phase: Phase,
    /// The category code of the newest classification.
    pub category: String,
    /// Whether the intake agency closed the case on its own word: neither after a silence nor on a reply with the citizen's reply code.
    pub self_closed: bool,
    /// The agency that ended the work last.
    pub resolved_by: Option<AgencyId>,
    /// Number of times that the case was reopened.
    pub reopened: u32,
    /// The complaint under which this one is handled.
    pub duplicate_of: Option<ComplaintId>,
    /// The proposal to archive that waits for the second signature.
    pub archive_proposal: Option<ArchiveProposal>,
    /// Time of the last answer, in milliseconds since 1970. `None` if there is no answer, or a reply came after it.
    pub answered_at: Option<u64>,
    /// Whether the newest reply carried the citizen's reply code and was not dissatisfied.
    reply_proven: bool,
}

/// A proposal to archive that waits for the second signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveProposal {
    /// The `ArchiveProposed` entry.
    pub entry: EntryId,
    /// The custody entry under which it was made.
    pub basis: EntryId,
    /// `ArchiveReason`.
    pub reason: i32,
}

/// A case entry that its author was allowed to make.
#[derive(Clone, Copy, Debug)]
pub struct CaseEntry<'a> {
    /// The entry's id.
    pub id: EntryId,
    /// The entry's author.
    pub author: &'a AgencyId,
    /// The entry's clock, in milliseconds since 1970.
    pub millis: u64,
    /// The custody entry under which it was made.
    pub basis: EntryId,
    /// Whether the basis is on the custody path.
    pub on_path: bool,
    /// The action.
    pub act: &'a CaseAct,
}

impl CaseState {
    /// The case of a new complaint.
    pub fn new(lodged: &Lodged) -> Self {
        Self {
            phase: Phase::Received,
            category: lodged.category.clone(),
            self_closed: false,
            resolved_by: None,
            reopened: 0,
            duplicate_of: None,
            archive_proposal: None,
            answered_at: None,
            reply_proven: false,
        }
    }

    /// The state after one more case entry. The caller applies entries in the order of (clock, id).
    ///
    /// Work and answers on a case that has ended are no error. They are shown as what they are and change nothing.
    ///
    /// # Errors
    /// The reason why the entry has no effect on this state.
    pub fn after(&self, entry: CaseEntry<'_>, intake: &AgencyId, lodged: &Lodged) -> Result<Self, NoEffect> {
        let mut next = self.clone();
        match entry.act {
            CaseAct::Verified { category, .. } => {
                if next.phase == Phase::Received {
                    next.phase = Phase::Verified;
                }
                if !category.is_empty() {
                    next.category.clone_from(category);
                }
            }
            CaseAct::Progressed { .. } if self.phase.is_open() => next.phase = Phase::InProgress,
            CaseAct::Responded if self.phase.is_open() => next.answered(Phase::Responded, entry),
            CaseAct::Resolved { .. } if !self.phase.is_ended() => {
                next.answered(Phase::Resolved, entry);
                next.resolved_by = Some(entry.author.clone());
            }
            CaseAct::Replied { word, reply_code } => next.replied(*word, reply_code, entry, intake, lodged)?,
            CaseAct::Closed { cause, silence_working_days } => next.closed(*cause, *silence_working_days, entry),
            CaseAct::ArchiveProposed { reason } => {
                next.require_running(entry)?;
                let proposal = ArchiveProposal { entry: entry.id, basis: entry.basis, reason: *reason };
                next.archive_proposal = Some(proposal);
            }
            CaseAct::ArchiveApproved { proposal } => {
                next.settle(*proposal, entry)?;
                next.phase = Phase::Archived;
            }
            CaseAct::ArchiveRefused { proposal } => next.settle(*proposal, entry)?,
            CaseAct::Linked { duplicate_of } => next.duplicate_of = Some(*duplicate_of),
            CaseAct::Progressed { .. } | CaseAct::Responded | CaseAct::Resolved { .. } => {}
            // These do not change the state of the case.
            CaseAct::Recalled
            | CaseAct::EraseProposed { .. }
            | CaseAct::Erased { .. }
            | CaseAct::Arrived
            | CaseAct::Escalated { .. }
            | CaseAct::Remarked
            | CaseAct::Disclosed { .. } => {}
        }
        Ok(next)
    }

    fn answered(&mut self, phase: Phase, entry: CaseEntry<'_>) {
        self.phase = phase;
        self.answered_at = Some(entry.millis);
    }

    fn replied(
        &mut self,
        word: ReplyWord,
        reply_code: &str,
        entry: CaseEntry<'_>,
        intake: &AgencyId,
        lodged: &Lodged,
    ) -> Result<(), NoEffect> {
        if entry.author != intake && !(self.phase == Phase::Closed && self.self_closed) {
            return Err(NoEffect::NotSelfClosed);
        }
        let is_code = !reply_code.is_empty() && reply_code_hash(reply_code) == lodged.reply_code_hash;
        self.reply_proven = is_code && word != ReplyWord::Dissatisfied;
        self.answered_at = None;
        if word == ReplyWord::Dissatisfied {
            self.phase = Phase::Reopened;
            self.self_closed = false;
            self.reopened = self.reopened.saturating_add(1);
        }
        Ok(())
    }

    /// Closes the case. A missing or unknown cause, or a silence that has not lasted, leads to the mark `self_closed`.
    fn closed(&mut self, cause: i32, silence_working_days: u32, entry: CaseEntry<'_>) {
        let silent = cause == i32::from(CloseCause::Silence) && self.silence_lasted(silence_working_days, entry.millis);
        self.phase = Phase::Closed;
        self.self_closed = !silent && !self.reply_proven;
    }

    /// Whether so many days have passed without a reply to the last answer. Calendar days are counted, because the fold knows no holidays.
    /// A working day is never shorter, so an honest node that counts working days passes.
    pub fn silence_lasted(&self, working_days: u32, millis: u64) -> bool {
        let needed = u64::from(working_days).saturating_mul(DAY_MILLIS);
        working_days > 0 && self.answered_at.is_some_and(|answered| millis >= answered.saturating_add(needed))
    }

    /// Settles a proposal. The second signature must have the same basis as the proposal, and the basis must be on the path. Otherwise an
    /// agency that no longer holds the complaint could help to archive it.
    fn settle(&mut self, proposal: EntryId, entry: CaseEntry<'_>) -> Result<(), NoEffect> {
        self.require_running(entry)?;
        match self.archive_proposal {
            Some(open) if open.entry == proposal && open.basis == entry.basis => self.archive_proposal = None,
            Some(open) if open.entry == proposal => return Err(NoEffect::ProposalOutdated),
            _ => return Err(NoEffect::NoProposal),
        }
        Ok(())
    }

    fn require_running(&self, entry: CaseEntry<'_>) -> Result<(), NoEffect> {
        if !entry.on_path {
            return Err(NoEffect::BasisSuperseded);
        }
        if self.phase.is_ended() { Err(NoEffect::CaseEnded { phase: self.phase }) } else { Ok(()) }
    }
}
