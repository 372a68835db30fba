//! A position in a ledger that is sent over a link. Both sides count with it: the sender what it sent, the receiver what it has.

use serde::{Deserialize, Serialize};

use crate::base::ids::{Epoch, LedgerIndex};
use crate::wire;

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
