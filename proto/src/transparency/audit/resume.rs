//! The parts of an audit that the next audit of the same agency goes on from, so that it costs only what is new.
//!
//! ```text
//! agency's ledger   |------ compared before ------|---- compared next ----|
//!                                                 ^ frontier
//! own records       |------ looked at before -----|---- looked at next ---|
//!                      ^  ^       ^               ^ `records`
//!                      carried entries: they are looked at again
//! ```
//!
//! Must not know where it is kept.
//!
//! Invariants:
//! - it is made only by an audit of a whole ledger to its end that found nothing which only a new comparison would find again;
//! - it may be lost at any time: then the next audit begins at the start;
//! - it counts only for the ledger, the charter and the own records of which it was made, and for a week.

use serde::{Deserialize, Serialize};

use super::ReceiptRef;
use super::own_checkpoints::OwnCheckpoint;
use crate::base::ids::{Epoch, LedgerIndex};
use crate::entry::CharterName;
use crate::tlog::frontier::Frontier;

/// Longest time from one audit from the start to the next, in milliseconds. An audit that goes on may miss what comes late and belongs to a part that was
/// compared before: checkpoints that are thinned out, an entry whose leaf the agency denies, an entry that refutes an older figure.
const WHOLE_AGAIN: u64 = 7 * 24 * 3600 * 1000;

/// The point from which the next audit goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// The part that the owner of the records chose.
    pub records: RecordsUpTo,
    /// When the last audit from the start was, in milliseconds since 1970.
    pub(super) whole_at: u64,
    /// The newest charter of the audit.
    pub(super) charter: CharterName,
    /// The epoch of the agency's ledger.
    pub(super) epoch: Epoch,
    /// Number of leaves that were compared.
    pub(super) size: u64,
    /// The roots of the complete subtrees of these leaves.
    pub(super) peaks: Vec<[u8; 32]>,
    /// The root of these leaves.
    pub(super) root: [u8; 32],
    /// Checkpoints of the agency, fewer the older they are.
    pub(super) checkpoints: Vec<OwnCheckpoint>,
    /// Entries of the own ledger that are looked at again, ascending.
    pub(super) carried: Vec<Carried>,
    /// The newest charter version that the agency's own entries before name.
    pub(super) adopted: u64,
    /// Number of entries that the agency acknowledged in earlier epochs and holds again.
    pub(super) held_again: u64,
    /// The newest time at which the auditor put items of the agency off, and of any peer.
    pub(super) put_off: [Option<u64>; 2],
}

/// The own records that an audit has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsUpTo {
    /// The epoch of the own ledger.
    pub epoch: Epoch,
    /// Number of leaves of the own ledger.
    pub leaves: u64,
    /// Where the next records begin, as the owner of the records names it.
    pub end: u64,
}

/// An entry that is looked at again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Carried {
    /// The leaf in the own ledger.
    pub(super) leaf: LedgerIndex,
    /// Whether it is an offer that the agency has not answered.
    pub(super) is_open_offer: bool,
    /// The agency's answers, if it did not take the entry.
    pub(super) untaken: Option<Untaken>,
    /// The leaf that the agency named for it and that was not compared, with the receipt.
    pub(super) claim: Option<(Epoch, LedgerIndex, ReceiptRef)>,
}

/// The agency's answers to an entry that it did not take.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Untaken {
    /// The first receipt that refuses it.
    pub(super) refused: Option<ReceiptRef>,
    /// The first and the last receipt that defers it, each with the time at which it came, in milliseconds since 1970.
    pub(super) deferred: Option<[(ReceiptRef, u64); 2]>,
}

impl Resume {
    /// The frontier of the leaves that were compared; `None` if the point was damaged.
    pub(super) fn frontier(&self) -> Option<Frontier> {
        Frontier::from_peaks(self.size, &self.peaks).filter(|frontier| frontier.root().0 == self.root)
    }

    /// The leaves of the own ledger that are looked at again.
    pub fn carried(&self) -> impl Iterator<Item = LedgerIndex> + '_ {
        self.carried.iter().map(|carried| carried.leaf)
    }

    /// Whether the next audit may go on from here at `now`, in milliseconds since 1970. `own_end` is where the own records end.
    pub fn fits(&self, charter: &CharterName, own_epoch: Epoch, own_end: u64, now: u64) -> bool {
        self.charter == *charter
            && self.is_of(own_epoch, own_end)
            && now.abs_diff(self.whole_at) < WHOLE_AGAIN
            && self.frontier().is_some()
    }

    /// Whether it is of the own ledger, whose records end here. Also ask this whenever the node starts, and drop points for which it is false: the
    /// ledger may have lost records since, and other ones may come in their place.
    pub fn is_of(&self, own_epoch: Epoch, own_end: u64) -> bool {
        self.records.epoch == own_epoch && self.records.end <= own_end
    }
}
