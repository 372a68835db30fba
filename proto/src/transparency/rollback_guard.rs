//! The rollback guard: it keeps a node from signing while its ledger may have been set back or lost.
//!
//! A node whose disk was set back must not sign new leaves in places where its peers hold the old ones. Its peers show in their handshakes what
//! they hold of its ledger, and its own derived files show how long the ledger was. So the node hears them before it signs.
//!
//! ```text
//! start -> Waiting --all peers heard, or time--> Clear
//!             |  \                                 | ^
//!             |   +-- nobody was heard, and -------|-+-- a peer was heard, or the operator confirms
//!             |       nothing shows that the       |
//!             |       ledger is new: Unconfirmed   |
//!             |                                    |
//!             +------ a peer saw more -------------+--> SetBack: nothing is taken, signed or sent; links only shake hands
//! ```
//!
//! Must not know files, links or how a ledger is stored. It reads the ledger through [`OwnTree`].
//!
//! Invariants:
//! - a peer's proof counts only under the node's own signature: a checkpoint, or an entry with its place;
//! - proofs of an epoch that the ledger has left behind are no conflict;
//! - no peer keeps a node from signing for longer than [`HearingTime::all`]. A silence of all peers does only if the ledger may be an old copy, and
//!   until the operator confirms that it is not;
//! - `KeyRevoked` lasts as long as the process runs, which does not start again with revoked keys;
//! - `SetBack` lasts as long as the process runs. The next start ends it, if the ledger then holds what was seen or has begun a new epoch.

mod sighting;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::sighting::{Compared, OwnTree, Proof, ShownLedger, Sighting, Signer};
use crate::base::ids::{AgencyId, Epoch};

/// The extent of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The newest epoch.
    pub epoch: Epoch,
    /// Number of leaves in that epoch.
    pub size: u64,
}

/// The relation of a shown ledger, which this node once signed, to the ledger that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The shown ledger is a part of this ledger.
    Part,
    /// The shown ledger is of an epoch that this ledger has left behind.
    EarlierEpoch,
    /// The shown ledger has more leaves.
    Longer,
    /// The shown ledger has other leaves.
    Other,
    /// The shown ledger is of an epoch that this ledger has not begun.
    LaterEpoch,
}

impl Relation {
    /// Compares a shown extent with the one here. `same` says whether the leaves are the same. It is called only if the shown extent lies within
    /// this ledger.
    ///
    /// # Errors
    /// The error of `same`.
    pub fn of<E>(ours: Extent, shown: Extent, same: impl FnOnce() -> Result<bool, E>) -> Result<Self, E> {
        Ok(match shown.epoch.cmp(&ours.epoch) {
            std::cmp::Ordering::Less => Self::EarlierEpoch,
            std::cmp::Ordering::Greater => Self::LaterEpoch,
            std::cmp::Ordering::Equal if shown.size > ours.size => Self::Longer,
            std::cmp::Ordering::Equal if same()? => Self::Part,
            std::cmp::Ordering::Equal => Self::Other,
        })
    }

    /// Whether it shows that this ledger was set back or lost. Then nothing may be signed in it.
    pub fn is_conflict(self) -> bool {
        matches!(self, Self::Longer | Self::Other | Self::LaterEpoch)
    }
}

/// Whether a node may sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardState {
    /// The node may not sign yet. It has just started, and its peers are asked what they saw of its ledger.
    #[default]
    Waiting,
    /// The ledger may be an old copy, and no peer was heard. The node may not sign until a peer is heard, or its operator confirms the ledger.
    Unconfirmed,
    /// The node may sign.
    Clear,
    /// The ledger was set back or lost, because a peer has seen more of it. The node signs nothing until its operator repairs it.
    SetBack,
    /// A charter revokes a key under which the node signs. It signs nothing until it starts again with new keys.
    KeyRevoked,
}

/// How long a node that has just started waits for its peers to show what they saw of its ledger.
#[derive(Clone, Copy, Debug, Default)]
pub struct HearingTime {
    /// The longest wait.
    pub all: Duration,
    /// The wait for the other peers after one peer was heard.
    pub others: Duration,
}

/// The guard of one run of a node. Times are durations since its start.
#[derive(Clone, Debug)]
pub struct RollbackGuard {
    state: GuardState,
    wait: PeerWait,
    sightings: Vec<Sighting>,
}

/// The evidence about a node's ledger at its start, beside the ledger itself.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The sightings of earlier runs.
    pub stored: Vec<Sighting>,
    /// The sightings of the node's own files: the derived ones, and the mark.
    pub local: Vec<Sighting>,
    /// Whether the ledger may be an old copy: there is no mark, or more than the last group was cut from its end.
    pub may_be_old: bool,
}

/// The guard at the start of a node.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The guard.
    pub guard: RollbackGuard,
    /// Whether the caller must store [`RollbackGuard::sightings`] now.
    pub must_store: bool,
    /// Whether there were stored sightings and none of them contradicts the ledger any more.
    pub is_mended: bool,
}

/// The reason why the wait for peers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// All peers were heard.
    AllHeard,
    /// The time was over before all peers were heard.
    TimeOver,
    /// No peer was heard, and the ledger may be an old copy.
    NobodyHeard,
}

impl RollbackGuard {
    /// The guard of a node that starts with these adjacent peers.
    ///
    /// Of the sightings that are known, only those that contradict the ledger are kept.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn begin<T: OwnTree>(
        peers: impl IntoIterator<Item = AgencyId>,
        time: HearingTime,
        known: Known,
        signer: Signer<'_>,
        tree: &T,
    ) -> Result<Begun, T::Error> {
        let Known { stored, local, may_be_old } = known;
        let had_stored = !stored.is_empty();
        let mut sightings = Vec::new();
        for sighting in stored.into_iter().chain(local) {
            let compared = Compared::of(&sighting.proof, signer, tree)?;
            if compared.is_some_and(|compared| compared.relation.is_conflict()) {
                sightings.push(sighting);
            }
        }
        let wait = PeerWait::new(peers, time, may_be_old);
        let state = match () {
            () if !sightings.is_empty() => GuardState::SetBack,
            () if !wait.ends().is_zero() => GuardState::Waiting,
            () if may_be_old => GuardState::Unconfirmed,
            () => GuardState::Clear,
        };
        let (must_store, is_mended) = (had_stored || !sightings.is_empty(), had_stored && sightings.is_empty());
        Ok(Begun { guard: Self { state, wait, sightings }, must_store, is_mended })
    }

    /// The guard of a new epoch, which nobody can have seen yet.
    pub fn clear() -> Self {
        Self { state: GuardState::Clear, wait: PeerWait::new([], HearingTime::default(), false), sightings: Vec::new() }
    }

    /// Whether the node may sign.
    pub fn state(&self) -> GuardState {
        self.state
    }

    /// The sightings that contradict the ledger. They must outlast a restart.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// The time at which [`RollbackGuard::timeout`] is due. `None` if the node does not wait.
    pub fn next_timeout(&self) -> Option<Duration> {
        (self.state == GuardState::Waiting).then(|| self.wait.ends())
    }

    /// A peer showed what it holds, and nothing of it contradicts the ledger. Returns the reason if this ends the wait.
    pub fn heard(&mut self, peer: &AgencyId, elapsed: Duration) -> Option<Settled> {
        self.wait.heard(peer, elapsed);
        if self.state == GuardState::Unconfirmed {
            // The others may know more.
            self.state = GuardState::Waiting;
        }
        self.timeout(elapsed)
    }

    /// The operator says that no newer copy of the ledger was ever used. Returns whether the node may sign now and might not before.
    pub fn confirm(&mut self) -> bool {
        let is_awaited = matches!(self.state, GuardState::Waiting | GuardState::Unconfirmed);
        if is_awaited {
            self.state = GuardState::Clear;
        }
        is_awaited
    }

    /// Ends the wait if its time is over. Returns the reason.
    pub fn timeout(&mut self, elapsed: Duration) -> Option<Settled> {
        let ends = self.next_timeout().filter(|ends| *ends <= elapsed)?;
        let (state, settled) = match () {
            () if self.wait.lacks_word() => (GuardState::Unconfirmed, Settled::NobodyHeard),
            () if ends.is_zero() => (GuardState::Clear, Settled::AllHeard),
            () => (GuardState::Clear, Settled::TimeOver),
        };
        self.state = state;
        Some(settled)
    }

    /// A charter revokes a key under which the node signs.
    pub fn key_revoked(&mut self) {
        if self.state != GuardState::SetBack {
            self.state = GuardState::KeyRevoked;
        }
    }

    /// Takes a sighting that contradicts the ledger. Returns whether the caller must store [`RollbackGuard::sightings`]. The newest sighting of each
    /// kind of proof by each party is kept.
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

/// The wait of a starting node for its peers.
#[derive(Clone, Debug)]
pub struct PeerWait {
    unheard: BTreeSet<AgencyId>,
    first_heard: Option<Duration>,
    time: HearingTime,
    /// Whether at least one peer must be heard.
    needs_one: bool,
}

impl PeerWait {
    /// The wait of a node with these peers. `needs_one`: at least one of them must be heard.
    pub fn new(peers: impl IntoIterator<Item = AgencyId>, time: HearingTime, needs_one: bool) -> Self {
        Self { unheard: peers.into_iter().collect(), first_heard: None, time, needs_one }
    }

    /// Whether a peer must be heard, and none was.
    fn lacks_word(&self) -> bool {
        self.needs_one && self.first_heard.is_none()
    }

    /// A peer showed what it holds, `elapsed` after the start, and there is no conflict.
    pub fn heard(&mut self, peer: &AgencyId, elapsed: Duration) {
        if self.unheard.remove(peer) {
            self.first_heard.get_or_insert(elapsed);
        }
    }

    /// The end of the wait, as a duration since the start. Zero when all peers were heard.
    ///
    /// After the first peer was heard the wait is short, because peers that can be reached answer at nearly the same time. It ends after
    /// [`HearingTime::all`] in any case, because an outage of all peers must not stop this node.
    pub fn ends(&self) -> Duration {
        match self.first_heard {
            _ if self.unheard.is_empty() => Duration::ZERO,
            // After a long silence the others get their time as well.
            Some(first) if self.needs_one => first + self.time.others,
            Some(first) => self.time.all.min(first + self.time.others),
            None => self.time.all,
        }
    }
}

#[cfg(test)]
mod tests;
