//! The case: the progress of the work on a complaint.
//!
//! Must not know custody. [`super::CustodyState::allows`] has judged before whether the author may make the entry.
//!
//! Invariants:
//! - a case entry never moves custody;
//! - only the work of the holder at that point of the custody path moves the case;
//! - a case is closed with a true cause only: by the citizen's word, by a silence that lasted, or by the intake agency's own word (`self_closed`).

use super::no_effect::NoEffect;
use super::phase::Phase;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::charter::Rules;
use crate::entry::content::reply_code_hash;
use crate::entry::{CaseAct, Lodged};
use crate::wire::{CloseCause, ReplyWord};

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
    /// The last answer, with its time in milliseconds since 1970. `None` if there is no answer, or a reply came after it.
    pub answer: Option<(EntryId, u64)>,
    /// The reply that carries the citizen's word on the last answer, and is not dissatisfied. `None` if there is none.
    pub citizens_word: Option<EntryId>,
    /// Whether the citizen has got an answer.
    is_answered: bool,
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
    /// The next `Accepted` on the path after the basis, if its author did not know of this entry.
    pub crossed_by: Option<EntryId>,
    /// The rules of the charter that the entry names.
    pub rules: Rules,
    /// The action.
    pub act: &'a CaseAct,
}

impl CaseEntry<'_> {
    fn require_on_path(&self) -> Result<(), NoEffect> {
        if self.on_path { Ok(()) } else { Err(NoEffect::BasisSuperseded) }
    }
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
            answer: None,
            citizens_word: None,
            is_answered: false,
        }
    }

    /// The state after one more case entry. The caller applies entries in the order of (clock, id).
    ///
    /// Work and answers on a case that has ended are no error. They are shown as what they are and change nothing.
    ///
    /// # Errors
    /// The reason why the entry has no effect on this state.
    pub fn after(&self, entry: CaseEntry<'_>, intake: &AgencyId, lodged: &Lodged) -> Result<Self, NoEffect> {
        if entry.act.needs_custody() {
            entry.require_on_path()?;
            if let Some(by) = entry.crossed_by {
                return Err(NoEffect::Crossed { by });
            }
        }
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
            // An agency that took over a resolved case may work on it again.
            CaseAct::Progressed { .. } if self.has_work_for(entry.author) => next.phase = Phase::InProgress,
            CaseAct::Responded if self.has_work_for(entry.author) => next.answered(Phase::Responded, entry),
            CaseAct::Resolved { .. } if !self.phase.is_ended() => {
                next.answered(Phase::Resolved, entry);
                next.resolved_by = Some(entry.author.clone());
            }
            CaseAct::Replied { word, reply_code } => next.replied(*word, reply_code, entry, intake, lodged)?,
            CaseAct::Closed { cause, ground } => next.closed(*cause, *ground, entry)?,
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
        (self.answer, self.citizens_word, self.is_answered) = (Some((entry.id, entry.millis)), None, true);
    }

    /// Whether the case waits for work of the holder.
    fn has_work_for(&self, holder: &AgencyId) -> bool {
        self.phase.is_open() || (self.phase == Phase::Resolved && self.resolved_by.as_ref() != Some(holder))
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
        let closes = is_code && word != ReplyWord::Dissatisfied && self.is_answered;
        self.citizens_word = closes.then_some(entry.id);
        self.answer = None;
        if word == ReplyWord::Dissatisfied {
            self.phase = Phase::Reopened;
            self.self_closed = false;
            self.reopened = self.reopened.saturating_add(1);
        }
        Ok(())
    }

    /// Closes the case, if the cause is true.
    fn closed(&mut self, cause: i32, ground: Option<EntryId>, entry: CaseEntry<'_>) -> Result<(), NoEffect> {
        if self.phase.is_ended() {
            return Err(NoEffect::CaseEnded { phase: self.phase });
        }
        let is_true = match CloseCause::try_from(cause) {
            Ok(CloseCause::Reply) => ground.is_some() && ground == self.citizens_word,
            // After the answer nobody may have worked on the case again.
            Ok(CloseCause::Silence) if matches!(self.phase, Phase::Responded | Phase::Resolved) => {
                self.answer.is_some_and(|(answer, millis)| {
                    ground == Some(answer) && entry.millis >= millis.saturating_add(entry.rules.silence_millis())
                })
            }
            Ok(CloseCause::OwnWord) => ground.is_none(),
            Ok(CloseCause::Silence | CloseCause::Unspecified) | Err(_) => false,
        };
        if !is_true {
            return Err(NoEffect::UntrueCause);
        }
        self.phase = Phase::Closed;
        self.self_closed = cause == i32::from(CloseCause::OwnWord);
        Ok(())
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
        entry.require_on_path()?;
        if self.phase.is_ended() { Err(NoEffect::CaseEnded { phase: self.phase }) } else { Ok(()) }
    }
}
