//! What an entry can say, as domain types.
//!
//! Codes (reasons, outcomes, words) stay the wire's open enums: a number that this version does not know is kept, shown by its
//! number, and decides nothing. The exceptions decide something and are parsed: the citizen's word and the addressees.

use crate::entry::{ContentClass, clip, malformed, parse_entry_id};
use crate::ids::{AgencyId, EntryId};
use crate::limits;
use crate::refusal::{Refusal, RefusalCode};
use crate::wire::{self, entry::Body as Wire};

/// The body of an entry, sorted by what it can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Creates a complaint.
    Lodged(Lodged),
    /// Acts on custody.
    Custody {
        /// The custody entry that it acts on.
        basis: EntryId,
        /// What it does.
        act: CustodyAct,
    },
    /// Happens to the case and never moves custody.
    Case {
        /// The custody entry that it was made under, and by which it is judged.
        basis: EntryId,
        /// What it says.
        act: CaseAct,
    },
    /// About the author's own ledger.
    Node(Box<Wire>),
    /// Kept and relayed; this version does not act on it.
    Kept {
        /// The body, if this version can at least name it.
        body: Option<Box<Wire>>,
    },
}

/// The first entry of a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lodged {
    /// What kind of complaint.
    pub kind: i32,
    /// Category code.
    pub category: String,
    /// Area code, may be empty.
    pub area: String,
    /// Class of the complaint's text.
    pub class: ContentClass,
    /// Hash of the code that the citizen got on the receipt.
    pub reply_code_hash: [u8; 32],
}

/// What a custody entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustodyAct {
    /// The holder offers custody.
    Forwarded {
        /// To whom.
        to: AgencyId,
        /// `ForwardReason`.
        reason: i32,
        /// Until when only the addressee can act on the offer; milliseconds since 1970.
        answer_by: u64,
    },
    /// The addressee takes custody.
    Accepted,
    /// The addressee declines.
    Returned {
        /// `ReturnReason`.
        reason: i32,
        /// The competent agency, if the addressee knows it.
        suggestion: Option<AgencyId>,
    },
    /// The holder's supervisor offers custody over the holder's head.
    Reassigned {
        /// To whom.
        to: AgencyId,
        /// `ForwardReason`.
        reason: i32,
        /// As in `Forwarded`.
        answer_by: u64,
    },
    /// The holder takes back an offer that nobody answered.
    Withdrawn,
}

impl CustodyAct {
    /// Rank at a fork of the custody tree; the smallest wins: the addressee's answer, then the supervisor, then the holder.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Accepted | Self::Returned { .. } => 0,
            Self::Reassigned { .. } => 1,
            Self::Withdrawn => 2,
            Self::Forwarded { .. } => 3,
        }
    }

    /// The agency that custody is offered to.
    pub fn offers_to(&self) -> Option<&AgencyId> {
        match self {
            Self::Forwarded { to, .. } | Self::Reassigned { to, .. } => Some(to),
            Self::Accepted | Self::Returned { .. } | Self::Withdrawn => None,
        }
    }
}

/// What a case entry says.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseAct {
    /// The holder wishes an open offer back; the basis is the offer.
    Recalled,
    /// The holder classified the complaint.
    Verified {
        /// Category code.
        category: String,
        /// `Priority`.
        priority: i32,
        /// `Handling`.
        handling: i32,
    },
    /// The holder reports work.
    Progressed {
        /// `ProgressState`.
        state: i32,
    },
    /// The holder answers the citizen.
    Responded,
    /// The holder has ended the work.
    Resolved {
        /// `Outcome`.
        outcome: i32,
    },
    /// The citizen's word, through the intake agency.
    Replied {
        /// The word.
        word: wire::ReplyWord,
        /// The code from the citizen's receipt; empty: the intake agency speaks without it.
        reply_code: String,
    },
    /// The intake agency ends the case.
    Closed {
        /// `CloseCause`.
        cause: i32,
    },
}

impl Body {
    pub(super) fn parse(body: Option<Wire>) -> Result<Self, Refusal> {
        let Some(body) = body else { return Ok(Self::Kept { body: None }) };
        Ok(match body {
            Wire::Lodged(body) => Self::Lodged(parse_lodged(body)?),
            Wire::Forwarded(body) => custody(
                &body.basis,
                CustodyAct::Forwarded { to: agency("to", &body.to)?, reason: body.reason, answer_by: body.answer_by },
            )?,
            Wire::Accepted(body) => custody(&body.basis, CustodyAct::Accepted)?,
            Wire::Returned(body) => {
                let suggestion = match body.suggestion.as_str() {
                    "" => None,
                    text => Some(agency("suggestion", text)?),
                };
                custody(&body.basis, CustodyAct::Returned { reason: body.reason, suggestion })?
            }
            Wire::Reassigned(body) => custody(
                &body.basis,
                CustodyAct::Reassigned { to: agency("to", &body.to)?, reason: body.reason, answer_by: body.answer_by },
            )?,
            Wire::Withdrawn(body) => custody(&body.basis, CustodyAct::Withdrawn)?,
            Wire::Recalled(body) => case(&body.basis, CaseAct::Recalled)?,
            Wire::Verified(body) => {
                bounded("category", &body.category, limits::CATEGORY_BYTES)?;
                let act =
                    CaseAct::Verified { category: body.category, priority: body.priority, handling: body.handling };
                case(&body.basis, act)?
            }
            Wire::Progressed(body) => case(&body.basis, CaseAct::Progressed { state: body.state })?,
            Wire::Responded(body) => case(&body.basis, CaseAct::Responded)?,
            Wire::Resolved(body) => case(&body.basis, CaseAct::Resolved { outcome: body.outcome })?,
            Wire::Replied(body) => {
                bounded("reply code", &body.reply_code, limits::REPLY_CODE_BYTES)?;
                let word = wire::ReplyWord::try_from(body.word).unwrap_or(wire::ReplyWord::Unspecified);
                case(&body.basis, CaseAct::Replied { word, reply_code: body.reply_code })?
            }
            Wire::Closed(body) => case(&body.basis, CaseAct::Closed { cause: body.cause })?,
            node @ (Wire::Witnessed(_) | Wire::CharterAdopted(_) | Wire::LedgerReset(_) | Wire::Published(_)) => {
                Self::Node(Box::new(node))
            }
            kept => Self::Kept { body: Some(Box::new(kept)) },
        })
    }

    /// The custody entry that it acts on or was made under.
    pub fn basis(&self) -> Option<EntryId> {
        match self {
            Self::Custody { basis, .. } | Self::Case { basis, .. } => Some(*basis),
            Self::Lodged(_) | Self::Node(_) | Self::Kept { .. } => None,
        }
    }

    /// The body's name in the schema, `Unknown` for one of a later version.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lodged(_) => "Lodged",
            Self::Custody { act, .. } => match act {
                CustodyAct::Forwarded { .. } => "Forwarded",
                CustodyAct::Accepted => "Accepted",
                CustodyAct::Returned { .. } => "Returned",
                CustodyAct::Reassigned { .. } => "Reassigned",
                CustodyAct::Withdrawn => "Withdrawn",
            },
            Self::Case { act, .. } => match act {
                CaseAct::Recalled => "Recalled",
                CaseAct::Verified { .. } => "Verified",
                CaseAct::Progressed { .. } => "Progressed",
                CaseAct::Responded => "Responded",
                CaseAct::Resolved { .. } => "Resolved",
                CaseAct::Replied { .. } => "Replied",
                CaseAct::Closed { .. } => "Closed",
            },
            Self::Node(body) => wire_name(body),
            Self::Kept { body } => body.as_deref().map_or("Unknown", wire_name),
        }
    }
}

fn wire_name(body: &Wire) -> &'static str {
    match body {
        Wire::Witnessed(_) => "Witnessed",
        Wire::CharterAdopted(_) => "CharterAdopted",
        Wire::LedgerReset(_) => "LedgerReset",
        Wire::Published(_) => "Published",
        Wire::ArchiveProposed(_) => "ArchiveProposed",
        Wire::ArchiveApproved(_) => "ArchiveApproved",
        Wire::ArchiveRefused(_) => "ArchiveRefused",
        Wire::EraseProposed(_) => "EraseProposed",
        Wire::Erased(_) => "Erased",
        Wire::Arrived(_) => "Arrived",
        Wire::Escalated(_) => "Escalated",
        Wire::Linked(_) => "Linked",
        Wire::Remarked(_) => "Remarked",
        Wire::Disclosed(_) => "Disclosed",
        _ => "Unknown",
    }
}

fn parse_lodged(body: wire::Lodged) -> Result<Lodged, Refusal> {
    bounded("category", &body.category, limits::CATEGORY_BYTES)?;
    bounded("area", &body.area, limits::AREA_BYTES)?;
    let reply_code_hash = <[u8; 32]>::try_from(body.reply_code_hash.as_slice())
        .map_err(|_| malformed(format!("reply code hash of {} bytes, must be 32", body.reply_code_hash.len())))?;
    let class = ContentClass::from_wire(body.class).ok_or_else(|| malformed("Lodged without a class"))?;
    Ok(Lodged { kind: body.kind, category: body.category, area: body.area, class, reply_code_hash })
}

fn custody(basis: &[u8], act: CustodyAct) -> Result<Body, Refusal> {
    Ok(Body::Custody { basis: parse_entry_id("basis", basis)?, act })
}

fn case(basis: &[u8], act: CaseAct) -> Result<Body, Refusal> {
    Ok(Body::Case { basis: parse_entry_id("basis", basis)?, act })
}

fn agency(field: &str, text: &str) -> Result<AgencyId, Refusal> {
    text.parse().map_err(|error| malformed(format!("{field}: {error}")))
}

/// Codes hold no control characters: they stand in tables and logs.
pub(crate) fn bounded(field: &str, text: &str, bytes: usize) -> Result<(), Refusal> {
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
