//! The link between two nodes: the sender's and the receiver's state machines.
//!
//! Each side of a link has one of each. They hold no socket, clock or randomness: `handle(event) -> outputs`; the shell performs the
//! outputs in their order. Nothing here is durable: after any interruption both start anew from what the receiver's ledger says it has.

mod receiver;
mod sender;

pub use receiver::{Receiver, ReceiverEvent, ReceiverOutput};
pub use sender::{Batch, Sender, SenderEvent, SenderOutput};

use serde::{Deserialize, Serialize};

use crate::ids::{Epoch, LedgerIndex};
use crate::wire;

/// Oldest protocol version that this code speaks.
pub const PROTOCOL_MIN: u32 = 1;
/// Newest protocol version that this code speaks.
pub const PROTOCOL_MAX: u32 = 1;

/// A position in the sender's ledger: everything before it that is for the link has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Epoch of the sender's ledger.
    pub epoch: Epoch,
    /// The next leaf.
    pub index: LedgerIndex,
    /// How many items that are owed before that leaf have been sent: contents that came late, leaves for a new link, history.
    pub part: u32,
}

impl Cursor {
    /// The beginning of an epoch.
    pub fn start(epoch: Epoch) -> Self {
        Self { epoch, index: LedgerIndex(0), part: 0 }
    }

    /// The end of a ledger of `size` leaves, with `owed` items behind the last one.
    pub fn end(epoch: Epoch, size: LedgerIndex, owed: u32) -> Self {
        Self { epoch, index: size, part: owed }
    }

    /// Whether it is beyond a ledger of `size` leaves in `epoch`.
    pub fn is_beyond(self, epoch: Epoch, size: LedgerIndex) -> bool {
        self.epoch > epoch || (self.epoch == epoch && self.index > size)
    }

    /// The wire representation.
    pub fn to_wire(self) -> wire::Cursor {
        wire::Cursor { epoch: self.epoch.0, index: self.index.0, part: self.part }
    }

    /// The cursor of a message.
    pub fn from_wire(cursor: wire::Cursor) -> Self {
        Self { epoch: Epoch(cursor.epoch), index: LedgerIndex(cursor.index), part: cursor.part }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.epoch, self.index)?;
        if self.part > 0 { write!(f, "+{}", self.part) } else { Ok(()) }
    }
}

/// The protocol version that two ranges have in common, the newest.
pub fn common_version(theirs_min: u32, theirs_max: u32) -> Option<u32> {
    let newest = PROTOCOL_MAX.min(theirs_max);
    (newest >= PROTOCOL_MIN.max(theirs_min)).then_some(newest)
}
