//! A `Deliver` frame while it is filled.
//!
//! Must not know the ledger.
//!
//! Invariant: a frame never exceeds its room and [`limits::DELIVER_BYTES`].

use prost::Message;

use crate::base::cursor::Cursor;
use crate::base::ids::{ComplaintId, EntryId, LedgerIndex};
use crate::base::limits;
use crate::wire;

/// The room in a frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameRoom {
    /// Most items.
    pub items: usize,
    /// No item is added once the frame has so many bytes.
    pub target_bytes: usize,
}

/// The facts about a frame that the sender's state machine needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSummary {
    /// The position after the last item.
    pub cursor: Cursor,
    /// The items' entries, in order.
    pub entries: Vec<SentEntry>,
    /// The frame's size in bytes.
    pub bytes: usize,
}

/// An entry in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentEntry {
    /// The entry's id.
    pub id: EntryId,
    /// Its leaf in this node's ledger.
    pub leaf: LedgerIndex,
    /// Its complaint. `None` for an entry of a node.
    pub complaint: Option<ComplaintId>,
    /// Whether it is also sent because the peer did not take it before.
    pub is_again: bool,
}

/// A frame that is ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The facts for the sender's state machine.
    pub summary: FrameSummary,
    /// The frame. Its field `after` is still empty; the sender's state machine knows it.
    pub frame: wire::Deliver,
}

/// A frame while it is filled.
pub(super) struct Frame {
    room: FrameRoom,
    items: Vec<wire::Item>,
    entries: Vec<SentEntry>,
    bytes: usize,
}

impl Frame {
    /// An empty frame.
    pub(super) fn new(room: FrameRoom) -> Self {
        Self { room, items: Vec::new(), entries: Vec::new(), bytes: 0 }
    }

    /// Adds an item. `false` if the frame is full.
    pub(super) fn add(&mut self, entry: SentEntry, item: wire::Item) -> bool {
        let bytes = item.encoded_len() + 8;
        let full = self.items.len() >= self.room.items
            || self.bytes >= self.room.target_bytes
            || (self.bytes + bytes > limits::DELIVER_BYTES && !self.items.is_empty());
        if full {
            return false;
        }
        self.items.push(item);
        self.entries.push(entry);
        self.bytes += bytes;
        true
    }

    /// Adds an item, or its contents if the frame has the entry already with fewer contents. `false` if the frame is full.
    ///
    /// So a complaint that was lodged and forwarded at once goes over the link as two items and not as three.
    pub(super) fn add_or_complete(&mut self, entry: SentEntry, item: wire::Item) -> bool {
        let Some(number) = self.entries.iter().rposition(|sent| sent.id == entry.id) else {
            return self.add(entry, item);
        };
        self.entries[number].is_again |= entry.is_again;
        let (old, new) = (self.items[number].encoded_len(), item.encoded_len());
        let bytes = self.bytes + new.saturating_sub(old);
        if bytes > limits::DELIVER_BYTES {
            return false;
        }
        if new > old {
            self.bytes = bytes;
            self.items[number] = item;
        }
        true
    }

    /// Ends the frame at this cursor.
    pub(super) fn finish(self, cursor: Cursor) -> Prepared {
        let summary = FrameSummary { cursor, entries: self.entries, bytes: self.bytes };
        Prepared { summary, frame: wire::Deliver { cursor: Some(cursor.to_wire()), items: self.items, after: None } }
    }
}
