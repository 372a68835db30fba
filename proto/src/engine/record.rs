//! The records of a ledger: the leaves, and the node's own notes beside them.
//!
//! Must not know how records are encoded, or in which file they are.
//!
//! Invariant: a node derives its store and the engine's state from its records alone, in their order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use crate::entry::content::Content;
use crate::entry::{Entry, OwnBatch};
use crate::routing::route::Route;
use crate::routing::unsettled::{FrameAnswer, UnsettledItem};

/// One record of a ledger. A `*Header` holds the node's notes beside the bytes; it never leaves the node.
#[derive(Clone, Debug)]
pub enum Record {
    /// A leaf of the tree.
    Leaf {
        /// The node's notes.
        header: LeafHeader,
        /// The entry; its bytes are the leaf. An own entry that is new has no envelope: a [`Record::Signature`] of the same batch follows.
        entry: Box<Entry>,
    },
    /// The signature over new own entries of the batch.
    Signature {
        /// The leaves of the entries.
        leaves: Vec<LedgerIndex>,
        /// Their ids with the signature.
        signed: OwnBatch,
    },
    /// A content of an entry. The record is before the entry's leaf, or anywhere after it if the content came later.
    Content {
        /// The leaf of the entry.
        leaf: LedgerIndex,
        /// The entry.
        entry: EntryId,
        /// The content, with the number of its commitment.
        content: Content,
    },
    /// A peer's receipt for a frame of this node.
    Receipt {
        /// The node's notes.
        header: ReceiptHeader,
        /// The `Ack` as received.
        ack: Bytes,
    },
    /// The position up to which this node has a peer's ledger. The record follows the items that it covers, so it is never durable without
    /// them.
    Cursor(CursorHeader),
    /// The newest checkpoint that was seen of another agency.
    Seen {
        /// The node's notes.
        header: SeenHeader,
        /// The signed note.
        note: Bytes,
    },
    /// An item that this node refused.
    Refused {
        /// The node's notes.
        header: RefusedHeader,
        /// The signed entry as received, cut to the maximum length of an entry.
        bytes: Bytes,
    },
    /// An item that this node deferred.
    Deferred {
        /// The node's notes.
        header: DeferredHeader,
        /// The encoded `Item`.
        item: Bytes,
    },
    /// An item is not deferred any more.
    DeferredDone(DeferredDoneHeader),
    /// A routing decision that belongs to no new leaf.
    Routing(RoutingHeader),
    /// The latest time that may be cosigned from now on.
    Ceiling(CeilingHeader),
    /// How far the complaints were judged again under a newer charter.
    Judged(JudgedHeader),
    /// Items of a peer were put off: this node lacks them by its own fault, and accuses nobody of it.
    PutOff(PutOffHeader),
}

impl Record {
    /// The approximate size of the record in the ledger, in bytes. It is too small by at most the routes of one leaf.
    pub fn weight(&self) -> usize {
        /// Bytes of a record's frame and a header of usual length.
        const FRAME: usize = 160;
        /// Bytes of the envelope of an entry from a batch of usual size.
        const ENVELOPE: usize = 300;
        /// Bytes of an agency id with its access.
        const ROUTE: usize = 70;
        FRAME
            + match self {
                Self::Leaf { header, entry } => {
                    entry.bytes.len() + ENVELOPE + ROUTE * (header.routes.len() + header.unreachable.len())
                }
                Self::Content { content, .. } => content.data.len(),
                Self::Receipt { header, ack } => ack.len() + 80 * header.unsettled.len() + 4 * header.settled.len(),
                Self::Seen { note, .. } => note.len(),
                Self::Refused { header, bytes } => bytes.len() + header.detail.len(),
                Self::Deferred { header, item } => item.len() + header.detail.len(),
                Self::Routing(RoutingHeader::Leaf { routes, .. }) => ROUTE * routes.len(),
                Self::Routing(RoutingHeader::Again { .. }) => ROUTE,
                Self::Signature { leaves, .. } => 4 * leaves.len(),
                Self::Cursor(_)
                | Self::DeferredDone(_)
                | Self::Ceiling(_)
                | Self::Judged(_)
                | Self::PutOff(_)
                | Self::Routing(RoutingHeader::BackfillDone { .. }) => 0,
            }
    }
}

/// The node's notes beside a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafHeader {
    /// The time at which the leaf was written, in milliseconds since 1970.
    pub at: u64,
    /// The peer that delivered the entry; `None` if this node wrote it.
    pub from: Option<AgencyId>,
    /// The number of agencies that passed the entry on before this node.
    pub relays: u32,
    /// The links that the entry is sent over.
    pub routes: Vec<Route>,
    /// Agencies that should get the entry, but that no adjacent peer leads to.
    pub unreachable: Vec<AgencyId>,
    /// The record of another system that the complaint was imported from.
    pub external: Option<External>,
}

/// A routing decision that belongs to no new leaf. The record is before the next leaf, and links send what it names before that leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutingHeader {
    /// A leaf goes over these links, again or for the first time, because one of its contents came late or a link is new.
    Leaf {
        /// The leaf.
        leaf: LedgerIndex,
        /// The links; none of them asks for history.
        routes: Vec<Route>,
    },
    /// An unsettled item goes to its peer again.
    Again {
        /// The leaf.
        leaf: LedgerIndex,
        /// The link.
        route: Route,
        /// How often the item was sent again, this time included.
        number: u32,
    },
    /// The backfill of a new peer is complete: the peer was given all complaints from before it was configured.
    BackfillDone {
        /// The peer.
        peer: AgencyId,
    },
}

/// The latest time that may be cosigned. No checkpoint carries a later one before a later ceiling is durable, so after a crash the node knows
/// which times it may have cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CeilingHeader {
    /// The time, in seconds since 1970.
    pub seconds: u64,
}

/// How far the complaints were judged again under a newer charter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedHeader {
    /// The version of the charter.
    pub version: u64,
    /// The last complaint that was judged, in the order of ids. `None`: all were.
    pub unfinished: Option<ComplaintId>,
}

/// Items of a peer were put off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutOffHeader {
    /// The time, in milliseconds since 1970.
    pub at: u64,
    /// The peer that delivered them.
    pub peer: AgencyId,
}

/// The record of another system that a complaint was imported from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct External {
    /// The name of the system.
    pub source: String,
    /// The id of the record in that system.
    pub id: String,
}

/// The node's notes beside a peer's receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptHeader {
    /// The time at which the receipt came, in milliseconds since 1970.
    pub at: u64,
    /// The peer that gave the receipt.
    pub peer: AgencyId,
    /// The position up to which the peer acknowledges this node's ledger.
    pub cursor: Cursor,
    /// The items that the peer did not take.
    pub unsettled: Vec<UnsettledItem>,
    /// The leaves that the peer took now and had not taken before.
    pub settled: Vec<LedgerIndex>,
}

impl ReceiptHeader {
    /// The notes beside a receipt of a peer that came at `at`, in milliseconds since 1970, and gives this answer.
    pub fn of(peer: AgencyId, at: u64, answer: FrameAnswer) -> Self {
        let FrameAnswer { cursor, unsettled, settled } = answer;
        Self { at, peer, cursor, unsettled, settled }
    }
}

/// The position up to which this node has a peer's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorHeader {
    /// The peer.
    pub peer: AgencyId,
    /// The position in the peer's ledger; this node has everything before it.
    pub cursor: Cursor,
}

/// A position that a node's ledger records about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerCursor {
    /// How far the node has received the peer's ledger.
    Received,
    /// How far the node has the peer's receipts for its own ledger.
    Receipted,
}

impl PeerCursor {
    /// The position that counts after one more record. `old` is the position that the records before it gave.
    pub fn after(self, old: Option<Cursor>, new: Cursor) -> Cursor {
        match self {
            // A frame that comes again takes nothing back.
            Self::Received => old.map_or(new, |old| old.max(new)),
            // The newest receipt counts, even if it goes back. A peer that has begun a new epoch gives its receipts again; what it got in that
            // epoch and has not receipted must be sent again after a break.
            Self::Receipted => new,
        }
    }
}

/// The node's notes beside a checkpoint of another agency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHeader {
    /// The time at which the checkpoint was seen, in milliseconds since 1970.
    pub at: u64,
    /// The agency whose ledger the checkpoint is of.
    pub peer: AgencyId,
}

/// The node's notes beside an item that it refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedHeader {
    /// The time of the refusal, in milliseconds since 1970.
    pub at: u64,
    /// The peer that delivered the item.
    pub peer: AgencyId,
    /// The entry.
    pub entry: EntryId,
    /// The refusal code.
    pub code: u32,
    /// The reason in words.
    pub detail: String,
}

/// Names a deferred item: SHA-256 over the peer's id, a zero byte and the encoded item as received.
pub type ItemKey = [u8; 32];

/// The key of an item that a peer delivered.
pub fn item_key(peer: &AgencyId, item: &[u8]) -> ItemKey {
    Sha256::new().chain_update(peer.as_str()).chain_update([0]).chain_update(item).finalize().into()
}

/// The node's notes beside an item that it deferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredHeader {
    /// The time of the deferral, in milliseconds since 1970.
    pub at: u64,
    /// The peer that delivered the item.
    pub peer: AgencyId,
    /// The item's key among the deferred items.
    pub item: ItemKey,
    /// The entry.
    pub entry: EntryId,
    /// The deferral code.
    pub code: u32,
    /// The reason in words.
    pub detail: String,
}

/// Names the item that is not deferred any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredDoneHeader {
    /// The item's key among the deferred items.
    pub item: ItemKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Epoch;

    #[test]
    fn receipts_may_go_back_and_what_was_received_never_does() {
        let [early, late] = [50, 100].map(|index| Cursor { epoch: Epoch(1), index: LedgerIndex(index), part: 0 });
        for which in [PeerCursor::Received, PeerCursor::Receipted] {
            assert_eq!(which.after(None, early), early, "{which:?}");
            assert_eq!(which.after(Some(early), late), late, "{which:?}");
        }
        assert_eq!(PeerCursor::Received.after(Some(late), early), late);
        assert_eq!(PeerCursor::Receipted.after(Some(late), early), early);
    }
}
