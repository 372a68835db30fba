//! A cursor: a position in the ledger that a link sends. The sender keeps one for what it sent, the receiver one for what it has.
//!
//! Must not know what lies at the position.
//!
//! Invariant: cursors are ordered by epoch, then leaf, then part. On one link they only grow.

use serde::{Deserialize, Serialize};

use crate::base::ids::{Epoch, LedgerIndex};
use crate::wire;

/// A position in the sender's ledger. Everything before it that is for this link has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Epoch of the sender's ledger.
    pub epoch: Epoch,
    /// The next leaf to send.
    pub index: LedgerIndex,
    /// Number of items already sent of those that are owed before that leaf: contents that came late, older leaves for a new link, history.
    pub part: u32,
}

impl Cursor {
    /// The beginning of an epoch.
    pub fn start(epoch: Epoch) -> Self {
        Self { epoch, index: LedgerIndex(0), part: 0 }
    }

    /// The end of a ledger of `size` leaves, with `owed` items after the last leaf.
    pub fn end(epoch: Epoch, size: LedgerIndex, owed: u32) -> Self {
        Self { epoch, index: size, part: owed }
    }

    /// Whether it is beyond the end of a ledger of `size` leaves in `epoch`.
    pub fn is_beyond(self, epoch: Epoch, size: LedgerIndex) -> bool {
        self.epoch > epoch || (self.epoch == epoch && self.index > size)
    }

    /// The wire representation.
    pub fn to_wire(self) -> wire::Cursor {
        wire::Cursor { epoch: self.epoch.0, index: self.index.0, part: self.part }
    }

    /// The cursor with this wire representation.
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
