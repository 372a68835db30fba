//! Decides a command on a complaint: it becomes the body of a new entry, or is declined with a reason.
//!
//! Must not know how the entry is signed and stored.
//!
//! Invariant: the same rules hold as in the fold, so a node never signs an entry that has no effect on its own copy of the complaint. An entry
//! that another agency signed at the same time may still supersede it.

mod case;

use super::{Actor, Command, Complaint, NewOffer, NoEffect, Phase};
use crate::base::ids::{AgencyId, EntryId};
use crate::charter::Charters;
use crate::entry::{CaseAct, CustodyAct};
use crate::wire::{CloseCause, entry::Body as Wire};

/// The reason why a command is declined. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The entry would have no effect on the complaint as it is now.
    #[error("complaint {complaint}: {reason}")]
    NoEffect {
        /// The complaint's short id.
        complaint: String,
        /// The rule of the fold that forbids it.
        reason: NoEffect,
    },
    /// The offer with which the complaint was to be lodged would have no effect.
    #[error("nothing was lodged, because the offer is impossible: {reason}")]
    NotLodged {
        /// The rule of the fold that forbids the offer.
        reason: NoEffect,
    },
    /// The work has ended.
    #[error("complaint {complaint} is {}; only the citizen's reply reopens it", phase.name())]
    Ended {
        /// The complaint's short id.
        complaint: String,
        /// The phase of the case.
        phase: Phase,
    },
    /// The citizen has no answer yet, or the case was closed before.
    #[error("complaint {complaint} is {}; only a resolved or answered complaint is closed", phase.name())]
    NotAnswered {
        /// The complaint's short id.
        complaint: String,
        /// The phase of the case.
        phase: Phase,
    },
    /// The silence has not lasted long enough to close the case.
    #[error(
        "complaint {complaint}: by charter version {version} the citizen must be silent for {working_days} working days after an answer; {since}"
    )]
    NotSilent {
        /// The complaint's short id.
        complaint: String,
        /// The charter version that the entry would name.
        version: u64,
        /// Working days of silence that it demands.
        working_days: u32,
        /// The last answer, and the time from which the case may be closed, in words.
        since: String,
    },
    /// No word of the citizen closes the case.
    #[error(
        "complaint {complaint}: no satisfied word signed by the citizen came since the last answer, so it cannot be closed by the citizen's word; \
         after a silence it can be closed with --silence, and in the agency's own name with --own-word"
    )]
    NoReply {
        /// The complaint's short id.
        complaint: String,
    },
    /// There is no open proposal, or more than one.
    #[error("complaint {complaint}: {problem}")]
    Proposal {
        /// The complaint's short id.
        complaint: String,
        /// The problem and its solution, in words.
        problem: String,
    },
    /// The command names an entry that is not here.
    #[error("entry \"{entry}\": this node has no such entry of the complaint")]
    NoSuchEntry {
        /// The entry.
        entry: EntryId,
    },
    /// The command names a content that the entry does not have.
    #[error("content \"{number}\": the entry has {contents} contents, counted from 0")]
    NoSuchContent {
        /// The number that the command names.
        number: u32,
        /// Number of contents of the entry.
        contents: usize,
    },
}

impl Declined {
    /// Whether the command itself is wrong, and not only not allowed now.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoSuchEntry { .. } | Self::NoSuchContent { .. })
    }
}

/// The author of the new entry, with the facts that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The node's own agency.
    pub agency: &'a AgencyId,
    /// The clock of the new entry, in milliseconds since 1970.
    pub millis: u64,
    /// The charters. The new entry names the newest.
    pub charters: &'a Charters,
    /// The time to answer an offer that names no `answer_by`, in milliseconds.
    pub answer_within_millis: u64,
}

impl<'a> Author<'a> {
    fn actor(self) -> Actor<'a> {
        Actor { author: self.agency, millis: self.millis, charter: self.charters.newest(), charters: self.charters }
    }

    fn answer_by(self, offer: &NewOffer) -> u64 {
        let longest = self.charters.newest().rules.answer_by_millis();
        offer.answer_by.unwrap_or_else(|| self.millis.saturating_add(self.answer_within_millis.min(longest)))
    }
}

/// The body of the entry that carries out a command.
///
/// # Errors
/// The reason why the command is declined.
pub fn decide(complaint: &Complaint, command: &Command, author: Author<'_>) -> Result<Wire, Declined> {
    check_phase(complaint, command)?;
    let custody = |act: CustodyAct| carry_out_custody(complaint, &act, author);
    let case = |act: CaseAct| case::carry_out(complaint, &act, author);
    match command {
        Command::Forward(offer) => {
            let (to, reason, answer_by) = (offer.to.clone(), offer.reason, author.answer_by(offer));
            custody(CustodyAct::Forwarded { to, reason, answer_by })
        }
        Command::Reassign(offer) => {
            let (to, reason, answer_by) = (offer.to.clone(), offer.reason, author.answer_by(offer));
            custody(CustodyAct::Reassigned { to, reason, answer_by })
        }
        Command::Accept => custody(CustodyAct::Accepted),
        Command::Return { reason, suggestion } => {
            custody(CustodyAct::Returned { reason: *reason, suggestion: suggestion.clone() })
        }
        Command::Withdraw => custody(CustodyAct::Withdrawn),
        Command::Recall => case(CaseAct::Recalled),
        Command::Verify { category, priority, handling } => {
            let (category, priority, handling) = (category.clone(), *priority, *handling);
            let class = complaint.lodged().class.to_wire().into();
            case(CaseAct::Verified { category, priority, class, handling })
        }
        Command::Progress { .. } | Command::Respond if has_resolved(complaint, author.agency) => {
            let (complaint, phase) = (complaint.id().short(), complaint.case().phase);
            Err(Declined::Ended { complaint, phase })
        }
        Command::Progress { state } => case(CaseAct::Progressed { state: *state }),
        Command::Respond => case(CaseAct::Responded),
        Command::Resolve { outcome } => case(CaseAct::Resolved { outcome: *outcome }),
        Command::Reply(reply) => case(CaseAct::Replied(Box::new(reply.clone()))),
        Command::Close { cause } => case(case::close(complaint, *cause, author)?),
        Command::Archive { reason } => case(CaseAct::ArchiveProposed { reason: *reason }),
        Command::Approve { proposal } => case(case::approval(complaint, *proposal, author)?),
        Command::RefuseArchive => case(case::archive_refusal(complaint)?),
        Command::Erase { ground, entries } => case(case::erasure(complaint, *ground, entries)?),
        Command::Link { duplicate_of } => case(case::link(complaint, *duplicate_of)?),
        Command::Disclose { entry, commitment, to } => {
            case(case::disclosure(complaint, *entry, *commitment, to, author)?)
        }
        Command::Remark => case(CaseAct::Remarked),
    }
}

/// The body with which an addressee confirms that `offer` reached it over a relay. `None` if the offer is not open to `agency`, or was
/// confirmed before.
pub fn arrival(complaint: &Complaint, offer: &EntryId, agency: &AgencyId) -> Option<Wire> {
    let open = complaint.custody().offer.as_ref()?;
    let owed = open.entry == *offer && open.to == *agency && !complaint.has_arrived(offer);
    owed.then(|| CaseAct::Arrived.to_wire(*offer))
}

/// The open offer to this agency, if its holder recalled it. The node then answers `Returned` by itself.
pub fn recall_to_answer(complaint: &Complaint, agency: &AgencyId) -> Option<EntryId> {
    let offer = complaint.custody().offer.as_ref().filter(|offer| offer.to == *agency)?;
    complaint.is_recalled(&offer.entry).then_some(offer.entry)
}

/// Whether this agency itself has resolved the case, so that its work is over.
fn has_resolved(complaint: &Complaint, agency: &AgencyId) -> bool {
    let case = complaint.case();
    case.phase == Phase::Resolved && case.resolved_by.as_ref() == Some(agency)
}

/// Checks that the phase of the case allows the command, no matter who gives it.
fn check_phase(complaint: &Complaint, command: &Command) -> Result<(), Declined> {
    let phase = complaint.case().phase;
    let name = || complaint.id().short();
    match command {
        Command::Close { cause } => match phase {
            Phase::Responded | Phase::Resolved => Ok(()),
            // The citizen is satisfied with an answer that crossed with an acceptance.
            _ if *cause == i32::from(CloseCause::Reply)
                && complaint.case().citizens_word.is_some()
                && !phase.is_ended() =>
            {
                Ok(())
            }
            _ => Err(Declined::NotAnswered { complaint: name(), phase }),
        },
        Command::Forward(_)
        | Command::Reassign(_)
        | Command::Verify { .. }
        | Command::Progress { .. }
        | Command::Respond
        | Command::Resolve { .. }
        | Command::Link { .. } => {
            // A resolved case still has a holder, who may not be the agency that resolved it, and may resolve it again or hand it on.
            if phase.is_ended() { Err(Declined::Ended { complaint: name(), phase }) } else { Ok(()) }
        }
        Command::Accept
        | Command::Return { .. }
        | Command::Withdraw
        | Command::Recall
        | Command::Reply(_)
        | Command::Archive { .. }
        | Command::Approve { .. }
        | Command::RefuseArchive
        | Command::Erase { .. }
        | Command::Disclose { .. }
        | Command::Remark => Ok(()),
    }
}

fn carry_out_custody(complaint: &Complaint, act: &CustodyAct, author: Author<'_>) -> Result<Wire, Declined> {
    complaint
        .custody()
        .after(EntryId([0; 32]), act, author.actor())
        .map(|_| act.to_wire(complaint.tip()))
        .map_err(|reason| no_effect(complaint, reason))
}

fn no_effect(complaint: &Complaint, reason: NoEffect) -> Declined {
    Declined::NoEffect { complaint: complaint.id().short(), reason }
}

#[cfg(test)]
mod tests;
