//! The agency's checkpoints in the auditing node's records.
//!
//! Must not know what the agency answers.
//!
//! Invariant: a statement was verified when it came into the records. A time counts only once it is verified by the keys of now.

use serde::{Deserialize, Serialize};

use super::ReceiptRef;
use crate::base::ids::Epoch;
use crate::tlog::checkpoint::Checkpoint;

/// A checkpoint of the agency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OwnCheckpoint {
    /// The checkpoint.
    pub(super) checkpoint: Checkpoint,
    pub(super) note: NoteRef,
    /// Whether an earlier audit has compared and kept it.
    pub(super) is_kept: bool,
}

/// Where the signed note of a checkpoint is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum NoteRef {
    /// In this receipt. Receipts are many, so their notes are read only when evidence quotes them.
    Receipt(ReceiptRef),
    /// Here.
    Note(Vec<u8>),
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
        self.0.push(OwnCheckpoint { checkpoint, note, is_kept: false });
    }

    /// Sorts them. Of one tree the first and the last checkpoint stay: their times enclose the times of all others.
    pub(super) fn sort(&mut self) {
        let key = |known: &OwnCheckpoint| (known.extent(), known.checkpoint.root, known.checkpoint.seconds);
        self.0.sort_by_key(key);
        let is_same = |one: &OwnCheckpoint, other: &OwnCheckpoint| {
            one.extent() == other.extent() && one.checkpoint.root == other.checkpoint.root
        };
        let of_one_tree = self.0.chunk_by(is_same);
        let is_end = of_one_tree.flat_map(|tree| (0..tree.len()).map(move |at| at == 0 || at + 1 == tree.len()));
        let mut is_end = is_end.collect::<Vec<bool>>().into_iter();
        self.0.retain(|_| is_end.next().unwrap_or(true));
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

    /// The sizes of up to `most` leaves in an epoch of which a checkpoint has come since the earlier audit.
    pub(super) fn late_sizes(&self, epoch: Epoch, most: u64) -> Vec<u64> {
        let new = self.between(epoch, 0, most).iter().filter(|known| !known.is_kept);
        let mut sizes: Vec<u64> = new.map(|known| known.checkpoint.size).collect();
        sizes.dedup();
        sizes
    }

    /// The checkpoints that the next audit needs after one at `now` (in milliseconds since 1970) of a tree with this epoch and size. Those of larger trees and later epochs are all kept. Of
    /// the others it needs some, to find entries that come late and are dated back: one a minute of the last two days, one an hour of the two months
    /// before, and one a day of the rest.
    pub(super) fn to_keep(&self, epoch: Epoch, size: u64, now: u64) -> Vec<OwnCheckpoint> {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let later = self.0.partition_point(|known| known.extent() <= (epoch, size));
        let mut kept: Vec<OwnCheckpoint> = Vec::new();
        let of_epoch = self.0.iter().rev().filter(|known| known.checkpoint.epoch == epoch);
        let timed = of_epoch.filter(|known| known.checkpoint.size <= size && known.checkpoint.seconds.is_some());
        for known in timed {
            let seconds = known.checkpoint.seconds.unwrap_or_default();
            let apart = match (now / 1000).saturating_sub(seconds) {
                age if age < 2 * DAY => MINUTE,
                age if age < 60 * DAY => HOUR,
                _ => DAY,
            };
            let last = kept.last().and_then(|last| last.checkpoint.seconds);
            if last.is_none_or(|last| seconds.saturating_add(apart) <= last) {
                kept.push(known.clone());
            }
        }
        kept.extend_from_slice(&self.0[later..]);
        kept.iter_mut().for_each(|known| known.is_kept = true);
        kept
    }

    /// Adds the checkpoints that an audit kept.
    pub(super) fn extend(&mut self, kept: &[OwnCheckpoint]) {
        self.0.extend_from_slice(kept);
    }
}
