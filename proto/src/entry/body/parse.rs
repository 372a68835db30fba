//! Parses the body of a wire message into a [`Body`].
//!
//! Must not know the rest of the entry.
//!
//! Invariants:
//! - every field of a parsed body is within its limits;
//! - each body of the schema has an arm of its own, so the compiler finds a body that is forgotten here.

use std::sync::Arc;

use super::{Body, CaseAct, CustodyAct, Lodged};
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::base::limits;
use crate::base::refusal::{Refusal, RefusalCode};
use crate::citizen::{CitizenKey, Reply, SIGNATURE_BYTES, Word};
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
            Wire::Forwarded(wire::Forwarded { basis, to, reason, answer_by }) => {
                custody(&basis, CustodyAct::Forwarded { to: agency("to", &to)?, reason, answer_by })
            }
            Wire::Reassigned(wire::Reassigned { basis, to, reason, answer_by }) => {
                custody(&basis, CustodyAct::Reassigned { to: agency("to", &to)?, reason, answer_by })
            }
            Wire::Returned(body) => custody(&body.basis, parse_returned(&body)?),
            Wire::Accepted(body) => custody(&body.basis, CustodyAct::Accepted),
            Wire::Withdrawn(body) => custody(&body.basis, CustodyAct::Withdrawn),
            Wire::Recalled(body) => case(&body.basis, CaseAct::Recalled),
            Wire::Verified(wire::Verified { basis, category, priority, class, handling }) => {
                bounded("category", &category, limits::CATEGORY_BYTES)?;
                case(&basis, CaseAct::Verified { category, priority, class, handling })
            }
            Wire::Progressed(body) => case(&body.basis, CaseAct::Progressed { state: body.state }),
            Wire::Responded(body) => case(&body.basis, CaseAct::Responded),
            Wire::Resolved(body) => case(&body.basis, CaseAct::Resolved { outcome: body.outcome }),
            Wire::Replied(body) => case(&body.basis, CaseAct::Replied(Box::new(parse_reply(&body)?))),
            Wire::Closed(wire::Closed { basis, cause, ground }) => {
                case(&basis, CaseAct::Closed { cause, ground: optional_entry("ground", &ground)? })
            }
            Wire::ArchiveProposed(body) => case(&body.basis, CaseAct::ArchiveProposed { reason: body.reason }),
            Wire::ArchiveApproved(wire::ArchiveApproved { basis, proposal }) => {
                case(&basis, CaseAct::ArchiveApproved { proposal: parse_entry_id("proposal", &proposal)? })
            }
            Wire::ArchiveRefused(wire::ArchiveRefused { basis, proposal }) => {
                case(&basis, CaseAct::ArchiveRefused { proposal: parse_entry_id("proposal", &proposal)? })
            }
            Wire::EraseProposed(wire::EraseProposed { basis, ground, entries }) => {
                let entries = entries.iter().map(|entry| parse_entry_id("entry", entry)).collect::<Result<_, _>>()?;
                case(&basis, CaseAct::EraseProposed { ground, entries })
            }
            Wire::Erased(wire::Erased { basis, proposal, ground }) => {
                case(&basis, CaseAct::Erased { proposal: parse_entry_id("proposal", &proposal)?, ground })
            }
            Wire::Arrived(body) => case(&body.basis, CaseAct::Arrived),
            Wire::Escalated(wire::Escalated { basis, deadline, due }) => {
                case(&basis, CaseAct::Escalated { deadline, due })
            }
            Wire::Linked(body) => case(&body.basis, parse_linked(&body)?),
            Wire::Remarked(body) => case(&body.basis, CaseAct::Remarked),
            Wire::Disclosed(wire::Disclosed { basis, entry, commitment, to }) => {
                let (entry, to) = (parse_entry_id("entry", &entry)?, agency("to", &to)?);
                case(&basis, CaseAct::Disclosed { entry, commitment, to })
            }
            Wire::Proven(body) => Ok(Self::Proven(Arc::new(super::Proven::parse(body)?))),
            body @ (Wire::Witnessed(_) | Wire::CharterAdopted(_) | Wire::LedgerReset(_) | Wire::Published(_)) => {
                Ok(Self::Node(Box::new(body)))
            }
        }
    }
}

fn custody(basis: &[u8], act: CustodyAct) -> Result<Body, Refusal> {
    Ok(Body::Custody { basis: parse_entry_id("basis", basis)?, act })
}

fn case(basis: &[u8], act: CaseAct) -> Result<Body, Refusal> {
    Ok(Body::Case { basis: parse_entry_id("basis", basis)?, act })
}

fn parse_returned(body: &wire::Returned) -> Result<CustodyAct, Refusal> {
    let suggestion = match body.suggestion.as_str() {
        "" => None,
        text => Some(agency("suggestion", text)?),
    };
    Ok(CustodyAct::Returned { reason: body.reason, suggestion })
}

fn parse_linked(body: &wire::Linked) -> Result<CaseAct, Refusal> {
    let duplicate_of = ComplaintId::from_slice(&body.duplicate_of)
        .ok_or_else(|| malformed(format!("duplicate-of of {} bytes, must be 32", body.duplicate_of.len())))?;
    Ok(CaseAct::Linked { duplicate_of })
}

fn parse_lodged(body: wire::Lodged) -> Result<Lodged, Refusal> {
    bounded("category", &body.category, limits::CATEGORY_BYTES)?;
    bounded("area", &body.area, limits::AREA_BYTES)?;
    let citizen_key = parse_citizen_key(&body.citizen_key, body.key_origin)?;
    let class = ContentClass::from_wire(body.class).ok_or_else(|| malformed("Lodged without a class"))?;
    Ok(Lodged { kind: body.kind, category: body.category, area: body.area, class, citizen_key })
}

/// Parses the citizen's key. There is an origin if, and only if, there is a key.
fn parse_citizen_key(public: &[u8], origin: i32) -> Result<Option<CitizenKey>, Refusal> {
    match (public.len(), origin) {
        (0, 0) => Ok(None),
        (0, _) | (_, 0) => Err(malformed("a citizen key and its origin need each other")),
        (bytes, _) => {
            let public =
                public.try_into().map_err(|_| malformed(format!("citizen key of {bytes} bytes, must be 32")))?;
            Ok(Some(CitizenKey { public, origin }))
        }
    }
}

fn parse_reply(body: &wire::Replied) -> Result<Reply, Refusal> {
    let says = wire::ReplyWord::try_from(body.word).unwrap_or(wire::ReplyWord::Unspecified);
    let score = u8::try_from(body.score).ok().filter(|score| *score <= limits::SCORE);
    let score = score.ok_or_else(|| malformed(format!("score {}, at most {}", body.score, limits::SCORE)))?;
    let signature =
        match body.signature.len() {
            0 => None,
            bytes => Some(body.signature.as_slice().try_into().map_err(|_| {
                malformed(format!("signature of the citizen of {bytes} bytes, must be {SIGNATURE_BYTES}"))
            })?),
        };
    let answer = optional_entry("answer", &body.answer)?;
    Ok(Reply { word: Word { says, answer, score, number: body.number }, signature })
}

fn optional_entry(field: &str, bytes: &[u8]) -> Result<Option<EntryId>, Refusal> {
    if bytes.is_empty() { Ok(None) } else { parse_entry_id(field, bytes).map(Some) }
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
