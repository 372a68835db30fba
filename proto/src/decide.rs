//! What an operator may write: a command on a complaint becomes a body, or is declined with the reason.
//!
//! Uses the same rules as the fold, so that a node never signs what would have no effect. What others signed meanwhile may still
//! supersede it: that is the fold's business.

mod case;

use crate::charter::Charter;
use crate::complaint::{Complaint, NoEffect, Phase};
use crate::entry::CustodyAct;
use crate::ids::{AgencyId, EntryId};
use crate::wire::{self, act_request::Act, entry::Body as Wire};

/// Why a command is declined. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// It would have no effect on the complaint as it is.
    #[error("complaint {complaint}: {reason}")]
    NoEffect {
        /// The complaint.
        complaint: String,
        /// Why.
        reason: NoEffect,
    },
    /// The work has ended.
    #[error("complaint {complaint} is {}; only the citizen's reply reopens it", phase.name())]
    Ended {
        /// The complaint.
        complaint: String,
        /// How.
        phase: Phase,
    },
    /// There is nothing to close.
    #[error("complaint {complaint} is {}; only a resolved or answered complaint is closed", phase.name())]
    NotAnswered {
        /// The complaint.
        complaint: String,
        /// How far it is.
        phase: Phase,
    },
    /// Silence is no cause yet.
    #[error("complaint {complaint}: nobody was silent for {working_days} working days since the last answer; {since}")]
    NotSilent {
        /// The complaint.
        complaint: String,
        /// How many the command names.
        working_days: u32,
        /// When the citizen was answered last, in words.
        since: String,
    },
    /// There is no proposal to answer, or not one.
    #[error("complaint {complaint}: {problem}")]
    Proposal {
        /// The complaint.
        complaint: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A reply code that is not the citizen's.
    #[error(
        "complaint {complaint}: the reply code is not the one on the citizen's receipt; leave it out to reply in the agency's own name"
    )]
    WrongReplyCode {
        /// The complaint.
        complaint: String,
    },
    /// A field that is missing or malformed.
    #[error("{field} {value:?}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What stood there.
        value: String,
        /// What it must be.
        problem: String,
    },
}

impl Declined {
    /// Whether the command itself is wrong, whatever the state of the complaint.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Field { .. })
    }
}

/// Who commands, and when.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The node's own agency.
    pub agency: &'a AgencyId,
    /// The clock that the entry will carry, milliseconds since 1970.
    pub millis: u64,
    /// The newest charter.
    pub charter: &'a Charter,
    /// The `answer_by` of an offer that names none, milliseconds after the offer.
    pub answer_within_millis: u64,
}

/// The body that carries out a command.
///
/// # Errors
/// Why it is declined.
pub fn decide(complaint: &Complaint, act: &Act, author: Author<'_>) -> Result<Wire, Declined> {
    check_phase(complaint, act)?;
    match act {
        Act::Forward(_) | Act::Reassign(_) | Act::Accept(_) | Act::Return(_) | Act::Withdraw(_) => {
            decide_custody(complaint, act, author)
        }
        case => case::decide_case(complaint, case, author),
    }
}

/// The addressee's notice that an offer reached it, if one is owed: `offer` came over a relay, is open and was not noticed yet.
pub fn arrival(complaint: &Complaint, offer: &EntryId, agency: &AgencyId) -> Option<Wire> {
    let open = complaint.custody().offer.as_ref()?;
    let owed = open.entry == *offer && open.to == *agency && !complaint.has_arrived(offer);
    owed.then(|| Wire::Arrived(wire::Arrived { basis: offer.0.to_vec() }))
}

fn decide_custody(complaint: &Complaint, act: &Act, author: Author<'_>) -> Result<Wire, Declined> {
    let basis = complaint.tip().0.to_vec();
    Ok(match act {
        Act::Forward(forward) => {
            let (to, answer_by) = offer(&forward.to, forward.answer_by, author)?;
            let custody = CustodyAct::Forwarded { to, reason: forward.reason, answer_by };
            check_custody(complaint, &custody, author)?;
            let (to, reason) = (forward.to.clone(), code("reason", forward.reason)?);
            Wire::Forwarded(wire::Forwarded { basis, to, reason, answer_by })
        }
        Act::Reassign(reassign) => {
            let (to, answer_by) = offer(&reassign.to, reassign.answer_by, author)?;
            let custody = CustodyAct::Reassigned { to, reason: reassign.reason, answer_by };
            check_custody(complaint, &custody, author)?;
            let (to, reason) = (reassign.to.clone(), code("reason", reassign.reason)?);
            Wire::Reassigned(wire::Reassigned { basis, to, reason, answer_by })
        }
        Act::Accept(_) => {
            check_custody(complaint, &CustodyAct::Accepted, author)?;
            Wire::Accepted(wire::Accepted { basis })
        }
        Act::Return(give_back) => {
            if !give_back.suggestion.is_empty() {
                parse_agency("suggestion", &give_back.suggestion)?;
            }
            let custody = CustodyAct::Returned { reason: give_back.reason, suggestion: None };
            check_custody(complaint, &custody, author)?;
            let (suggestion, reason) = (give_back.suggestion.clone(), code("reason", give_back.reason)?);
            Wire::Returned(wire::Returned { basis, reason, suggestion })
        }
        Act::Withdraw(_) => {
            check_custody(complaint, &CustodyAct::Withdrawn, author)?;
            Wire::Withdrawn(wire::Withdrawn { basis })
        }
        _ => unreachable!("the caller has matched the custody acts"),
    })
}

/// Whom custody is offered to, and until when.
fn offer(to: &str, answer_by: u64, author: Author<'_>) -> Result<(AgencyId, u64), Declined> {
    let answer_by = match answer_by {
        0 => author.millis.saturating_add(author.answer_within_millis),
        given => given,
    };
    Ok((parse_agency("to", to)?, answer_by))
}

/// What the state of the case forbids, whoever commands it.
fn check_phase(complaint: &Complaint, act: &Act) -> Result<(), Declined> {
    let phase = complaint.case().phase;
    let name = || complaint.id().short();
    match act {
        Act::Close(_) => match phase {
            Phase::Responded | Phase::Resolved => Ok(()),
            _ => Err(Declined::NotAnswered { complaint: name(), phase }),
        },
        Act::Forward(_)
        | Act::Reassign(_)
        | Act::Verify(_)
        | Act::Progress(_)
        | Act::Respond(_)
        | Act::Resolve(_)
        | Act::Link(_)
            if !phase.is_open() =>
        {
            Err(Declined::Ended { complaint: name(), phase })
        }
        _ => Ok(()),
    }
}

fn check_custody(complaint: &Complaint, act: &CustodyAct, author: Author<'_>) -> Result<(), Declined> {
    complaint
        .custody()
        .after(EntryId([0; 32]), act, actor(author))
        .map(|_| ())
        .map_err(|reason| Declined::NoEffect { complaint: complaint.id().short(), reason })
}

fn actor(author: Author<'_>) -> crate::complaint::Actor<'_> {
    crate::complaint::Actor { author: author.agency, millis: author.millis, charter: author.charter }
}

fn parse_agency(field: &'static str, text: &str) -> Result<AgencyId, Declined> {
    text.parse::<AgencyId>().map_err(|error| Declined::Field {
        field,
        value: crate::entry::clip(text),
        problem: error.to_string(),
    })
}

/// A code must say something: its number is not 0.
fn code(field: &'static str, number: i32) -> Result<i32, Declined> {
    if number > 0 {
        return Ok(number);
    }
    Err(Declined::Field { field, value: number.to_string(), problem: "a value must be chosen".to_owned() })
}

/// Whether a recall waits for this agency's answer: the offer is still open, to it, and a `Recalled` was made on it.
/// The node then answers `Returned` by itself.
pub fn recall_to_answer(complaint: &Complaint, agency: &AgencyId) -> Option<EntryId> {
    let offer = complaint.custody().offer.as_ref().filter(|offer| offer.to == *agency)?;
    complaint.is_recalled(&offer.entry).then_some(offer.entry)
}

#[cfg(test)]
mod tests;
