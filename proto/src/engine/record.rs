//! What a node writes into its ledger: the leaves, and beside them what it must not forget.
//!
//! Must not know how records are encoded, or where they lie.
//!
//! Invariant: everything that a node derives (its store, the engine's own state) follows from its records in their order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::deferred::ItemKey;
use crate::base::ids::{AgencyId, EntryId, LedgerIndex};
use crate::entry::Entry;
use crate::entry::content::Content;
use crate::routing::cursor::Cursor;
use crate::routing::route::Route;

/// One record of a ledger. The `*Header` is what the node notes beside the bytes; it never leaves the node.
#[derive(Clone, Debug)]
pub enum Record {
    /// A leaf of the tree.
    Leaf {
        /// Beside it.
        header: LeafHeader,
        /// The entry; its signed bytes are the leaf.
        entry: Box<Entry>,
    },
    /// A content of an entry. It lies before the entry's leaf, or anywhere after it if it came later.
    Content {
        /// The leaf of the entry.
        leaf: LedgerIndex,
        /// The entry.
        entry: EntryId,
        /// The content, with the number of its commitment.
        content: Content,
    },
    /// A peer's receipt for what was sent to it.
    Receipt {
        /// Beside it.
        header: ReceiptHeader,
        /// The `Ack` as it came.
        ack: Bytes,
    },
    /// How far this node has a peer's ledger. It lies after the items that it covers, so that it is never durable without them.
    Cursor(CursorHeader),
    /// The newest checkpoint that was seen of another agency.
    Seen {
        /// Beside it.
        header: SeenHeader,
        /// The signed note.
        note: Bytes,
    },
    /// An item that this node refused.
    Refused {
        /// Beside it.
        header: RefusedHeader,
        /// The signed entry as it came, cut to the length that an entry may have.
        bytes: Bytes,
    },
    /// An item that waits.
    Deferred {
        /// Beside it.
        header: DeferredHeader,
        /// The encoded `Item`.
        item: Bytes,
    },
    /// An item waits no longer.
    DeferredDone(DeferredDoneHeader),
    /// What goes over links beside new leaves.
    Routing(RoutingHeader),
}

impl Record {
    /// About how many bytes the record takes in the ledger. Never less by more than the routes of one leaf.
    pub fn weight(&self) -> usize {
        /// The frame of a record with a header of usual length.
        const FRAME: usize = 160;
        /// An agency id with its access.
        const ROUTE: usize = 70;
        FRAME
            + match self {
                Self::Leaf { header, entry } => {
                    entry.signed.len() + ROUTE * (header.routes.len() + header.unreachable.len())
                }
                Self::Content { content, .. } => content.data.len(),
                Self::Receipt { header, ack } => ack.len() + 40 * header.refused.len(),
                Self::Seen { note, .. } => note.len(),
                Self::Refused { header, bytes } => bytes.len() + header.detail.len(),
                Self::Deferred { header, item } => item.len() + header.detail.len(),
                Self::Routing(RoutingHeader::Leaf { routes, .. }) => ROUTE * routes.len(),
                Self::Cursor(_) | Self::DeferredDone(_) | Self::Routing(RoutingHeader::BackfillDone { .. }) => 0,
            }
    }
}

/// Beside a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafHeader {
    /// When it was written, milliseconds since 1970.
    pub at: u64,
    /// The peer that it came from; `None`: written here.
    pub from: Option<AgencyId>,
    /// How many agencies passed it on before this node.
    pub relays: u32,
    /// The links that it goes to.
    pub routes: Vec<Route>,
    /// Agencies that should have it and that no adjacent peer leads to.
    pub unreachable: Vec<AgencyId>,
    /// The record of another system that a complaint was imported from.
    pub external: Option<External>,
}

/// What goes over links beside new leaves. It lies before the next leaf, and is part of what is owed before that leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutingHeader {
    /// A leaf goes over these links, again or for the first time: a content of it came late, or a link is new.
    Leaf {
        /// The leaf.
        leaf: LedgerIndex,
        /// The links; none of them asks for history.
        routes: Vec<Route>,
    },
    /// The backfill of a new peer is complete: it was given all complaints from before it was configured.
    BackfillDone {
        /// The peer.
        peer: AgencyId,
    },
}

/// The record of another system that a complaint came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct External {
    /// Which system.
    pub source: String,
    /// Its id there.
    pub id: String,
}

/// Beside a peer's receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptHeader {
    /// When it came, milliseconds since 1970.
    pub at: u64,
    /// The peer that gave it.
    pub peer: AgencyId,
    /// How far the peer acknowledges this node's ledger.
    pub cursor: Cursor,
    /// The entries that the peer refused, with the refusal codes.
    pub refused: Vec<(EntryId, u32)>,
}

/// How far this node has a peer's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorHeader {
    /// The peer.
    pub peer: AgencyId,
    /// The position in its ledger after what is here.
    pub cursor: Cursor,
}

/// Beside a checkpoint that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHeader {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// The agency whose ledger it is of.
    pub peer: AgencyId,
}

/// Beside an item that this node refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedHeader {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// The peer that delivered it.
    pub peer: AgencyId,
    /// The entry.
    pub entry: EntryId,
    /// The refusal code.
    pub code: u32,
    /// The reason in words.
    pub detail: String,
}

/// Beside an item that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredHeader {
    /// Since when, milliseconds since 1970.
    pub at: u64,
    /// The peer that delivered it.
    pub peer: AgencyId,
    /// The item's name among those that wait.
    pub item: ItemKey,
    /// The entry.
    pub entry: EntryId,
    /// The code of what it waits for.
    pub code: u32,
    /// The same in words.
    pub detail: String,
}

/// A deferred item that waits no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredDoneHeader {
    /// The item's name among those that wait.
    pub item: ItemKey,
}
