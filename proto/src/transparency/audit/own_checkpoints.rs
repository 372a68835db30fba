//! The agency's checkpoints in the auditing node's records.
//!
//! Must not know what the agency answers.
//!
//! Invariant: a statement was verified when it came into the records. A time may be one that the note only claims, so it counts only after
//! [`Charters::open_checkpoint`](crate::charter::Charters::open_checkpoint).

use std::sync::Arc;

use super::ReceiptRef;
use crate::base::ids::Epoch;
use crate::tlog::checkpoint::Checkpoint;

/// A checkpoint of the agency.
#[derive(Clone, Debug)]
pub(super) struct OwnCheckpoint {
    /// The checkpoint, with the time that its note claims.
    pub(super) checkpoint: Checkpoint,
    pub(super) note: NoteRef,
}

/// Where the signed note of a checkpoint is.
#[derive(Clone, Debug)]
pub(super) enum NoteRef {
    /// In this receipt. Receipts are many, so their notes are read only when evidence quotes them.
    Receipt(ReceiptRef),
    /// Here.
    Note(Arc<[u8]>),
}

impl OwnCheckpoint {
    /// The epoch and the number of leaves.
    pub(super) fn extent(&self) -> (Epoch, u64) {
        (self.checkpoint.epoch, self.checkpoint.size)
    }
}

/// The checkpoints, in the order of epoch, size and time once they are [sorted](Self::sort).
#[derive(Debug, Default)]
pub(super) struct OwnCheckpoints(Vec<OwnCheckpoint>);

impl OwnCheckpoints {
    /// Adds a checkpoint.
    pub(super) fn add(&mut self, checkpoint: Checkpoint, note: NoteRef) {
        self.0.push(OwnCheckpoint { checkpoint, note });
    }

    /// Sorts them. Of one tree the first and the last checkpoint stay: their times enclose the times of all others.
    pub(super) fn sort(&mut self) {
        let key = |known: &OwnCheckpoint| (known.extent(), known.checkpoint.root, known.checkpoint.seconds);
        self.0.sort_by_key(key);
        let is_same = |one: &OwnCheckpoint, other: &OwnCheckpoint| {
            one.extent() == other.extent() && one.checkpoint.root == other.checkpoint.root
        };
        let of_one_tree = self.0.chunk_by(is_same);
        let first_and_last = |tree: &[OwnCheckpoint]| [tree.first().cloned(), tree[1..].last().cloned()];
        self.0 = of_one_tree.flat_map(first_and_last).flatten().collect();
        self.0.sort_by_key(|known| (known.extent(), known.checkpoint.seconds));
    }

    /// All of them.
    pub(super) fn all(&self) -> &[OwnCheckpoint] {
        &self.0
    }

    /// Those of an epoch with more than `above` and at most `most` leaves.
    pub(super) fn between(&self, epoch: Epoch, above: u64, most: u64) -> &[OwnCheckpoint] {
        let first = self.0.partition_point(|known| known.extent() <= (epoch, above));
        let end = self.0.partition_point(|known| known.extent() <= (epoch, most));
        &self.0[first.min(end)..end]
    }
}
