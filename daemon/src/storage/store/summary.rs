//! The values of the trees.

use serde::{Deserialize, Serialize};
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::complaint::Phase;
use sinergi_proto::engine::{Case, Duties, External};
use sinergi_proto::entry::ContentClass;
use sinergi_proto::routing::route::Access;

use super::keys::ID_PREFIX;

/// The row of a complaint: everything under one key, so that a new entry of most complaints needs one write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The summary for listings. It comes first, so that it can be decoded without the rest.
    pub summary: Summary,
    /// The positions of the newest entries, at most [`Row::RECENT`]; the others are in the tree `timeline`.
    pub recent: Vec<Placed>,
}

impl Row {
    /// Largest number of entries in a row. It keeps the row small, and few complaints have more.
    pub const RECENT: usize = 32;
}

/// The position of an entry in its complaint's timeline, and its leaf. Ordered as the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placed {
    /// Its clock.
    pub clock: HybridClock,
    /// The first bytes of its id.
    pub id_prefix: [u8; ID_PREFIX],
    /// Its leaf.
    pub leaf: LedgerIndex,
}

impl Placed {
    /// An entry at a leaf.
    pub fn new(clock: HybridClock, entry: &EntryId, leaf: LedgerIndex) -> Self {
        let id_prefix = *entry.0.first_chunk().expect("an id is longer than its prefix");
        Self { clock, id_prefix, leaf }
    }
}

/// A complaint as listings show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The agency where it was lodged.
    pub intake: AgencyId,
    /// The accountable agency.
    pub holder: AgencyId,
    /// The open offer.
    pub offer: Option<OpenOffer>,
    /// The phase of the work.
    pub phase: Phase,
    /// `ComplaintKind`.
    pub kind: i32,
    /// Category code.
    pub category: String,
    /// Area code.
    pub area: String,
    /// Class of the text.
    pub class: ContentClass,
    /// Number of its entries in this node's ledger.
    pub entries: u32,
    /// The newest entry's clock, in milliseconds since 1970.
    pub changed_at: u64,
    /// Whether the intake agency closed it on its own word.
    pub self_closed: bool,
    /// The leaf of `Lodged`.
    pub lodged: LedgerIndex,
    /// The record of another system from which it was imported.
    pub external: Option<External>,
    /// Whether content of it was ever routed to another agency.
    pub content_shared: bool,
    /// The actions that this node has to take by itself.
    pub duties: Duties,
}

/// An offer that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOffer {
    /// The addressee.
    pub to: AgencyId,
    /// Until when the addressee must answer, in milliseconds since 1970.
    pub answer_by: u64,
}

impl Summary {
    /// The summary of a complaint, for the node of agency `own`.
    pub fn of(case: &Case, own: &AgencyId) -> Self {
        let complaint = &case.complaint;
        let custody = complaint.custody();
        let work = complaint.case();
        Self {
            intake: complaint.intake().clone(),
            holder: custody.holder.clone(),
            offer: custody.offer.as_ref().map(|o| OpenOffer { to: o.to.clone(), answer_by: o.answer_by }),
            phase: work.phase,
            kind: complaint.lodged().kind,
            category: work.category.clone(),
            area: complaint.lodged().area.clone(),
            class: complaint.lodged().class,
            entries: u32::try_from(complaint.len()).unwrap_or(u32::MAX),
            changed_at: complaint.newest_clock().millis(),
            self_closed: work.self_closed,
            lodged: case.lodged,
            external: case.external.clone(),
            content_shared: case.routed.values().any(|access| *access > Access::Entries),
            duties: case.duties(own),
        }
    }

    /// When the answer to the open offer is due, in milliseconds since 1970; the largest number if there is no offer.
    pub(super) fn due(&self) -> u64 {
        self.offer.as_ref().map_or(u64::MAX, |offer| offer.answer_by)
    }
}

/// A refused item as listings show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// The other side.
    pub peer: AgencyId,
    /// Whether this node refused it; otherwise the peer did.
    pub by_us: bool,
    /// The entry.
    pub entry: [u8; 32],
    /// The refusal code.
    pub code: u32,
    /// The reason in words; empty if the peer refused.
    pub detail: String,
    /// When it was refused, in milliseconds since 1970.
    pub at: u64,
}
