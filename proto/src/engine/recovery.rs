//! Recovery after a ledger was set back or lost: a new epoch begins, filled with what can be read of the old ledger.
//!
//! Must not know files: the caller reads the old ledger, writes the new one through the path of every other entry, and moves folders.
//!
//! ```text
//! 1 Plan::new          which epoch begins, and what its declaration says
//! 2 TakeOver           the declaration is leaf 0; then the entries with their contents in the old ledger's order; then what waited;
//!                      then how far peers' ledgers were had, if nothing was lost
//! 3 MOVED_ASIDE        the old store, then the old ledger go aside
//! 4 to_put_in_place    the new ledger, then the new store take their places; after an interruption the next start does this step
//! ```
//!
//! Invariants:
//! - an interruption before step 3 changes nothing, and one after it is finished by the next start: there is always one whole ledger;
//! - the new epoch is later than every one that anybody is known to have seen; where nobody has said anything, the operator names it;
//! - who has lost something takes over no cursors, so that peers send everything once more.

mod take_over;

pub use self::take_over::{LeafContents, OldContent, OldEntry, OldRecord, TakeOver, TakenOver};

use crate::base::ids::Epoch;
use crate::transparency::rollback_guard::{Extent, Proof, ShownLedger, Sighting, Signer};
use crate::wire;

/// The ledger that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldLedger {
    /// It opens. An empty one reaches to leaf 0 of the first epoch.
    Whole(Extent),
    /// It does not open, but some of its records can be read; how many leaves it has is not known.
    Damaged {
        /// Its epoch.
        epoch: Epoch,
        /// Why it does not open.
        problem: String,
    },
    /// Nothing of it can be read, not even its epoch.
    Unreadable {
        /// Why.
        problem: String,
    },
}

/// Why no new epoch can be begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nobody knows which epoch there was.
    #[error(
        "the ledger here is empty, and no peer has said yet what it saw of it: run the node until one was heard (`sinergi status` shows it), \
         stop it and repeat, or name the new epoch with --epoch"
    )]
    NothingKnown,
    /// The ledger that is here may be an old copy: what was begun after it only peers know.
    #[error(
        "nothing shows that the ledger here ({size} leaves in epoch {epoch}) was set back, and a copy does not know which epochs were begun \
         after it: name the new one with --epoch, later than any that a peer has seen (`sinergi peer show` there), {next} if there is none. Or, \
         while all its peers can be reached, run the node: it stops before it signs if it lacks anything, and this command knows of it then",
        size = .0.size,
        epoch = .0.epoch,
        next = .0.epoch.0.saturating_add(1)
    )]
    NothingSeen(Extent),
    /// Nothing of the ledger can be read, so that the node does not even run to hear its peers.
    #[error(
        "nothing of the ledger here can be read ({0}), not even its epoch: ask a peer for it (`sinergi peer show` there) and name the next one \
         with --epoch"
    )]
    NothingReadable(String),
    /// The epoch that was named is not new.
    #[error("epoch {given} is not new: epoch {known} is known already, so it must be at least {}", known.0.saturating_add(1))]
    NotNew {
        /// What was named.
        given: Epoch,
        /// The newest known.
        known: Epoch,
    },
}

/// What will be done, to be confirmed by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The newest epoch that is known.
    pub old_epoch: Epoch,
    /// The one that begins.
    pub epoch: Epoch,
    /// How far the ledger that is here reaches; `None`: nothing of it can be read.
    pub here: Option<Extent>,
    /// Why it cannot be opened; `None`: it can.
    pub unreadable: Option<String>,
    /// The furthest that peers saw of it.
    pub seen: Option<Extent>,
    /// The newest own checkpoint of the epochs that are over, for the declaration: a note; empty: none is known.
    pub checkpoint: Vec<u8>,
}

impl OldLedger {
    fn extent(&self) -> Option<Extent> {
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
    /// Plans a recovery. `recorded`: the newest checkpoint note in the ledger that is here, or nothing; `sightings`: what was seen and contradicts
    /// that ledger; `named`: the epoch that the operator wants to begin.
    ///
    /// # Errors
    /// Why none can be begun.
    pub fn new(
        old: &OldLedger,
        recorded: Vec<u8>,
        sightings: &[Sighting],
        signer: Signer<'_>,
        named: Option<Epoch>,
    ) -> Result<Self, PlanError> {
        let (seen, checkpoint) = furthest(recorded, sightings, signer);
        let here = old.extent();
        let old_epoch = match (known_epoch(old, seen, !sightings.is_empty(), named), named) {
            (Some(known), _) => known,
            // The operator knows what nothing here shows.
            (None, Some(named)) => Epoch(named.0.saturating_sub(1)),
            (None, None) => return Err(nothing_known(old)),
        };
        let epoch = named.unwrap_or(Epoch(old_epoch.0.saturating_add(1)));
        if epoch <= old_epoch {
            return Err(PlanError::NotNew { given: epoch, known: old_epoch });
        }
        Ok(Self { old_epoch, epoch, here, unreadable: old.problem().cloned(), seen, checkpoint })
    }

    /// The first leaf of the new epoch.
    pub fn declaration(&self, reason: wire::ResetReason) -> wire::LedgerReset {
        wire::LedgerReset {
            old_epoch: self.old_epoch.0,
            newest_checkpoint: self.checkpoint.clone(),
            reason: reason.into(),
        }
    }
}

/// The furthest that peers saw, and the newest own checkpoint of all that are known.
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

/// The newest epoch, if what is known here is all that was ever begun.
fn known_epoch(old: &OldLedger, seen: Option<Extent>, is_contradicted: bool, named: Option<Epoch>) -> Option<Epoch> {
    let is_all = seen.is_some()
        || match old {
            OldLedger::Damaged { .. } => true,
            // A whole ledger that nothing contradicts may be a copy that was put back: it does not know what was begun after it.
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

/// What there is of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// It is in its place.
    pub in_place: bool,
    /// A recovery has made a new one.
    pub made: bool,
}

/// The order in which the old parts are moved aside. A missing ledger is the mark that the new one is whole, so the ledger goes last.
pub const MOVED_ASIDE: [Part; 2] = [Part::Store, Part::Ledger];

/// Which new parts to put in their places, in this order, when a recovery has moved the old ones aside: at its end, and at every start, because it
/// may have been interrupted.
pub fn to_put_in_place(ledger: Found, store: Found) -> &'static [Part] {
    match () {
        // Not interrupted, or before it counted.
        () if ledger.in_place || !ledger.made => &[],
        // The store is derived: it is made anew if it is not there.
        () if store.in_place || !store.made => &[Part::Ledger],
        () => &[Part::Ledger, Part::Store],
    }
}

#[cfg(test)]
mod tests;
