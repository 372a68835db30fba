//! Parses the body of a wire message into a [`Body`].
//!
//! Must not know the rest of the entry.
//!
//! Invariant: every field of a parsed body is within its limits.

use std::sync::Arc;

use super::{Body, CaseAct, CustodyAct, Lodged};
use crate::base::ids::{AgencyId, ComplaintId};
use crate::base::limits;
use crate::base::refusal::{Refusal, RefusalCode};
use crate::entry::{ContentClass, clip, malformed, parse_entry_id};
use crate::wire::{self, entry::Body as Wire};

impl Body {
    /// Parses a body. A missing one is a body of a later version, whose field number this version does not know.
    ///
    /// # Errors
    /// The refusal with which every node answers this body.
    pub(in crate::entry) fn parse(body: Option<Wire>) -> Result<Self, Refusal> {
        let Some(body) = body else { return Ok(Self::Unknown) };
        match body {
            Wire::Lodged(body) => Ok(Self::Lodged(Arc::new(parse_lodged(body)?))),
            Wire::Forwarded(_) | Wire::Accepted(_) | Wire::Returned(_) | Wire::Reassigned(_) | Wire::Withdrawn(_) => {
                parse_custody(body)
            }
            Wire::Witnessed(_) | Wire::CharterAdopted(_) | Wire::LedgerReset(_) | Wire::Published(_) => {
                Ok(Self::Node(Box::new(body)))
            }
            case => parse_case(case),
        }
    }
}

fn parse_custody(body: Wire) -> Result<Body, Refusal> {
    let (basis, act) = match body {
        Wire::Forwarded(body) => {
            let act =
                CustodyAct::Forwarded { to: agency("to", &body.to)?, reason: body.reason, answer_by: body.answer_by };
            (body.basis, act)
        }
        Wire::Reassigned(body) => {
            let act =
                CustodyAct::Reassigned { to: agency("to", &body.to)?, reason: body.reason, answer_by: body.answer_by };
            (body.basis, act)
        }
        Wire::Returned(body) => {
            let suggestion = match body.suggestion.as_str() {
                "" => None,
                text => Some(agency("suggestion", text)?),
            };
            (body.basis, CustodyAct::Returned { reason: body.reason, suggestion })
        }
        Wire::Accepted(body) => (body.basis, CustodyAct::Accepted),
        Wire::Withdrawn(body) => (body.basis, CustodyAct::Withdrawn),
        _ => unreachable!("the caller has matched the custody bodies"),
    };
    Ok(Body::Custody { basis: parse_entry_id("basis", &basis)?, act })
}

fn parse_case(body: Wire) -> Result<Body, Refusal> {
    let (basis, act) = match body {
        Wire::Recalled(body) => (body.basis, CaseAct::Recalled),
        Wire::Verified(body) => {
            bounded("category", &body.category, limits::CATEGORY_BYTES)?;
            let (category, priority, class, handling) = (body.category, body.priority, body.class, body.handling);
            (body.basis, CaseAct::Verified { category, priority, class, handling })
        }
        Wire::Progressed(body) => (body.basis, CaseAct::Progressed { state: body.state }),
        Wire::Responded(body) => (body.basis, CaseAct::Responded),
        Wire::Resolved(body) => (body.basis, CaseAct::Resolved { outcome: body.outcome }),
        Wire::Replied(body) => {
            bounded("reply code", &body.reply_code, limits::REPLY_CODE_BYTES)?;
            let word = wire::ReplyWord::try_from(body.word).unwrap_or(wire::ReplyWord::Unspecified);
            (body.basis, CaseAct::Replied { word, reply_code: body.reply_code })
        }
        Wire::Closed(body) => {
            let act = CaseAct::Closed { cause: body.cause, silence_working_days: body.silence_working_days };
            (body.basis, act)
        }
        Wire::ArchiveProposed(body) => (body.basis, CaseAct::ArchiveProposed { reason: body.reason }),
        Wire::ArchiveApproved(body) => {
            (body.basis, CaseAct::ArchiveApproved { proposal: parse_entry_id("proposal", &body.proposal)? })
        }
        Wire::ArchiveRefused(body) => {
            (body.basis, CaseAct::ArchiveRefused { proposal: parse_entry_id("proposal", &body.proposal)? })
        }
        Wire::EraseProposed(body) => {
            let entries = body.entries.iter().map(|entry| parse_entry_id("entry", entry)).collect::<Result<_, _>>()?;
            (body.basis, CaseAct::EraseProposed { ground: body.ground, entries })
        }
        Wire::Erased(body) => {
            let proposal = parse_entry_id("proposal", &body.proposal)?;
            (body.basis, CaseAct::Erased { proposal, ground: body.ground })
        }
        Wire::Arrived(body) => (body.basis, CaseAct::Arrived),
        Wire::Escalated(body) => (body.basis, CaseAct::Escalated { deadline: body.deadline, due: body.due }),
        Wire::Linked(body) => {
            let duplicate_of = ComplaintId::from_slice(&body.duplicate_of)
                .ok_or_else(|| malformed(format!("duplicate-of of {} bytes, must be 32", body.duplicate_of.len())))?;
            (body.basis, CaseAct::Linked { duplicate_of })
        }
        Wire::Remarked(body) => (body.basis, CaseAct::Remarked),
        Wire::Disclosed(body) => {
            let act = CaseAct::Disclosed {
                entry: parse_entry_id("entry", &body.entry)?,
                commitment: body.commitment,
                to: agency("to", &body.to)?,
            };
            (body.basis, act)
        }
        _ => unreachable!("the caller has matched every other body"),
    };
    Ok(Body::Case { basis: parse_entry_id("basis", &basis)?, act })
}

fn parse_lodged(body: wire::Lodged) -> Result<Lodged, Refusal> {
    bounded("category", &body.category, limits::CATEGORY_BYTES)?;
    bounded("area", &body.area, limits::AREA_BYTES)?;
    let reply_code_hash = <[u8; 32]>::try_from(body.reply_code_hash.as_slice())
        .map_err(|_| malformed(format!("reply code hash of {} bytes, must be 32", body.reply_code_hash.len())))?;
    let class = ContentClass::from_wire(body.class).ok_or_else(|| malformed("Lodged without a class"))?;
    Ok(Lodged { kind: body.kind, category: body.category, area: body.area, class, reply_code_hash })
}

fn agency(field: &str, text: &str) -> Result<AgencyId, Refusal> {
    text.parse().map_err(|error| malformed(format!("{field}: {error}")))
}

/// Checks a code written as text. Control characters are refused, because codes are printed in tables and logs.
fn bounded(field: &str, text: &str, bytes: usize) -> Result<(), Refusal> {
    if text.len() > bytes {
        return Err(Refusal::new(
            RefusalCode::TooLarge,
            format!("{field} of {} bytes, at most {bytes}: {:?}", text.len(), clip(text)),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(malformed(format!("{field} {:?} holds a control character", clip(text))));
    }
    Ok(())
}
