//! What is known of another agency's ledger by the checkpoints that it signed, and whether they are all of one ledger that only grows.
//!
//! ```text
//! take     a checkpoint that verified, from whoever showed it   -> the newest, nothing new, or a contradiction
//! to_ask   sizes of which the agency is to show that they are beginnings of its present tree
//! answered its present tree, and what that begins with          -> all is well, or a contradiction
//! ```
//!
//! [`WatchedLedgers`] does this for all agencies, and knows what is to be passed on, asked and witnessed.
//!
//! Invariants:
//! - what comes late, or twice, accuses nobody: only what was signed is compared, never the order of arrival;
//! - what contradicts is never the newest; both notes are handed out, once for an epoch, and nothing of that epoch is taken any more;
//! - the memory is bounded by [`limits::CHECKPOINTS_WATCHED`] checkpoints.

mod ledgers;

pub use ledgers::WatchedLedgers;

use std::collections::BTreeMap;

use crate::base::ids::Epoch;
use crate::base::limits;
use crate::tlog::checkpoint::Checkpoint;
use crate::wire::{self, accusation::Finding};

/// A verified checkpoint with its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The checkpoint that the note holds.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: Vec<u8>,
}

/// What an agency's tree begins with, as the agency proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// So many leaves.
    pub size: u64,
    /// Their root.
    pub root: [u8; 32],
    /// The RFC 6962 consistency proof.
    pub proof: Vec<[u8; 32]>,
}

/// What a checkpoint is, beside those that were seen before.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It shows more than was known.
    Newest,
    /// It shows nothing more.
    Nothing,
    /// It was signed later than the newest, over fewer leaves or in an epoch that was over: the ledger was set back, or its clock was, so this
    /// proves nothing.
    Back,
    /// It and another one cannot both be of one ledger that only grows.
    Contradicts(Box<Finding>),
}

/// One agency's ledger, in its newest epoch.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    newest: Option<Noted>,
    seen: BTreeMap<u64, Seen>,
    /// The agency was caught in this epoch.
    caught: Option<Epoch>,
}

#[derive(Clone, Debug)]
struct Seen {
    noted: Noted,
    /// The agency showed that its later tree begins with it.
    is_checked: bool,
}

impl Noted {
    /// Epoch and leaves.
    pub fn extent(&self) -> (Epoch, u64) {
        (self.checkpoint.epoch, self.checkpoint.size)
    }

    /// As for the checkpoints.
    fn is_surely_before(&self, other: &Self) -> bool {
        self.checkpoint.is_surely_before(&other.checkpoint)
    }

    /// Whether both have a time, and this one's is earlier.
    fn is_before(&self, other: &Self) -> bool {
        matches!((self.checkpoint.seconds, other.checkpoint.seconds), (Some(one), Some(other)) if one < other)
    }
}

impl Watched {
    /// The newest checkpoint that contradicts none.
    pub fn newest(&self) -> Option<&Noted> {
        self.newest.as_ref()
    }

    /// A checkpoint of the agency that verified.
    pub fn take(&mut self, shown: Noted) -> Taken {
        let epoch = self.newest.as_ref().map(|newest| newest.checkpoint.epoch);
        // A later epoch begins with its declaration: nobody honest signs one without leaves, and it would make all before it history.
        if shown.checkpoint.epoch > Epoch::FIRST && shown.checkpoint.size == 0 {
            return Taken::Nothing;
        }
        if self.caught == Some(shown.checkpoint.epoch) {
            return Taken::Nothing;
        }
        if let Some(newest) = self.newest.as_ref().filter(|newest| newest.checkpoint.epoch > shown.checkpoint.epoch) {
            return if newest.is_surely_before(&shown) { Taken::Back } else { Taken::Nothing };
        }
        if epoch != Some(shown.checkpoint.epoch) {
            (self.seen, self.caught) = (BTreeMap::new(), None);
        } else if let Some(finding) = self.contradiction(&shown) {
            self.catch();
            return Taken::Contradicts(Box::new(finding));
        }
        let is_back =
            self.newest.as_ref().is_some_and(|newest| newest.extent() > shown.extent() && newest.is_before(&shown));
        // Nothing is older than the first one.
        let is_checked = self.seen.is_empty();
        let size = shown.checkpoint.size;
        self.seen.entry(size).or_insert_with(|| Seen { noted: shown.clone(), is_checked });
        self.make_room();
        let is_more = self.newest.as_ref().is_none_or(|newest| newest.extent() < shown.extent());
        let is_later = |newest: &Noted| newest.extent() == shown.extent() && newest.is_before(&shown);
        let is_newest = is_more || self.newest.as_ref().is_some_and(is_later);
        if is_newest {
            self.newest = Some(shown);
        }
        match () {
            () if is_more => Taken::Newest,
            () if is_back => Taken::Back,
            () => Taken::Nothing,
        }
    }

    /// Sizes that the agency has not shown to be beginnings of a later tree; none: there is nothing to ask.
    pub fn to_ask(&self) -> Vec<u64> {
        if self.caught.is_some() || self.seen.values().all(|seen| seen.is_checked) {
            return Vec::new();
        }
        let last_checked = self.seen.iter().rev().find(|(_, seen)| seen.is_checked).map(|(size, _)| *size);
        let unchecked = self.seen.iter().filter(|(_, seen)| !seen.is_checked).map(|(size, _)| *size);
        last_checked.into_iter().chain(unchecked).collect()
    }

    /// The agency's present tree, and what it begins with; the proofs hold.
    pub fn answered(&mut self, tree: Noted, beginnings: Vec<Beginning>) -> Option<Finding> {
        if let Taken::Contradicts(finding) = self.take(tree.clone()) {
            return Some(*finding);
        }
        if self.caught.is_some()
            || self.newest.as_ref().map(|newest| newest.checkpoint.epoch) != Some(tree.checkpoint.epoch)
        {
            return None;
        }
        for Beginning { size, root, proof } in beginnings {
            let Some(seen) = self.seen.get_mut(&size) else { continue };
            if seen.noted.checkpoint.root != root {
                let finding = two_trees(&seen.noted.note, &tree.note, root, &proof);
                self.catch();
                return Some(finding);
            }
            seen.is_checked = true;
        }
        if let Some(seen) = self.seen.get_mut(&tree.checkpoint.size) {
            seen.is_checked = true;
        }
        None
    }

    /// From then on the newest is the last that was shown to go on from all before it.
    fn catch(&mut self) {
        self.caught = self.newest.as_ref().map(|newest| newest.checkpoint.epoch);
        let checked = self.seen.values().rev().find(|seen| seen.is_checked);
        self.newest = checked.map(|seen| seen.noted.clone()).or(self.newest.take());
    }

    fn contradiction(&self, shown: &Noted) -> Option<Finding> {
        let size = shown.checkpoint.size;
        if let Some(Seen { noted, .. }) = self.seen.get(&size)
            && noted.checkpoint.root != shown.checkpoint.root
        {
            return Some(two_trees(&noted.note, &shown.note, shown.checkpoint.root, &[]));
        }
        let rolled_back = |earlier: &Noted, later: &Noted| {
            let (earlier, later) = (earlier.note.clone(), later.note.clone());
            Finding::RolledBack(wire::RolledBack { earlier, later })
        };
        let mut all = self.seen.values().map(|seen| &seen.noted).chain(&self.newest);
        all.find_map(|seen| match seen.checkpoint.size.cmp(&size) {
            std::cmp::Ordering::Greater if seen.is_surely_before(shown) => Some(rolled_back(seen, shown)),
            std::cmp::Ordering::Less if shown.is_surely_before(seen) => Some(rolled_back(shown, seen)),
            _ => None,
        })
    }

    /// What was checked goes first, the oldest of it; then the second smallest, so that the smallest stays. An audit looks at all that the
    /// own ledger holds.
    fn make_room(&mut self) {
        while self.seen.len() > limits::CHECKPOINTS_WATCHED {
            let checked = self.seen.iter().filter(|(_, seen)| seen.is_checked).map(|(size, _)| *size);
            let last_checked = self.seen.iter().rev().find(|(_, seen)| seen.is_checked).map(|(size, _)| *size);
            let oldest_checked = checked.min().filter(|size| Some(*size) != last_checked);
            let second = self.seen.iter().filter(|(_, seen)| !seen.is_checked).nth(1).map(|(size, _)| *size);
            let Some(size) = oldest_checked.or(second) else { return };
            self.seen.remove(&size);
        }
    }
}

/// The accusation of two trees of one epoch of which the smaller is not the beginning of the larger, which begins with `prefix`.
pub fn two_trees(smaller: &[u8], larger: &[u8], prefix: [u8; 32], consistency: &[[u8; 32]]) -> Finding {
    Finding::ForkedTrees(wire::TwoTrees {
        smaller: smaller.to_vec(),
        larger: larger.to_vec(),
        prefix_root: prefix.to_vec(),
        consistency: consistency.iter().map(|hash| hash.to_vec()).collect(),
    })
}

#[cfg(test)]
mod tests;
