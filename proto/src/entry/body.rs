//! The bodies of entries, as domain types.
//!
//! Must not know who may write a body, or its effect. [`crate::complaint`] decides that.
//!
//! Invariants:
//! - a code (a reason, an outcome) stays the number of the wire's open enum. A number that this version does not know is kept and
//!   shown as a number. No rule depends on it;
//! - a field that a rule depends on is parsed: the addressees and the citizen's word.

mod parse;
mod proven;
mod to_wire;

pub use proven::Proven;

use std::sync::Arc;

use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::citizen::{CitizenKey, Reply};
use crate::entry::ContentClass;
use crate::wire::entry::Body as Wire;

/// The body of an entry, sorted by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Creates a complaint.
    Lodged(Arc<Lodged>),
    /// Acts on custody.
    Custody {
        /// The custody entry that it acts on.
        basis: EntryId,
        /// The action.
        act: CustodyAct,
    },
    /// Acts on the case and never moves custody.
    Case {
        /// The custody entry under which it was made. Every node judges it by the state that this entry left.
        basis: EntryId,
        /// The action.
        act: CaseAct,
    },
    /// Shows a receipt for an entry of the complaint.
    Proven(Arc<Proven>),
    /// Is about the author's own ledger.
    Node(Box<Wire>),
    /// A body of a later version. The entry is kept and relayed, and has no effect.
    Unknown,
}

/// The first entry of a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lodged {
    /// The kind of the complaint, a `ComplaintKind`.
    pub kind: i32,
    /// Category code.
    pub category: String,
    /// Area code, may be empty.
    pub area: String,
    /// Class of the complaint's text.
    pub class: ContentClass,
    /// The key under which the citizen signs words. `None`: nobody has one, as after an import without receipts.
    pub citizen_key: Option<CitizenKey>,
}

/// The action of a custody entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustodyAct {
    /// The holder offers custody.
    Forwarded {
        /// The addressee.
        to: AgencyId,
        /// `ForwardReason`.
        reason: i32,
        /// The time until which only the addressee can act on the offer, in milliseconds since 1970.
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
    /// The holder's supervisor offers custody in the holder's place.
    Reassigned {
        /// The addressee.
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
    /// The rank at a fork of the custody tree, among acts that all have a witness or all have none. The smallest rank wins: the supervisor's act,
    /// then the addressee's answer, then the holder's acts.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Reassigned { .. } => 0,
            Self::Accepted | Self::Returned { .. } => 1,
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

    /// The time by which an offer must be answered, in milliseconds since 1970. `None` if the act is no offer.
    pub fn answer_by(&self) -> Option<u64> {
        match self {
            Self::Forwarded { answer_by, .. } | Self::Reassigned { answer_by, .. } => Some(*answer_by),
            Self::Accepted | Self::Returned { .. } | Self::Withdrawn => None,
        }
    }
}

/// The action of a case entry.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseAct {
    /// The holder wishes an open offer back. The basis is the offer.
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
    /// The citizen's word. Boxed, because it is rare and large.
    Replied(Box<Reply>),
    /// The intake agency ends the case.
    Closed {
        /// `CloseCause`.
        cause: i32,
        /// The entry that makes the cause true: the reply, or the answer that nobody replied to.
        ground: Option<EntryId>,
    },
    /// The holder proposes to archive the complaint.
    ArchiveProposed {
        /// `ArchiveReason`.
        reason: i32,
    },
    /// The second signature archives the complaint.
    ArchiveApproved {
        /// The `ArchiveProposed` entry.
        proposal: EntryId,
    },
    /// The second signature is denied.
    ArchiveRefused {
        /// The `ArchiveProposed` entry.
        proposal: EntryId,
    },
    /// The intake agency proposes to destroy contents.
    EraseProposed {
        /// `EraseGround`.
        ground: i32,
        /// The entries whose contents are to be destroyed. Empty: all entries that the approving agency has.
        entries: Vec<EntryId>,
    },
    /// The second signature. Every node destroys the contents.
    Erased {
        /// The `EraseProposed` entry.
        proposal: EntryId,
        /// `EraseGround`.
        ground: i32,
    },
    /// The offer has reached its addressee through relays. The basis is the offer.
    Arrived,
    /// A deadline has passed.
    Escalated {
        /// `Deadline`.
        deadline: i32,
        /// The end of the deadline, in milliseconds since 1970.
        due: u64,
    },
    /// The holder handles the complaint as part of another one.
    Linked {
        /// The other complaint.
        duplicate_of: ComplaintId,
    },
    /// A note of a supervisor or an oversight agency.
    Remarked,
    /// A content is handed to one more agency. The content of this entry is a copy of it, under the same commitment.
    Disclosed {
        /// The entry that committed to the content first.
        entry: EntryId,
        /// The number of the commitment in that entry, counted from 0.
        commitment: u32,
        /// The agency that gets the content.
        to: AgencyId,
    },
}

impl CaseAct {
    /// Whether it is work on the case, which only the holder does.
    pub fn is_work(&self) -> bool {
        match self {
            Self::Verified { .. }
            | Self::Progressed { .. }
            | Self::Responded
            | Self::Resolved { .. }
            | Self::ArchiveProposed { .. }
            | Self::Linked { .. } => true,
            Self::Recalled
            | Self::Replied(_)
            | Self::Closed { .. }
            | Self::ArchiveApproved { .. }
            | Self::ArchiveRefused { .. }
            | Self::EraseProposed { .. }
            | Self::Erased { .. }
            | Self::Arrived
            | Self::Escalated { .. }
            | Self::Remarked
            | Self::Disclosed { .. } => false,
        }
    }

    /// The answer that a reply is about.
    pub fn answer(&self) -> Option<EntryId> {
        if let Self::Replied(reply) = self { reply.word.answer } else { None }
    }

    /// Whether it has effect only while the custody lasts under which it was made: work, and the second signature under a proposal to archive.
    pub fn needs_custody(&self) -> bool {
        self.is_work() || matches!(self, Self::ArchiveApproved { .. } | Self::ArchiveRefused { .. })
    }
}

impl Body {
    /// The custody entry that the body acts on, or under which it was made. `None` for a body that names no basis.
    pub fn basis(&self) -> Option<EntryId> {
        match self {
            Self::Custody { basis, .. } | Self::Case { basis, .. } => Some(*basis),
            Self::Lodged(_) | Self::Proven(_) | Self::Node(_) | Self::Unknown => None,
        }
    }

    /// The entry that the body shows a receipt for. `None` for every other body.
    pub fn proves(&self) -> Option<EntryId> {
        match self {
            Self::Proven(proven) => Some(proven.entry),
            Self::Lodged(_) | Self::Custody { .. } | Self::Case { .. } | Self::Node(_) | Self::Unknown => None,
        }
    }

    /// The name of the body in the schema; `Unknown` for a body of a later version.
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
                CaseAct::Replied(_) => "Replied",
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
            Self::Proven(_) => "Proven",
            Self::Node(body) => node_name(body),
            Self::Unknown => "Unknown",
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
