//! Keeps a node from signing while its ledger may have been set back or lost.
//!
//! A node whose disk was set back must not sign other leaves where peers hold the old ones. It learns that from what its peers show in their
//! greetings, and from its own derived files, so it hears them before it signs.
//!
//! ```text
//! start -> Waiting --all peers heard, or time--> Clear
//!             |                                    |
//!             +------ somebody saw more -----------+--> SetBack: nothing is taken, signed or sent; links only greet
//! ```
//!
//! Must not know files, links or how a ledger is stored: [`OwnTree`] is what it may ask of the ledger.
//!
//! Invariants:
//! - what a peer shows counts only with the node's own signature under it: a checkpoint, or an entry with its place;
//! - a later epoch makes every earlier one history: what peers saw of those is no conflict any more;
//! - no peer, and no silence of all, keeps a node from signing for longer than [`limits::HEAR_PEERS`];
//! - `SetBack` is never left: it ends with the next start, if the ledger then holds what was seen, or has begun a new epoch.

mod sighting;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::sighting::{Compared, OwnTree, Proof, Shown, Sighting, Signer};
use crate::base::ids::{AgencyId, Epoch};
use crate::base::limits;

/// How far a ledger reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its leaves.
    pub size: u64,
}

/// How something that this node signed, and that a peer shows, compares with this node's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is a part of this ledger.
    Part,
    /// It is of an epoch that this ledger has left behind.
    EarlierEpoch,
    /// The ledger was longer when it was signed.
    Longer,
    /// The ledger had other leaves when it was signed.
    Other,
    /// It is of an epoch that this ledger has not begun.
    LaterEpoch,
}

impl Standing {
    /// Compares a shown extent with this ledger. `same` is called only if the shown extent lies within, and says whether the leaves are the same.
    ///
    /// # Errors
    /// That of `same`.
    pub fn of<E>(ours: Extent, shown: Extent, same: impl FnOnce() -> Result<bool, E>) -> Result<Self, E> {
        Ok(match shown.epoch.cmp(&ours.epoch) {
            std::cmp::Ordering::Less => Self::EarlierEpoch,
            std::cmp::Ordering::Greater => Self::LaterEpoch,
            std::cmp::Ordering::Equal if shown.size > ours.size => Self::Longer,
            std::cmp::Ordering::Equal if same()? => Self::Part,
            std::cmp::Ordering::Equal => Self::Other,
        })
    }

    /// Whether this ledger was set back or lost: nothing may be signed in it any more.
    pub fn is_conflict(self) -> bool {
        matches!(self, Self::Longer | Self::Other | Self::LaterEpoch)
    }
}

/// Whether a node may sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardState {
    /// Not yet: the node has just started, and its peers are asked what they saw of its ledger.
    #[default]
    Waiting,
    /// It may sign.
    Clear,
    /// Its ledger was set back or lost: somebody has seen more of it. The node signs nothing until its operator repairs it.
    SetBack,
}

/// The guard of one run of a node. Times are durations since its start.
#[derive(Clone, Debug)]
pub struct RollbackGuard {
    state: GuardState,
    wait: PeerWait,
    sightings: Vec<Sighting>,
}

/// A guard at the start of a node.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The guard.
    pub guard: RollbackGuard,
    /// [`RollbackGuard::sightings`] differ from what was stored, or are worth storing again.
    pub must_store: bool,
    /// There were stored sightings, and none of them contradicts the ledger any more.
    pub is_mended: bool,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// All peers were heard.
    AllHeard,
    /// The time was over before all peers were heard.
    TimeOver,
}

impl RollbackGuard {
    /// The guard of a node that starts with these adjacent peers. `stored`: sightings of earlier runs; `local`: what the node's own derived files
    /// show now. Only those survive that contradict the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn begin<T: OwnTree>(
        peers: impl IntoIterator<Item = AgencyId>,
        stored: Vec<Sighting>,
        local: Vec<Sighting>,
        signer: Signer<'_>,
        tree: &T,
    ) -> Result<Begun, T::Error> {
        let had_stored = !stored.is_empty();
        let mut sightings = Vec::new();
        for sighting in stored.into_iter().chain(local) {
            let compared = Compared::of(&sighting.proof, signer, tree)?;
            if compared.is_some_and(|compared| compared.standing.is_conflict()) {
                sightings.push(sighting);
            }
        }
        let wait = PeerWait::new(peers);
        let state = match () {
            () if !sightings.is_empty() => GuardState::SetBack,
            () if wait.ends().is_zero() => GuardState::Clear,
            () => GuardState::Waiting,
        };
        let (must_store, is_mended) = (had_stored || !sightings.is_empty(), had_stored && sightings.is_empty());
        Ok(Begun { guard: Self { state, wait, sightings }, must_store, is_mended })
    }

    /// The guard of a ledger that nobody can have seen: a new epoch that is being begun.
    pub fn clear() -> Self {
        Self { state: GuardState::Clear, wait: PeerWait::new([]), sightings: Vec::new() }
    }

    /// Whether the node may sign.
    pub fn state(&self) -> GuardState {
        self.state
    }

    /// What contradicts the ledger. It must outlast a restart.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// When [`RollbackGuard::timeout`] is due; `None`: the wait is over.
    pub fn next_timeout(&self) -> Option<Duration> {
        (self.state == GuardState::Waiting).then(|| self.wait.ends())
    }

    /// A peer showed what it saw, and nothing contradicts the ledger.
    pub fn heard(&mut self, peer: &AgencyId, elapsed: Duration) -> Option<Settled> {
        self.wait.heard(peer, elapsed);
        self.timeout(elapsed)
    }

    /// Ends the wait, if it is time.
    pub fn timeout(&mut self, elapsed: Duration) -> Option<Settled> {
        let ends = self.next_timeout().filter(|ends| *ends <= elapsed)?;
        self.state = GuardState::Clear;
        Some(if ends.is_zero() { Settled::AllHeard } else { Settled::TimeOver })
    }

    /// Somebody saw more of the ledger than there is, or something else; whether [`RollbackGuard::sightings`] must be stored. Of each kind of proof
    /// the newest by each party is kept.
    pub fn set_back(&mut self, sighting: Sighting) -> bool {
        self.state = GuardState::SetBack;
        let is_of_kind = |old: &Sighting| {
            old.by == sighting.by && std::mem::discriminant(&old.proof) == std::mem::discriminant(&sighting.proof)
        };
        if self.sightings.iter().any(|old| is_of_kind(old) && old.proof == sighting.proof) {
            return false;
        }
        self.sightings.retain(|old| !is_of_kind(old));
        self.sightings.push(sighting);
        true
    }
}

/// How long a node that has just started gives its peers to say what they saw.
#[derive(Clone, Debug)]
pub struct PeerWait {
    unheard: BTreeSet<AgencyId>,
    first_heard: Option<Duration>,
}

impl PeerWait {
    /// The wait of a node with these peers.
    pub fn new(peers: impl IntoIterator<Item = AgencyId>) -> Self {
        Self { unheard: peers.into_iter().collect(), first_heard: None }
    }

    /// A peer showed what it saw, and there is no conflict; `elapsed` since the start.
    pub fn heard(&mut self, peer: &AgencyId, elapsed: Duration) {
        if self.unheard.remove(peer) {
            self.first_heard.get_or_insert(elapsed);
        }
    }

    /// When it ends, since the start, as things stand: at once when all were heard; a moment after the first, because peers that can be
    /// reached answer within moments of each other; in any case after [`limits::HEAR_PEERS`], because an outage of all peers must not be
    /// one of this node.
    pub fn ends(&self) -> Duration {
        match self.first_heard {
            _ if self.unheard.is_empty() => Duration::ZERO,
            Some(first) => limits::HEAR_PEERS.min(first + limits::HEAR_OTHER_PEERS),
            None => limits::HEAR_PEERS,
        }
    }
}

#[cfg(test)]
mod tests;
