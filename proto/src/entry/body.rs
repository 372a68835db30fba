//! What an entry can say, as domain types.
//!
//! Codes (reasons, outcomes, words) stay the wire's open enums: a number that this version does not know is kept, shown by its
//! number, and decides nothing. The exceptions decide something and are parsed: the citizen's word and the addressees.

mod parse;
mod to_wire;

use std::sync::Arc;

use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::entry::ContentClass;
use crate::wire::{self, entry::Body as Wire};

/// The body of an entry, sorted by what it can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Creates a complaint.
    Lodged(Arc<Lodged>),
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
        /// The action that it records.
        act: CaseAct,
    },
    /// About the author's own ledger.
    Node(Box<Wire>),
    /// Of a later version: kept and relayed, without effect.
    Kept,
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

    /// Until when an offer is to be answered, milliseconds since 1970.
    pub fn answer_by(&self) -> Option<u64> {
        match self {
            Self::Forwarded { answer_by, .. } | Self::Reassigned { answer_by, .. } => Some(*answer_by),
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
        /// `ContentClass` of the complaint's text.
        class: i32,
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
        /// How many working days nobody replied, if that is the cause.
        silence_working_days: u32,
    },
    /// The holder proposes to put the complaint away.
    ArchiveProposed {
        /// `ArchiveReason`.
        reason: i32,
    },
    /// The second signature puts the complaint away.
    ArchiveApproved {
        /// The `ArchiveProposed`.
        proposal: EntryId,
    },
    /// The second signature is denied.
    ArchiveRefused {
        /// The `ArchiveProposed`.
        proposal: EntryId,
    },
    /// The intake agency proposes to destroy contents.
    EraseProposed {
        /// `EraseGround`.
        ground: i32,
        /// Whose contents; empty: of all entries that the one who approves has.
        entries: Vec<EntryId>,
    },
    /// The second signature: the contents are destroyed on every node.
    Erased {
        /// The `EraseProposed`.
        proposal: EntryId,
        /// `EraseGround`.
        ground: i32,
    },
    /// The offer has reached its addressee through relays; the basis is the offer.
    Arrived,
    /// A deadline has passed.
    Escalated {
        /// `Deadline`.
        deadline: i32,
        /// When it ended, milliseconds since 1970.
        due: u64,
    },
    /// The holder handles the complaint as part of another one.
    Linked {
        /// The other one.
        duplicate_of: ComplaintId,
    },
    /// A supervisor's or oversight agency's note.
    Remarked,
    /// A content is handed to one more agency: the entry's own content is a copy of it, under the same commitment.
    Disclosed {
        /// The entry that committed to it first.
        entry: EntryId,
        /// Which of that entry's commitments.
        commitment: u32,
        /// To whom.
        to: AgencyId,
    },
}

impl Body {
    /// The custody entry that it acts on or was made under.
    pub fn basis(&self) -> Option<EntryId> {
        match self {
            Self::Custody { basis, .. } | Self::Case { basis, .. } => Some(*basis),
            Self::Lodged(_) | Self::Node(_) | Self::Kept => None,
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
                CaseAct::ArchiveProposed { .. } => "ArchiveProposed",
                CaseAct::ArchiveApproved { .. } => "ArchiveApproved",
                CaseAct::ArchiveRefused { .. } => "ArchiveRefused",
                CaseAct::EraseProposed { .. } => "EraseProposed",
                CaseAct::Erased { .. } => "Erased",
                CaseAct::Arrived => "Arrived",
                CaseAct::Escalated { .. } => "Escalated",
                CaseAct::Linked { .. } => "Linked",
                CaseAct::Remarked => "Remarked",
                CaseAct::Disclosed { .. } => "Disclosed",
            },
            Self::Node(body) => node_name(body),
            Self::Kept => "Unknown",
        }
    }
}

fn node_name(body: &Wire) -> &'static str {
    match body {
        Wire::Witnessed(_) => "Witnessed",
        Wire::CharterAdopted(_) => "CharterAdopted",
        Wire::LedgerReset(_) => "LedgerReset",
        Wire::Published(_) => "Published",
        _ => "Unknown",
    }
}
