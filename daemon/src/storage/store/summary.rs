//! The values of the trees.

use serde::{Deserialize, Serialize};
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::complaint::Phase;
use sinergi_proto::engine::{Case, Duties, External};
use sinergi_proto::entry::ContentClass;
use sinergi_proto::routing::route::Access;

use super::keys::ID_PREFIX;

/// What the store holds of a complaint under one key, so that most complaints cost one write an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What listings show. It comes first, so that it can be read without the rest.
    pub summary: Summary,
    /// Where the newest entries lie, at most [`Row::RECENT`]; the others are in the tree `timeline`.
    pub recent: Vec<Placed>,
}

impl Row {
    /// Entries that a row holds: it stays small, and few complaints have more.
    pub const RECENT: usize = 32;
}

/// Where an entry of a complaint lies. The order is that of the complaint's timeline.
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
    /// Where it was lodged.
    pub intake: AgencyId,
    /// Who is accountable.
    pub holder: AgencyId,
    /// The open offer.
    pub offer: Option<OpenOffer>,
    /// How far the work is.
    pub phase: Phase,
    /// `ComplaintKind`.
    pub kind: i32,
    /// Category code.
    pub category: String,
    /// Area code.
    pub area: String,
    /// Class of the text.
    pub class: ContentClass,
    /// How many entries are here.
    pub entries: u32,
    /// The newest entry's clock, milliseconds since 1970.
    pub changed_at: u64,
    /// Closed without the citizen's reply code.
    pub self_closed: bool,
    /// The leaf of `Lodged`.
    pub lodged: LedgerIndex,
    /// Where it was imported from.
    pub external: Option<External>,
    /// Whether content of it was ever sent to somebody.
    pub content_shared: bool,
    /// What this node has to do about it by itself.
    pub duties: Duties,
}

/// An offer that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOffer {
    /// The addressee.
    pub to: AgencyId,
    /// Until when, milliseconds since 1970.
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

    /// What the complaint is due for: the answer to its open offer; otherwise never.
    pub(super) fn due(&self) -> u64 {
        self.offer.as_ref().map_or(u64::MAX, |offer| offer.answer_by)
    }
}

/// A refused item as listings show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// The other side.
    pub peer: AgencyId,
    /// We refused it; otherwise the peer did.
    pub by_us: bool,
    /// The entry.
    pub entry: [u8; 32],
    /// The refusal code.
    pub code: u32,
    /// Why, in words; empty if the peer refused.
    pub detail: String,
    /// When, milliseconds since 1970.
    pub at: u64,
}
