//! Recovery after a ledger was set back or lost: begins a new epoch, and takes over everything readable of the old ledger.
//!
//! Must not know files: the caller reads the old ledger, writes the new one through the engine, and moves folders.
//!
//! ```text
//! 1 Plan::new          the number of the new epoch, and its declaration
//! 2 TakeOver           leaf 0 is the declaration; then come the entries with their contents, in the old ledger's order; then the deferred
//!                      items; then the cursors of peers' ledgers, if nothing was lost
//! 3 MOVED_ASIDE        move the old store aside, then the old ledger
//! 4 to_put_in_place    move the new ledger into its place, then the new store; after an interruption the next start does this step
//! ```
//!
//! Invariants:
//! - an interruption before step 3 changes nothing, and the next start finishes after a later one: there is always one whole ledger;
//! - the new epoch is later than every epoch that anybody is known to have seen. If nobody has said anything, the operator names it;
//! - a node that has lost anything takes over no cursors, so that its peers send everything once more.

mod take_over;

pub use self::take_over::{LeafContents, OldContent, OldEntry, OldRecord, TakeOver, TakenOver};

use crate::base::ids::Epoch;
use crate::transparency::rollback_guard::{Extent, Proof, ShownLedger, Sighting, Signer};
use crate::wire;

/// The state of the node's present ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldLedger {
    /// The ledger opens, and has this extent. An empty ledger has no leaf and the first epoch.
    Whole(Extent),
    /// The ledger does not open, but some of its records can be read. Its number of leaves is not known.
    Damaged {
        /// The epoch of the ledger.
        epoch: Epoch,
        /// The reason why the ledger does not open.
        problem: String,
    },
    /// Nothing of the ledger can be read, not even its epoch.
    Unreadable {
        /// The reason.
        problem: String,
    },
}

/// The reason why no new epoch can begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The ledger is empty, and no peer has said which epoch it saw.
    #[error(
        "the ledger here is empty, and no peer has said yet what it saw of it: run the node until a peer has answered (`sinergi status` shows \
         that), stop the node and repeat this command, or name the new epoch with --epoch"
    )]
    NothingKnown,
    /// The present ledger may be an old copy. Only peers know which epochs began after the copy was made.
    #[error(
        "nothing shows that the ledger here ({size} leaves in epoch {epoch}) was set back, and if it is a copy, it does not show which epochs \
         began later: name the new epoch with --epoch, later than any that a peer has seen (`sinergi peer show` on the peer's node), {next} if \
         no peer has seen any. Or run the node while all its peers can be reached: if its ledger lacks anything, it stops before it signs, and \
         this command then knows the epoch",
        size = .0.size,
        epoch = .0.epoch,
        next = .0.epoch.0.saturating_add(1)
    )]
    NothingSeen(Extent),
    /// Nothing of the ledger can be read, so the node cannot even run to ask its peers.
    #[error(
        "nothing of the ledger here can be read ({0}), not even its epoch: ask a peer for the epoch (`sinergi peer show` on its node) and name \
         the next one with --epoch"
    )]
    NothingReadable(String),
    /// The epoch that the operator named is not new.
    #[error("epoch {given} is not new: epoch {known} is known already, so it must be at least {}", known.0.saturating_add(1))]
    NotNew {
        /// The epoch that the operator named.
        given: Epoch,
        /// The newest known epoch.
        known: Epoch,
    },
    /// The epoch that the operator named is so late that other nodes would not believe it.
    #[error(
        "epoch {given} is too far ahead: epoch {known} is the newest known one, so it must be at most {}; begin that one first if a later one was lost",
        known.latest_to_believe()
    )]
    TooFarAhead {
        /// The epoch that the operator named.
        given: Epoch,
        /// The newest known epoch.
        known: Epoch,
    },
}

/// A planned recovery. The operator confirms it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The newest known epoch, which is over.
    pub old_epoch: Epoch,
    /// The new epoch.
    pub epoch: Epoch,
    /// The extent of the present ledger; `None` if nothing of it can be read.
    pub here: Option<Extent>,
    /// The reason why the present ledger does not open; `None` if it opens.
    pub unreadable: Option<String>,
    /// The largest extent of this node's ledger that a peer saw.
    pub seen: Option<Extent>,
    /// The node's newest known checkpoint of the epochs that are over, as a signed note, for the declaration. Empty if none is known.
    pub checkpoint: Vec<u8>,
}

impl OldLedger {
    /// The extent of the ledger, as far as it can be read.
    pub fn extent(&self) -> Option<Extent> {
        match self {
            Self::Whole(extent) => Some(*extent),
            Self::Damaged { epoch, .. } => Some(Extent { epoch: *epoch, size: 0 }),
            Self::Unreadable { .. } => None,
        }
    }

    fn problem(&self) -> Option<&String> {
        match self {
            Self::Whole(_) => None,
            Self::Damaged { problem, .. } | Self::Unreadable { problem } => Some(problem),
        }
    }
}

impl Plan {
    /// Plans a recovery.
    ///
    /// - `recorded`: the newest checkpoint note in the present ledger, or nothing;
    /// - `sightings`: the sightings that contradict the present ledger;
    /// - `named`: the epoch that the operator wants to begin.
    ///
    /// # Errors
    /// When the new epoch is not known, or is not new.
    pub fn new(
        old: &OldLedger,
        recorded: Vec<u8>,
        sightings: &[Sighting],
        signer: Signer<'_>,
        named: Option<Epoch>,
    ) -> Result<Self, PlanError> {
        let (seen, checkpoint) = furthest(recorded, sightings, signer);
        let here = old.extent();
        let is_contradicted = sightings.iter().any(|sighting| sighting.marked().is_none());
        let old_epoch = match (known_epoch(old, seen, is_contradicted, named), named) {
            (Some(known), _) => known,
            // Nothing on this node shows the epoch, but the operator knows it.
            (None, Some(named)) => Epoch(named.0.saturating_sub(1)),
            (None, None) => return Err(nothing_known(old)),
        };
        // The mark may have come back with an old copy, so it does not show that no later epoch has begun.
        let marked = sightings.iter().filter_map(Sighting::marked).map(|mark| mark.epoch).max();
        let old_epoch = marked.map_or(old_epoch, |marked| old_epoch.max(marked));
        let epoch = named.unwrap_or(Epoch(old_epoch.0.saturating_add(1)));
        if epoch <= old_epoch {
            return Err(PlanError::NotNew { given: epoch, known: old_epoch });
        }
        // Others refuse to link with a ledger of an epoch that they do not believe, and no earlier one can be begun afterwards.
        if epoch.0 > old_epoch.latest_to_believe() {
            return Err(PlanError::TooFarAhead { given: epoch, known: old_epoch });
        }
        Ok(Self { old_epoch, epoch, here, unreadable: old.problem().cloned(), seen, checkpoint })
    }

    /// The body of the first leaf of the new epoch.
    pub fn declaration(&self, reason: wire::ResetReason) -> wire::LedgerReset {
        wire::LedgerReset {
            old_epoch: self.old_epoch.0,
            newest_checkpoint: self.checkpoint.clone(),
            reason: reason.into(),
        }
    }
}

/// The largest extent that peers saw, and the node's newest known checkpoint.
fn furthest(recorded: Vec<u8>, sightings: &[Sighting], signer: Signer<'_>) -> (Option<Extent>, Vec<u8>) {
    let reach = |extent: Extent| (extent.epoch, extent.size);
    let mut newest = ShownLedger::by_checkpoint(&recorded, signer).map(|shown| reach(shown.extent));
    let mut checkpoint = recorded;
    let mut seen: Option<Extent> = None;
    for sighting in sightings.iter().filter(|sighting| sighting.by.is_some()) {
        let Some(shown) = sighting.proof.shown(signer).map(|shown| shown.extent) else { continue };
        seen = seen.filter(|seen| reach(*seen) >= reach(shown)).or(Some(shown));
        if let Proof::Checkpoint(note) = &sighting.proof
            && newest.is_none_or(|newest| newest < reach(shown))
        {
            (newest, checkpoint) = (Some(reach(shown)), note.as_bytes().to_vec());
        }
    }
    (seen, checkpoint)
}

/// The newest epoch, if it is certain that no later one has begun.
fn known_epoch(old: &OldLedger, seen: Option<Extent>, is_contradicted: bool, named: Option<Epoch>) -> Option<Epoch> {
    let is_all = seen.is_some()
        || match old {
            OldLedger::Damaged { .. } => true,
            // A whole ledger that nothing contradicts may be an old copy, which does not show the epochs that began after it was made.
            OldLedger::Whole(here) => here.size > 0 && (named.is_some() || is_contradicted),
            OldLedger::Unreadable { .. } => false,
        };
    old.extent().into_iter().chain(seen).map(|extent| extent.epoch).max().filter(|_| is_all)
}

fn nothing_known(old: &OldLedger) -> PlanError {
    match old {
        OldLedger::Unreadable { problem } | OldLedger::Damaged { problem, .. } => {
            PlanError::NothingReadable(problem.clone())
        }
        OldLedger::Whole(here) if here.size > 0 => PlanError::NothingSeen(*here),
        OldLedger::Whole(_) => PlanError::NothingKnown,
    }
}

/// A folder of a node's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The ledger.
    Ledger,
    /// The store, which is derived from the ledger.
    Store,
}

/// The state of a part on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether the part is in its place.
    pub in_place: bool,
    /// Whether a recovery has made a new part.
    pub made: bool,
}

/// The order in which the old parts are moved aside. The ledger goes last: a missing ledger is the mark that the new one is whole.
pub const MOVED_ASIDE: [Part; 2] = [Part::Store, Part::Ledger];

/// The new parts to move into their places, in this order. The caller asks at the end of a recovery, and at every start, because a recovery
/// may have been interrupted.
pub fn to_put_in_place(ledger: Found, store: Found) -> &'static [Part] {
    match () {
        // No recovery was interrupted, or it had moved nothing yet.
        () if ledger.in_place || !ledger.made => &[],
        // A missing new store is no loss: the next start derives the store from the ledger.
        () if store.in_place || !store.made => &[Part::Ledger],
        () => &[Part::Ledger, Part::Store],
    }
}

#[cfg(test)]
mod tests;
