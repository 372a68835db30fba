//! What the clocks of the linked peers say of this node's: whether most of them contradict it, and by how much.
//!
//! Invariants:
//! - an offset is measured when a peer's time comes, and holds for the clock that only goes forward: when this node's wall clock jumps, the
//!   answer changes with it at once, not when the peer speaks again;
//! - one peer alone never contradicts this node's clock.

use std::collections::BTreeMap;

use crate::base::clock::Now;
use crate::base::ids::AgencyId;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// The clocks of the linked peers.
#[derive(Clone, Debug, Default)]
pub struct PeerClocks {
    /// Each peer's wall clock less this node's clock that only goes forward, in milliseconds.
    leads: BTreeMap<AgencyId, i64>,
    /// The same, in ascending order.
    sorted: Vec<i64>,
}

impl PeerClocks {
    /// A peer's clock is `offset` milliseconds ahead of this node's wall clock now.
    pub fn heard(&mut self, peer: &AgencyId, offset: i64, now: Now) {
        self.leads.insert(peer.clone(), lead(now).saturating_add(offset));
        self.sort();
    }

    /// The link with a peer has ended: its clock says nothing any more.
    pub fn forget(&mut self, peer: &AgencyId) {
        if self.leads.remove(peer).is_some() {
            self.sort();
        }
    }

    /// By how much the clocks of most peers are ahead of this node's now, in milliseconds: the median of theirs and this node's own, so 0
    /// unless most agree that this node's is off. Of an even number the one counts that trusts this node's clock more.
    pub fn offset(&self, now: Now) -> i64 {
        let own = lead(now);
        let before = self.sorted.partition_point(|lead| *lead < own);
        let ahead = |index: usize| match index.cmp(&before) {
            std::cmp::Ordering::Less => self.sorted[index].saturating_sub(own),
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => self.sorted[index - 1].saturating_sub(own),
        };
        let peers = self.sorted.len();
        let (low, high) = (ahead(peers / 2), ahead(peers.div_ceil(2)));
        if low.unsigned_abs() <= high.unsigned_abs() { low } else { high }
    }

    fn sort(&mut self) {
        self.sorted.clear();
        self.sorted.extend(self.leads.values());
        self.sorted.sort_unstable();
    }
}

/// This node's wall clock less its clock that only goes forward, in milliseconds.
fn lead(now: Now) -> i64 {
    let lead = i128::from(now.wall_millis) - i128::from(now.mono_nanos / NANOS_PER_MILLI);
    i64::try_from(lead).unwrap_or(if lead < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::agency;

    const WALL: u64 = 1_764_000_000_000;

    fn at(wall_millis: u64, mono_millis: u64) -> Now {
        Now { wall_millis, mono_nanos: mono_millis * NANOS_PER_MILLI }
    }

    fn heard(offsets: &[i64]) -> PeerClocks {
        let mut clocks = PeerClocks::default();
        for (number, offset) in offsets.iter().enumerate() {
            clocks.heard(&agency(&format!("kota-{number}")), *offset, at(WALL, 0));
        }
        clocks
    }

    #[test]
    fn only_a_majority_contradicts_this_nodes_clock() {
        let offset = |offsets: &[i64]| heard(offsets).offset(at(WALL, 0));
        assert_eq!((offset(&[]), offset(&[900_000]), offset(&[-900_000])), (0, 0, 0), "one alone stops nobody");
        assert_eq!(offset(&[900_000, 800_000]), 800_000);
        assert_eq!(offset(&[900_000, -800_000]), 0);
        assert_eq!(offset(&[900_000, 800_000, 5]), 5, "of an even number the one that trusts this clock more");
        assert_eq!(offset(&[-900_000, -800_000, -700_000]), -700_000);
        assert_eq!((offset(&[i64::MIN, i64::MIN]), offset(&[i64::MAX, i64::MIN])), (i64::MIN, 0));
    }

    #[test]
    fn a_jump_of_this_nodes_clock_shows_before_a_peer_speaks_again() {
        let clocks = heard(&[10, 20]);
        assert_eq!(clocks.offset(at(WALL + 60_000, 60_000)), 10, "both clocks went on");
        assert_eq!(clocks.offset(at(WALL + 60_000 + 900_000, 60_000)), -899_980);
        assert_eq!(clocks.offset(at(WALL + 60_000 - 900_000, 60_000)), 900_010);
    }

    #[test]
    fn a_peer_that_is_no_longer_linked_says_nothing() {
        let mut clocks = heard(&[900_000, 800_000]);
        clocks.forget(&agency("kota-0"));
        assert_eq!(clocks.offset(at(WALL, 0)), 0);
    }
}
