//! What an operator may write: a command on a complaint becomes a body, or is declined with the reason.
//!
//! Uses the same rules as the fold, so that a node never signs what would have no effect. What others signed meanwhile may still
//! supersede it: that is the fold's business.

use crate::charter::Charter;
use crate::complaint::{Complaint, NoEffect, Phase};
use crate::entry::{CaseAct, CustodyAct};
use crate::ids::{AgencyId, EntryId};
use crate::limits;
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
    let basis = complaint.tip();
    let named = basis.0.to_vec();
    check_phase(complaint, act)?;
    let body = match act {
        Act::Forward(forward) => {
            let to = parse_agency("to", &forward.to)?;
            let answer_by = match forward.answer_by {
                0 => author.millis.saturating_add(author.answer_within_millis),
                given => given,
            };
            let custody = CustodyAct::Forwarded { to, reason: forward.reason, answer_by };
            check_custody(complaint, &custody, author)?;
            let (to, reason) = (forward.to.clone(), code("reason", forward.reason)?);
            Wire::Forwarded(wire::Forwarded { basis: named, to, reason, answer_by })
        }
        Act::Accept(_) => {
            check_custody(complaint, &CustodyAct::Accepted, author)?;
            Wire::Accepted(wire::Accepted { basis: named })
        }
        Act::Return(give_back) => {
            if !give_back.suggestion.is_empty() {
                parse_agency("suggestion", &give_back.suggestion)?;
            }
            let custody = CustodyAct::Returned { reason: give_back.reason, suggestion: None };
            check_custody(complaint, &custody, author)?;
            let (suggestion, reason) = (give_back.suggestion.clone(), code("reason", give_back.reason)?);
            Wire::Returned(wire::Returned { basis: named, reason, suggestion })
        }
        Act::Withdraw(_) => {
            check_custody(complaint, &CustodyAct::Withdrawn, author)?;
            Wire::Withdrawn(wire::Withdrawn { basis: named })
        }
        case => return decide_case(complaint, case, named, author),
    };
    Ok(body)
}

fn decide_case(complaint: &Complaint, act: &Act, basis: Vec<u8>, author: Author<'_>) -> Result<Wire, Declined> {
    let (case, body) = match act {
        Act::Recall(_) => (CaseAct::Recalled, Wire::Recalled(wire::Recalled { basis })),
        Act::Verify(verify) => {
            check_code("category", &verify.category, limits::CATEGORY_BYTES)?;
            let (category, priority, handling) = (verify.category.clone(), verify.priority, verify.handling);
            let class = complaint.lodged().class.to_wire().into();
            let body = wire::Verified { basis, category: category.clone(), priority, class, handling };
            (CaseAct::Verified { category, priority, handling }, Wire::Verified(body))
        }
        Act::Progress(progress) => {
            let state = code("state", progress.state)?;
            (CaseAct::Progressed { state }, Wire::Progressed(wire::Progressed { basis, state }))
        }
        Act::Respond(_) => (CaseAct::Responded, Wire::Responded(wire::Responded { basis })),
        Act::Resolve(resolve) => {
            let outcome = code("outcome", resolve.outcome)?;
            (CaseAct::Resolved { outcome }, Wire::Resolved(wire::Resolved { basis, outcome }))
        }
        Act::Reply(reply) => {
            let word = code("word", reply.word)?;
            check_reply_code(complaint, &reply.reply_code)?;
            check_code("reply code", &reply.reply_code, limits::REPLY_CODE_BYTES)?;
            let case = CaseAct::Replied { word: reply.word(), reply_code: reply.reply_code.clone() };
            (case, Wire::Replied(wire::Replied { basis, word, reply_code: reply.reply_code.clone() }))
        }
        Act::Close(close) => {
            let cause = code("cause", close.cause)?;
            let silence_working_days = close.silence_working_days;
            (
                CaseAct::Closed { cause, silence_working_days },
                Wire::Closed(wire::Closed { basis, cause, silence_working_days }),
            )
        }
        Act::Forward(_) | Act::Accept(_) | Act::Return(_) | Act::Withdraw(_) => unreachable!("a custody act"),
    };
    complaint
        .custody()
        .allows(&case, complaint.intake(), actor(author))
        .map_err(|reason| Declined::NoEffect { complaint: complaint.id().short(), reason })?;
    Ok(body)
}

/// What the state of the case forbids, whoever commands it.
fn check_phase(complaint: &Complaint, act: &Act) -> Result<(), Declined> {
    let phase = complaint.case().phase;
    let name = || complaint.id().short();
    match act {
        Act::Reply(_) | Act::Accept(_) | Act::Return(_) | Act::Withdraw(_) | Act::Recall(_) => Ok(()),
        Act::Close(_) => match phase {
            Phase::Responded | Phase::Resolved => Ok(()),
            _ => Err(Declined::NotAnswered { complaint: name(), phase }),
        },
        Act::Forward(_) | Act::Verify(_) | Act::Progress(_) | Act::Respond(_) | Act::Resolve(_) => match phase {
            Phase::Resolved | Phase::Closed => Err(Declined::Ended { complaint: name(), phase }),
            _ => Ok(()),
        },
    }
}

fn check_custody(complaint: &Complaint, act: &CustodyAct, author: Author<'_>) -> Result<(), Declined> {
    complaint
        .custody()
        .after(EntryId([0; 32]), act, actor(author))
        .map(|_| ())
        .map_err(|reason| Declined::NoEffect { complaint: complaint.id().short(), reason })
}

fn check_reply_code(complaint: &Complaint, reply_code: &str) -> Result<(), Declined> {
    let right = crate::content::reply_code_hash(reply_code) == complaint.lodged().reply_code_hash;
    if reply_code.is_empty() || right {
        return Ok(());
    }
    Err(Declined::WrongReplyCode { complaint: complaint.id().short() })
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

/// The bounds of a code in an entry: a node that signed more would be refused by every other.
fn check_code(field: &'static str, text: &str, bytes: usize) -> Result<(), Declined> {
    crate::entry::bounded(field, text, bytes).map_err(|_| Declined::Field {
        field,
        value: crate::entry::clip(text),
        problem: format!("must be at most {bytes} bytes, without control characters"),
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
