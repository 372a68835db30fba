//! Whether a ledger is still the one that its peers saw. A node whose disk was set back or lost must not sign other leaves where peers hold
//! the old ones: it learns that from what they show, so it hears them before it signs.
//!
//! Invariants:
//! - what a peer shows counts only with the node's own signature under it: a checkpoint, or an entry with its place;
//! - a later epoch makes every earlier one history: what peers saw of those is no conflict any more;
//! - no peer, and no silence of all, keeps a node from signing for longer than [`limits::HEAR_PEERS`].

use std::collections::BTreeSet;
use std::time::Duration;

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
