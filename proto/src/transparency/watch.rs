//! The watch over another agency's ledger: are all checkpoints that the agency signed of one ledger that only grows?
//!
//! ```text
//! take     a verified checkpoint, no matter who showed it           -> the newest, nothing new, or a contradiction
//! to_ask   sizes of older trees with which the agency's present tree must begin
//! answered the present tree, and the older trees with which it begins -> no finding, or a contradiction
//! ```
//!
//! [`WatchedLedgers`] does this for all agencies. It also knows which checkpoints to pass on and to witness.
//!
//! Must not know who showed a checkpoint.
//!
//! Invariants:
//! - a checkpoint that comes late or twice accuses nobody: only signed values are compared, never the order of arrival;
//! - a checkpoint that contradicts another is never the newest. The finding is returned once for an epoch, and no other checkpoint of that epoch is
//!   taken;
//! - a new epoch ends nothing: the checkpoints of the epochs before it are still compared with each other, and what was found stays found, unless a key of the agency is revoked;
//! - at most `CHECKPOINTS_WATCHED` checkpoints of each of the `EPOCHS_WATCHED` newest epochs of one agency are kept, and that an epoch was contradicted
//!   is remembered of many more.

mod ledgers;

pub use ledgers::WatchedLedgers;

use std::collections::BTreeMap;

use crate::base::ids::Epoch;
use crate::tlog::checkpoint::Checkpoint;
use crate::wire::{self, accusation::Finding};

/// Most checkpoints of one agency that a node remembers until the agency has proved that they are of one ledger.
const CHECKPOINTS_WATCHED: usize = 16;

/// Most epochs of one agency whose checkpoints a node remembers. Audits read older ones in the ledger.
const EPOCHS_WATCHED: usize = 4;

/// Most contradicted epochs of one agency that a node remembers beside those.
const EPOCHS_CAUGHT: usize = 64;

/// A verified checkpoint with its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    /// The checkpoint that the note holds.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: Vec<u8>,
}

/// An older tree with which an agency's tree begins, as the agency proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Number of leaves of the older tree.
    pub size: u64,
    /// The root of the older tree.
    pub root: [u8; 32],
    /// The RFC 6962 consistency proof.
    pub proof: Vec<[u8; 32]>,
}

/// The result of taking a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// The ledger has grown: this is the newest checkpoint.
    Newest,
    /// The checkpoint shows nothing new.
    Nothing,
    /// The checkpoint was signed later than the newest, but over fewer leaves or in an earlier epoch. The ledger was set back, or its clock
    /// was. So this proves nothing.
    Back,
    /// The checkpoint and another one cannot both be of one ledger that only grows.
    Contradicts(Box<Finding>),
}

/// The watched ledgers of one agency, one for each epoch.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    newest: Option<VerifiedCheckpoint>,
    epochs: BTreeMap<Epoch, WatchedEpoch>,
}

/// The watched ledger of one agency in one epoch.
#[derive(Clone, Debug, Default)]
struct WatchedEpoch {
    seen: BTreeMap<u64, Seen>,
    /// Whether the agency's checkpoints contradicted each other.
    is_caught: bool,
}

#[derive(Clone, Debug)]
struct Seen {
    noted: VerifiedCheckpoint,
    /// Whether the agency proved that its later tree begins with it.
    is_checked: bool,
}

impl VerifiedCheckpoint {
    /// The epoch and the number of leaves.
    pub fn extent(&self) -> (Epoch, u64) {
        (self.checkpoint.epoch, self.checkpoint.size)
    }

    /// Like [`Checkpoint::is_surely_before`].
    fn is_surely_before(&self, other: &Self) -> bool {
        self.checkpoint.is_surely_before(&other.checkpoint)
    }

    /// Whether the other, which has fewer leaves or is of an earlier epoch, was signed later.
    fn is_back_at(&self, other: &Self) -> bool {
        match self.checkpoint.epoch == other.checkpoint.epoch {
            true => self.checkpoint.seconds.is_some() && self.says_less_than(other),
            false => self.is_surely_before(other),
        }
    }

    /// Whether the other has a time, and this one has an earlier one or none.
    fn says_less_than(&self, other: &Self) -> bool {
        self.checkpoint.seconds < other.checkpoint.seconds
    }
}

impl Watched {
    /// The newest checkpoint that contradicts no other.
    pub fn newest(&self) -> Option<&VerifiedCheckpoint> {
        self.newest.as_ref()
    }

    /// Takes a verified checkpoint of the agency.
    pub fn take(&mut self, shown: VerifiedCheckpoint) -> Taken {
        let (epoch, size) = shown.extent();
        // A later epoch begins with its declaration, so no honest agency signs one without leaves.
        if epoch > Epoch::FIRST && size == 0 || !self.has_room_for(epoch) {
            return Taken::Nothing;
        }
        let watched = self.epochs.entry(epoch).or_default();
        if watched.is_caught {
            return Taken::Nothing;
        }
        let newest = self.newest.as_ref().filter(|newest| newest.checkpoint.epoch == epoch);
        if let Some(finding) = watched.contradiction(&shown, newest) {
            self.catch(epoch);
            return Taken::Contradicts(Box::new(finding));
        }
        watched.remember(&shown);
        self.forget_old_epochs();
        let is_back =
            self.newest.as_ref().is_some_and(|newest| newest.extent() > shown.extent() && newest.is_back_at(&shown));
        let is_more = self.newest.as_ref().is_none_or(|newest| newest.extent() < shown.extent());
        let is_later = |newest: &VerifiedCheckpoint| newest.extent() == shown.extent() && newest.says_less_than(&shown);
        if is_more || self.newest.as_ref().is_some_and(is_later) {
            self.newest = Some(shown);
        }
        match () {
            () if is_more => Taken::Newest,
            () if is_back => Taken::Back,
            () => Taken::Nothing,
        }
    }

    /// The same ledgers after some of the agency's keys were revoked: watched anew from the checkpoints that `open` still opens. What was found may
    /// have been the work of a thief, so it is forgotten; the evidence is judged again by whoever reads it.
    #[must_use]
    pub fn reopened(&self, open: impl Fn(&[u8]) -> Option<Checkpoint>) -> Self {
        let seen = self.epochs.values().flat_map(|epoch| epoch.seen.values()).map(|seen| &seen.noted);
        let mut reopened = Self::default();
        for VerifiedCheckpoint { note, .. } in seen.chain(&self.newest) {
            if let Some(checkpoint) = open(note) {
                reopened.take(VerifiedCheckpoint { checkpoint, note: note.clone() });
            }
        }
        reopened
    }

    /// The sizes to ask about: the last checked one, and all that the agency has not proved yet. Empty if there is nothing to ask. An agency proves
    /// only trees of its present epoch.
    pub fn to_ask(&self) -> Vec<u64> {
        let newest = self.newest.as_ref().and_then(|newest| self.epochs.get(&newest.checkpoint.epoch));
        let Some(WatchedEpoch { seen, .. }) = newest.filter(|watched| !watched.is_caught) else { return Vec::new() };
        if seen.values().all(|seen| seen.is_checked) {
            return Vec::new();
        }
        let last_checked = seen.iter().rev().find(|(_, seen)| seen.is_checked).map(|(size, _)| *size);
        let unchecked = seen.iter().filter(|(_, seen)| !seen.is_checked).map(|(size, _)| *size);
        last_checked.into_iter().chain(unchecked).collect()
    }

    /// Takes the agency's present tree and the older trees with which it begins. The caller has checked the proofs.
    pub fn answered(&mut self, tree: VerifiedCheckpoint, beginnings: Vec<Prefix>) -> Option<Finding> {
        if let Taken::Contradicts(finding) = self.take(tree.clone()) {
            return Some(*finding);
        }
        let epoch = tree.checkpoint.epoch;
        let watched = self.epochs.get_mut(&epoch).filter(|watched| !watched.is_caught)?;
        for Prefix { size, root, proof } in beginnings {
            let Some(seen) = watched.seen.get_mut(&size) else { continue };
            if seen.noted.checkpoint.root != root {
                let finding = two_trees(&seen.noted.note, &tree.note, root, &proof);
                self.catch(epoch);
                return Some(finding);
            }
            seen.is_checked = true;
        }
        if let Some(seen) = watched.seen.get_mut(&tree.checkpoint.size) {
            seen.is_checked = true;
        }
        None
    }

    /// Whether checkpoints of an epoch are taken: not of one that is too far ahead to be honest, and not of one that was forgotten.
    fn has_room_for(&self, epoch: Epoch) -> bool {
        let is_credible =
            self.newest.as_ref().is_none_or(|newest| epoch.0 <= newest.checkpoint.epoch.latest_to_believe());
        let oldest = self.uncaught().next().filter(|_| self.uncaught().count() >= EPOCHS_WATCHED);
        is_credible && (self.epochs.contains_key(&epoch) || oldest.is_none_or(|oldest| epoch >= oldest))
    }

    /// The epochs in which nothing was found, the oldest first.
    fn uncaught(&self) -> impl Iterator<Item = Epoch> {
        self.epochs.iter().filter(|(_, watched)| !watched.is_caught).map(|(epoch, _)| *epoch)
    }

    /// Forgets epochs beyond the limit. What was found stays found: a contradicted epoch takes hardly any room, and is forgotten only when there are
    /// very many.
    fn forget_old_epochs(&mut self) {
        let too_many = self.uncaught().count().saturating_sub(EPOCHS_WATCHED);
        for oldest in self.uncaught().take(too_many).collect::<Vec<_>>() {
            self.epochs.remove(&oldest);
        }
        while self.epochs.len() > EPOCHS_WATCHED + EPOCHS_CAUGHT {
            self.epochs.pop_first();
        }
    }

    /// Marks the epoch as contradicted. If it is the newest one, the newest checkpoint is from now on the last one of it that was proved consistent
    /// with all before it.
    fn catch(&mut self, epoch: Epoch) {
        let Some(watched) = self.epochs.get_mut(&epoch) else { return };
        watched.is_caught = true;
        let seen = std::mem::take(&mut watched.seen);
        if self.newest.as_ref().is_some_and(|newest| newest.checkpoint.epoch == epoch) {
            let checked = seen.into_values().rev().find(|seen| seen.is_checked);
            self.newest = checked.map(|seen| seen.noted).or(self.newest.take());
        }
    }
}

impl WatchedEpoch {
    /// The contradiction between a checkpoint and those that were seen, if there is one. `newest` is the newest checkpoint of the epoch: its time
    /// may be later than the first one that was seen of its tree.
    fn contradiction(&self, shown: &VerifiedCheckpoint, newest: Option<&VerifiedCheckpoint>) -> Option<Finding> {
        let size = shown.checkpoint.size;
        if let Some(Seen { noted, .. }) = self.seen.get(&size)
            && noted.checkpoint.root != shown.checkpoint.root
        {
            return Some(two_trees(&noted.note, &shown.note, shown.checkpoint.root, &[]));
        }
        let rolled_back = |earlier: &VerifiedCheckpoint, later: &VerifiedCheckpoint| {
            let (earlier, later) = (earlier.note.clone(), later.note.clone());
            Finding::RolledBack(wire::RolledBack { earlier, later })
        };
        let mut all = self.seen.values().map(|seen| &seen.noted).chain(newest);
        all.find_map(|seen| match seen.checkpoint.size.cmp(&size) {
            std::cmp::Ordering::Greater if seen.is_surely_before(shown) => Some(rolled_back(seen, shown)),
            std::cmp::Ordering::Less if shown.is_surely_before(seen) => Some(rolled_back(shown, seen)),
            _ => None,
        })
    }

    /// Remembers a checkpoint that contradicts no other.
    fn remember(&mut self, shown: &VerifiedCheckpoint) {
        // The first checkpoint needs no proof, because there is none before it.
        let is_checked = self.seen.is_empty();
        let new = || Seen { noted: shown.clone(), is_checked };
        let seen = self.seen.entry(shown.checkpoint.size).or_insert_with(new);
        if seen.noted.checkpoint.seconds.is_none() {
            seen.noted = shown.clone();
        }
        self.make_room();
    }

    /// Drops checkpoints beyond the limit: first the oldest checked one, except the last checked. If there is none, the second smallest unchecked
    /// one, so that the smallest stays. The own ledger still holds all of them for an audit.
    fn make_room(&mut self) {
        while self.seen.len() > CHECKPOINTS_WATCHED {
            let checked = self.seen.iter().filter(|(_, seen)| seen.is_checked).map(|(size, _)| *size);
            let last_checked = self.seen.iter().rev().find(|(_, seen)| seen.is_checked).map(|(size, _)| *size);
            let oldest_checked = checked.min().filter(|size| Some(*size) != last_checked);
            let second = self.seen.iter().filter(|(_, seen)| !seen.is_checked).nth(1).map(|(size, _)| *size);
            let Some(size) = oldest_checked.or(second) else { return };
            self.seen.remove(&size);
        }
    }
}

/// The accusation that the smaller of two trees of one epoch is not the beginning of the larger. The larger begins with the root `prefix`.
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
