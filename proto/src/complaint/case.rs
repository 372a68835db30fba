//! The case: how far the work is. Never moves custody.

use serde::{Deserialize, Serialize};

use super::no_effect::NoEffect;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::entry::content::reply_code_hash;
use crate::entry::{CaseAct, Lodged};
use crate::wire::{CloseCause, ReplyWord};

/// A calendar day, in milliseconds: the least that a working day takes.
pub(crate) const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// How far the work on a complaint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Lodged; nobody has worked on it.
    Received,
    /// Classified.
    Verified,
    /// Being worked on.
    InProgress,
    /// The citizen was answered.
    Responded,
    /// The work has ended.
    Resolved,
    /// The citizen was dissatisfied.
    Reopened,
    /// The case has ended.
    Closed,
    /// Put away on two signatures.
    Archived,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Verified,
        Self::InProgress,
        Self::Responded,
        Self::Resolved,
        Self::Reopened,
        Self::Closed,
        Self::Archived,
    ];

    /// The stable name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::InProgress => "in_progress",
            Self::Responded => "responded",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
            Self::Archived => "archived",
        }
    }

    /// The phase with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// Whether nobody owes the citizen anything more, unless the citizen's word reopens the case.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Closed | Self::Archived)
    }

    /// Whether there is work to do.
    pub fn is_open(self) -> bool {
        self != Self::Resolved && !self.is_ended()
    }
}

/// What the case entries say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseState {
    /// How far the work is.
    pub phase: Phase,
    /// The category, as last classified.
    pub category: String,
    /// Closed neither by silence nor on a reply with the citizen's reply code.
    pub self_closed: bool,
    /// Who ended the work last: a citizen who is dissatisfied goes back to that agency, which still holds the complaint.
    pub resolved_by: Option<AgencyId>,
    /// How often the case was reopened.
    pub reopened: u32,
    /// The complaint under which this one is handled.
    pub duplicate_of: Option<ComplaintId>,
    /// The proposal to archive that waits for the second signature.
    pub archive_proposal: Option<ArchiveProposal>,
    /// When the citizen was answered last, if nobody has replied since; milliseconds since 1970.
    pub answered_at: Option<u64>,
    /// Whether the newest reply carried the citizen's reply code and was not a complaint about the answer.
    reply_proven: bool,
}

/// A proposal that waits for the second signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveProposal {
    /// The `ArchiveProposed`.
    pub entry: EntryId,
    /// The custody entry that it was made under.
    pub basis: EntryId,
    /// `ArchiveReason`.
    pub reason: i32,
}

/// A case entry that its author was entitled to.
#[derive(Clone, Copy, Debug)]
pub struct CaseEntry<'a> {
    /// Its id.
    pub id: EntryId,
    /// Its author.
    pub author: &'a AgencyId,
    /// Its clock, milliseconds since 1970.
    pub millis: u64,
    /// The custody entry that it was made under.
    pub basis: EntryId,
    /// Whether that one counts.
    pub on_path: bool,
    /// The action that it records.
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

    /// The state after one more case entry. Entries come in the order of (clock, id).
    ///
    /// An answer that was given stays an answer: work and answers on a case that has ended are kept as what they are and change nothing.
    ///
    /// # Errors
    /// Why the entry has no effect on this state.
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
            // These stand for themselves: the order in which they come changes nothing.
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

    /// Neither a cause that is missing or unknown, nor a silence that has not lasted, is a way around the mark.
    fn closed(&mut self, cause: i32, silence_working_days: u32, entry: CaseEntry<'_>) {
        let silent = cause == i32::from(CloseCause::Silence) && self.silence_lasted(silence_working_days, entry.millis);
        self.phase = Phase::Closed;
        self.self_closed = !silent && !self.reply_proven;
    }

    /// Whether nobody replied to the last answer for so many days. Working days are never shorter than days, so an honest node that
    /// counts working days passes; holidays are no business of the fold.
    pub fn silence_lasted(&self, working_days: u32, millis: u64) -> bool {
        let needed = u64::from(working_days).saturating_mul(DAY_MILLIS);
        working_days > 0 && self.answered_at.is_some_and(|answered| millis >= answered.saturating_add(needed))
    }

    /// A proposal is settled under the custody that it was made under, and only if that counts: nothing vanishes on the word of who no longer
    /// holds it.
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
