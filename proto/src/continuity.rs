//! Whether a ledger is still the one that its peers saw. A node whose disk was set back or lost must not sign other leaves where peers hold
//! the old ones: it learns that from what they show, so it hears them before it signs.
//!
//! Invariants:
//! - what a peer shows counts only with the node's own signature under it: a checkpoint, or an entry with its place;
//! - a later epoch makes every earlier one history: what peers saw of those is no conflict any more;
//! - no peer, and no silence of all, keeps a node from signing for longer than [`limits::HEAR_PEERS`].

use std::collections::BTreeSet;
use std::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::ids::{AgencyId, Epoch};
use crate::limits;

/// How far a ledger reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its leaves.
    pub size: u64,
}

/// What something that this node signed, and that a peer shows, says about this node's ledger.
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
    /// Where a shown extent stands in this ledger; `same` is asked only if it lies within, and says whether the leaves are the same.
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

/// What a checkpoint that a peer shows says about the peer's ledger, by the newest one that was seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// It is the newest now.
    Forward,
    /// The peer's ledger has begun a new epoch.
    NewEpoch,
    /// It was signed before what was seen: nothing new.
    Older,
    /// It was signed later, over less: the ledger was set back, and the peer did not say so.
    Back,
    /// As many leaves, but others.
    Forked,
}

impl Movement {
    /// From what was seen to what is shown.
    pub fn of(seen: Option<&Checkpoint>, shown: &Checkpoint) -> Self {
        let Some(seen) = seen else { return Self::Forward };
        let is_later = matches!((seen.seconds, shown.seconds), (Some(seen), Some(shown)) if shown > seen);
        if shown.epoch > seen.epoch {
            return Self::NewEpoch;
        }
        if (shown.epoch, shown.size) < (seen.epoch, seen.size) {
            return if is_later { Self::Back } else { Self::Older };
        }
        if shown.size == seen.size && shown.root != seen.root {
            return Self::Forked;
        }
        Self::Forward
    }
}

/// Keeps a node that has just started from signing until its peers had a chance to say what they saw.
#[derive(Clone, Debug)]
pub struct Guard {
    unheard: BTreeSet<AgencyId>,
    first_heard: Option<Duration>,
}

impl Guard {
    /// The guard of a node with these peers.
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
mod tests {
    use super::*;

    fn extent(epoch: u32, size: u64) -> Extent {
        Extent { epoch: Epoch(epoch), size }
    }

    fn standing(shown: Extent, same: bool) -> Standing {
        Standing::of(extent(2, 100), shown, || Ok::<_, ()>(same)).expect("no error")
    }

    #[test]
    fn what_lies_within_the_ledger_is_a_part_of_it_if_the_leaves_are_the_same() {
        assert_eq!(standing(extent(2, 100), true), Standing::Part);
        assert_eq!(standing(extent(2, 0), true), Standing::Part);
        assert_eq!(standing(extent(2, 100), false), Standing::Other);
        assert!(Standing::Other.is_conflict() && !Standing::Part.is_conflict());
    }

    #[test]
    fn a_ledger_that_was_longer_or_in_a_later_epoch_was_set_back_and_its_leaves_are_not_asked_for() {
        for (shown, expected) in [
            (extent(2, 101), Standing::Longer),
            (extent(3, 0), Standing::LaterEpoch),
            (extent(3, 900), Standing::LaterEpoch),
        ] {
            let found = Standing::of(extent(2, 100), shown, || Err("asked")).expect("nothing is asked");
            assert_eq!(found, expected);
            assert!(found.is_conflict());
        }
    }

    #[test]
    fn an_earlier_epoch_is_history_however_long_it_was() {
        assert_eq!(standing(extent(1, 9_000), false), Standing::EarlierEpoch);
        assert!(!Standing::EarlierEpoch.is_conflict());
    }

    fn checkpoint(epoch: u32, size: u64, root: u8, seconds: u64) -> Checkpoint {
        Checkpoint { epoch: Epoch(epoch), size, root: [root; 32], seconds: Some(seconds) }
    }

    #[test]
    fn a_ledger_that_a_peer_shows_moves_forward_back_or_into_a_new_epoch() {
        let seen = checkpoint(2, 100, 1, 1000);
        for (shown, expected) in [
            (checkpoint(2, 101, 2, 1001), Movement::Forward),
            (checkpoint(2, 100, 1, 1001), Movement::Forward),
            (checkpoint(2, 100, 2, 1001), Movement::Forked),
            (checkpoint(2, 99, 3, 1001), Movement::Back),
            (checkpoint(2, 99, 3, 1000), Movement::Older),
            (checkpoint(1, 900, 3, 1001), Movement::Back),
            (checkpoint(1, 900, 3, 999), Movement::Older),
            (checkpoint(3, 1, 4, 1001), Movement::NewEpoch),
        ] {
            assert_eq!(Movement::of(Some(&seen), &shown), expected, "{shown:?}");
        }
        assert_eq!(Movement::of(None, &seen), Movement::Forward);
        let without_time = Checkpoint { seconds: None, ..checkpoint(2, 99, 3, 0) };
        assert_eq!(
            Movement::of(Some(&seen), &without_time),
            Movement::Older,
            "without a time nothing shows which was later"
        );
    }

    fn peers(ids: &[&str]) -> Vec<AgencyId> {
        ids.iter().map(|id| id.parse().expect("an agency id")).collect()
    }

    #[test]
    fn a_node_without_peers_waits_for_nobody() {
        assert_eq!(Guard::new([]).ends(), Duration::ZERO);
    }

    #[test]
    fn a_node_waits_for_all_its_peers_and_then_no_longer() {
        let both = peers(&["ksp", "kemendagri"]);
        let mut guard = Guard::new(both.clone());
        assert_eq!(guard.ends(), limits::HEAR_PEERS);
        guard.heard(&both[0], Duration::from_secs(1));
        assert_eq!(guard.ends(), Duration::from_secs(1) + limits::HEAR_OTHER_PEERS);
        guard.heard(&both[0], Duration::from_secs(2));
        assert_eq!(guard.ends(), Duration::from_secs(1) + limits::HEAR_OTHER_PEERS, "the same peer again");
        guard.heard(&both[1], Duration::from_secs(2));
        assert_eq!(guard.ends(), Duration::ZERO);
    }

    #[test]
    fn the_wait_is_bounded_whoever_answers_and_when() {
        let both = peers(&["ksp", "kemendagri"]);
        let mut guard = Guard::new(both.clone());
        guard.heard(&both[0], limits::HEAR_PEERS - Duration::from_millis(1));
        assert_eq!(guard.ends(), limits::HEAR_PEERS);
    }

    #[test]
    fn who_is_no_peer_ends_no_wait() {
        let mut guard = Guard::new(peers(&["ksp"]));
        guard.heard(&peers(&["ombudsman"])[0], Duration::ZERO);
        assert_eq!(guard.ends(), limits::HEAR_PEERS);
    }
}
