//! Compares the peers' clocks with this node's wall clock.
//!
//! Invariants:
//! - an offset is measured when a peer's time comes, against the clock that only goes forward: when this node's wall clock jumps, the answer
//!   changes with it at once, not when the peer speaks again;
//! - one peer alone never contradicts this node's clock.

use std::collections::BTreeMap;

use crate::base::clock::Now;
use crate::base::ids::AgencyId;
use crate::base::limits;

/// The result of comparing this node's clock with the clocks of the peers that were heard lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeersOnClock {
    /// No peer was heard lately, or the peers do not decide.
    Undecided,
    /// At least one peer, and at least half of those heard, agree with it within [`limits::CLOCK_AHEAD`].
    Agree {
        /// Whether more than half of them agree.
        are_most: bool,
    },
    /// Most differ from it by more than that.
    Differ {
        /// How far most of them are ahead, in milliseconds: the median of theirs and this node's own.
        ahead: i64,
    },
}

/// The clocks of the peers.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerClocks {
    heard: BTreeMap<AgencyId, Heard>,
}

/// The clock of one peer.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// The peer's wall clock less this node's clock that only goes forward, in milliseconds.
    lead: i64,
    /// When it was heard, in nanoseconds on the clock that only goes forward.
    at: u64,
}

impl PeerClocks {
    /// A peer's clock is `offset` milliseconds ahead of this node's wall clock now.
    pub(super) fn heard(&mut self, peer: &AgencyId, offset: i64, now: Now) {
        self.heard.retain(|_, heard| !now.is_after(heard.at, limits::CLOCK_HEARD_WITHIN));
        self.heard.insert(peer.clone(), Heard { lead: now.lead_millis().saturating_add(offset), at: now.mono_nanos });
    }

    /// Compares this node's clock now with the peers that were heard within [`limits::CLOCK_HEARD_WITHIN`].
    pub(super) fn opinion(&self, now: Now) -> PeersOnClock {
        let own = now.lead_millis();
        let lately = self.heard.values().filter(|heard| !now.is_after(heard.at, limits::CLOCK_HEARD_WITHIN));
        let mut offsets: Vec<i64> = lately.map(|heard| heard.lead.saturating_sub(own)).collect();
        let agreeing = offsets.iter().filter(|offset| is_within_bound(**offset)).count();
        if agreeing > 0 && agreeing * 2 >= offsets.len() {
            return PeersOnClock::Agree { are_most: agreeing * 2 > offsets.len() };
        }
        let ahead = median_with_own(&mut offsets);
        if is_within_bound(ahead) { PeersOnClock::Undecided } else { PeersOnClock::Differ { ahead } }
    }
}

fn is_within_bound(offset: i64) -> bool {
    u128::from(offset.unsigned_abs()) <= limits::CLOCK_AHEAD.as_millis()
}

/// The median of the peers' offsets and of this node's own, which is 0. Of an even number the one counts that trusts this node's clock more.
fn median_with_own(offsets: &mut Vec<i64>) -> i64 {
    offsets.push(0);
    offsets.sort_unstable();
    let (low, high) = (offsets[(offsets.len() - 1) / 2], offsets[offsets.len() / 2]);
    if low.unsigned_abs() <= high.unsigned_abs() { low } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::agency;

    const WALL: u64 = 1_764_000_000_000;
    const MINUTE: i64 = 60_000;

    fn at(wall_millis: u64, mono_millis: u64) -> Now {
        Now { wall_millis, mono_nanos: mono_millis * 1_000_000 }
    }

    fn heard(offsets: &[i64]) -> PeerClocks {
        let mut clocks = PeerClocks::default();
        for (number, offset) in offsets.iter().enumerate() {
            clocks.heard(&agency(&format!("kota-{number}")), *offset, at(WALL, 0));
        }
        clocks
    }

    fn opinion(minutes: &[i64]) -> PeersOnClock {
        let offsets: Vec<i64> = minutes.iter().map(|minutes| minutes * MINUTE).collect();
        heard(&offsets).opinion(at(WALL, 0))
    }

    #[test]
    fn half_of_the_peers_confirm_and_only_a_majority_contradicts() {
        use PeersOnClock::Undecided;
        let (most, half) = (PeersOnClock::Agree { are_most: true }, PeersOnClock::Agree { are_most: false });
        let differ = |minutes: i64| PeersOnClock::Differ { ahead: minutes * MINUTE };
        for (minutes, expected) in [
            (&[][..], Undecided),
            (&[5], most),
            (&[-5], most),
            (&[6], Undecided),
            (&[-600], Undecided),
            (&[6, 0], half),
            (&[15, 13], differ(13)),
            (&[15, -13], Undecided),
            (&[15, 13, 0], Undecided),
            (&[15, 13, 14, 0], differ(13)),
            (&[15, 13, 1, 0], half),
            (&[15, 2, 1, 0], most),
            (&[-15, -13, -12], differ(-12)),
        ] {
            assert_eq!(opinion(minutes), expected, "{minutes:?}");
        }
        assert_eq!(heard(&[i64::MIN, i64::MIN]).opinion(at(WALL, 0)), PeersOnClock::Differ { ahead: i64::MIN });
    }

    #[test]
    fn a_jump_of_this_nodes_clock_shows_before_a_peer_speaks_again() {
        let clocks = heard(&[10, 20]);
        assert_eq!(
            clocks.opinion(at(WALL + 60_000, 60_000)),
            PeersOnClock::Agree { are_most: true },
            "both clocks went on"
        );
        let ahead = clocks.opinion(at(WALL + 60_000 + 900_000, 60_000));
        assert_eq!(ahead, PeersOnClock::Differ { ahead: -899_980 });
    }

    #[test]
    fn a_peer_that_was_not_heard_for_ten_minutes_says_nothing() {
        let clocks = heard(&[10, 20]);
        let minutes = |minutes: u64| at(WALL + minutes * 60_000, minutes * 60_000);
        assert_eq!(clocks.opinion(minutes(9)), PeersOnClock::Agree { are_most: true });
        assert_eq!(clocks.opinion(minutes(10)), PeersOnClock::Undecided);
    }
}
