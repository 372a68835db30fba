//! The case: the progress of the work on a complaint.
//!
//! Must not know custody. [`super::CustodyState::allows`] has judged before whether the author may make the entry.
//!
//! Invariants:
//! - a case entry never moves custody;
//! - only the work of the holder at that point of the custody path moves the case;
//! - a case is closed with a true cause only: by the citizen's word, by a silence that lasted, or by the intake agency's own word (`self_closed`);
//! - a case that was reopened is closed only after a new answer;
//! - no word of the citizen has effect after one with a higher or equal number, so none can be shown again.

use super::no_effect::{NoEffect, NotHeard};
use super::phase::Phase;
use super::timeline::TimelineKey;
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::charter::Rules;
use crate::citizen::Reply;
use crate::entry::{CaseAct, Lodged};
use crate::wire::{CloseCause, ReplyWord};

/// The state of the case after some case entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseState {
    /// The phase of the work.
    pub phase: Phase,
    /// The category code of the newest classification.
    pub category: String,
    /// Whether the intake agency closed the case on its own word: neither after a silence nor on the citizen's word.
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
    /// The reply with the citizen's satisfied word on the newest answer, or on one that crossed with an acceptance. `None` if there is none, or
    /// the case was answered or reopened after it.
    pub citizens_word: Option<EntryId>,
    /// The highest number of a word of the citizen that has effect; 0: there is none.
    pub word_number: u64,
    /// The newest answer with effect.
    pub newest_answer: Option<TimelineKey>,
    /// The newest reply that reopened the case.
    reopened_by: Option<TimelineKey>,
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
    /// The entry's clock.
    pub clock: HybridClock,
    /// The custody entry under which it was made.
    pub basis: EntryId,
    /// The answer that it names, if it is a reply.
    pub answer: Option<TimelineKey>,
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
    fn key(&self) -> TimelineKey {
        (self.clock, self.id)
    }

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
            word_number: 0,
            newest_answer: None,
            reopened_by: None,
        }
    }

    /// The state after one more case entry. The caller applies entries in the order of (clock, id).
    ///
    /// Work and answers on a case that has ended are no error. They are shown as what they are and change nothing.
    ///
    /// # Errors
    /// The reason why the entry has no effect on this state.
    pub fn after(&self, entry: CaseEntry<'_>, intake: &AgencyId) -> Result<Self, NoEffect> {
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
            CaseAct::Replied(reply) if reply.signature.is_some() => next.citizen_spoke(reply, entry)?,
            CaseAct::Replied(reply) => next.noted(reply.word.says, entry, intake)?,
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
        self.answer = Some((entry.id, entry.clock.millis()));
        self.newest_answer = Some(entry.key());
        self.citizens_word = None;
    }

    /// Whether the case waits for work of the holder.
    fn has_work_for(&self, holder: &AgencyId) -> bool {
        self.phase.is_open() || (self.phase == Phase::Resolved && self.resolved_by.as_ref() != Some(holder))
    }

    /// Takes a word that the citizen signed. The fold has checked the signature, and that its carrier had seen the answer.
    fn citizen_spoke(&mut self, reply: &Reply, entry: CaseEntry<'_>) -> Result<(), NoEffect> {
        let (number, highest) = (reply.word.number, self.word_number);
        if number <= highest {
            return Err(NoEffect::NotHeard(NotHeard::Outdated { number, highest }));
        }
        (self.word_number, self.answer) = (number, None);
        match reply.word.says {
            ReplyWord::Satisfied if entry.answer.is_some_and(|answer| self.is_last(&answer)) => {
                self.citizens_word = Some(entry.id);
            }
            ReplyWord::Dissatisfied => self.reopen(entry),
            ReplyWord::Satisfied | ReplyWord::Information | ReplyWord::Unspecified => {}
        }
        Ok(())
    }

    /// Takes what an agency notes in its own name. It never counts as the citizen's word.
    fn noted(&mut self, says: ReplyWord, entry: CaseEntry<'_>, intake: &AgencyId) -> Result<(), NoEffect> {
        if entry.author != intake && !(self.phase == Phase::Closed && self.self_closed) {
            return Err(NoEffect::NotSelfClosed);
        }
        self.answer = None;
        if says == ReplyWord::Dissatisfied {
            self.reopen(entry);
        }
        Ok(())
    }

    fn reopen(&mut self, entry: CaseEntry<'_>) {
        (self.phase, self.self_closed) = (Phase::Reopened, false);
        (self.citizens_word, self.reopened_by) = (None, Some(entry.key()));
        self.reopened = self.reopened.saturating_add(1);
    }

    /// Whether the case was reopened and not answered since. The intake agency cannot close it over the citizen's word then.
    fn awaits_answer(&self) -> bool {
        self.reopened_by.is_some_and(|by| self.newest_answer.is_none_or(|answer| answer < by))
    }

    /// Whether the case was neither answered nor reopened after this answer. It may be one without effect, because it crossed with an acceptance.
    fn is_last(&self, answer: &TimelineKey) -> bool {
        self.newest_answer.is_none_or(|newest| newest <= *answer) && self.reopened_by.is_none_or(|by| by < *answer)
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
                    ground == Some(answer)
                        && entry.clock.millis() >= millis.saturating_add(entry.rules.silence_millis())
                })
            }
            Ok(CloseCause::OwnWord) => ground.is_none() && !self.awaits_answer(),
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
