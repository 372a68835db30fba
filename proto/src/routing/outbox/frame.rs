//! A frame being filled, within its limits.

use prost::Message;

use crate::base::ids::EntryId;
use crate::base::limits;
use crate::routing::cursor::Cursor;
use crate::wire;

/// How much a frame may carry.
#[derive(Clone, Copy, Debug)]
pub struct FrameRoom {
    /// Items.
    pub items: usize,
    /// Bytes that it is filled up to.
    pub target_bytes: usize,
}

impl Default for FrameRoom {
    fn default() -> Self {
        Self { items: limits::FRAME_ITEMS, target_bytes: limits::DELIVER_TARGET_BYTES }
    }
}

/// Items read from the ledger for one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The position after them.
    pub cursor: Cursor,
    /// Their entries, in order.
    pub entries: Vec<EntryId>,
    /// What the frame weighs.
    pub bytes: usize,
}

/// A frame that is ready to go.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// What the sender's state machine must know of it.
    pub batch: Batch,
    /// The frame; the sender's state machine says what it goes on from.
    pub frame: wire::Deliver,
}

/// A frame being filled.
pub(super) struct Frame {
    room: FrameRoom,
    items: Vec<wire::Item>,
    entries: Vec<EntryId>,
    bytes: usize,
}

impl Frame {
    /// An empty frame.
    pub(super) fn new(room: FrameRoom) -> Self {
        Self { room, items: Vec::new(), entries: Vec::new(), bytes: 0 }
    }

    /// Adds an item, unless the frame is full.
    pub(super) fn add(&mut self, entry: EntryId, item: wire::Item) -> bool {
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

    /// Adds an item, unless the frame is full. If the frame has the entry already, for less than the link may have now, it gets its
    /// contents: a complaint that was lodged and forwarded at once goes over as two items, not three.
    pub(super) fn add_or_complete(&mut self, entry: EntryId, item: wire::Item) -> bool {
        let Some(number) = self.entries.iter().rposition(|id| *id == entry) else { return self.add(entry, item) };
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

    /// The frame, which ends at this cursor.
    pub(super) fn finish(self, cursor: Cursor) -> Prepared {
        let batch = Batch { cursor, entries: self.entries, bytes: self.bytes };
        Prepared { batch, frame: wire::Deliver { cursor: Some(cursor.to_wire()), items: self.items, after: None } }
    }
}
