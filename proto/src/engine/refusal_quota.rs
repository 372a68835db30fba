//! The quota of records of refused items, per peer and day (UTC), so that nobody can fill the disk with bad items.
//!
//! An item over the quota is refused all the same, and the peer's receipt says so; only the record is left out, and the item is counted. The
//! link goes on, because the peer may also deliver good items.
//!
//! Invariant: the quota is kept in memory only, so after a restart it starts again.

use std::collections::BTreeMap;

use crate::base::ids::AgencyId;

use super::config::PeerQuotas;

const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// The items of each peer that were refused today.
pub(super) struct RefusalQuota {
    quotas: PeerQuotas,
    day: u64,
    peers: BTreeMap<AgencyId, Refused>,
}

#[derive(Default)]
struct Refused {
    kept: usize,
    kept_bytes: usize,
    unkept: u64,
}

impl RefusalQuota {
    /// Nothing was refused yet.
    pub(super) fn new(quotas: PeerQuotas) -> Self {
        Self { quotas, day: 0, peers: BTreeMap::new() }
    }

    /// Counts one more refused item of a peer, whose record would have `bytes` bytes.
    ///
    /// # Errors
    /// When the quota is used up: the number of items today that got no record.
    pub(super) fn count(&mut self, peer: &AgencyId, bytes: usize, now: u64) -> Result<(), u64> {
        if self.day != now / DAY_MILLIS {
            // Peers stay listed with zeros, so that [`Self::unkept`] ends the warning of each.
            self.day = now / DAY_MILLIS;
            self.peers.values_mut().for_each(|refused| *refused = Refused::default());
        }
        let refused = self.peers.entry(peer.clone()).or_default();
        let has_room = refused.kept < self.quotas.refused_records_a_day
            && refused.kept_bytes + bytes <= self.quotas.refused_bytes_a_day;
        if !has_room {
            refused.unkept += 1;
            return Err(refused.unkept);
        }
        refused.kept += 1;
        refused.kept_bytes += bytes;
        Ok(())
    }

    /// Each peer with a refused item since the start, with the number of its items today that got no record.
    pub(super) fn unkept(&self, now: u64) -> impl Iterator<Item = (&AgencyId, u64)> {
        let is_today = self.day == now / DAY_MILLIS;
        self.peers.iter().map(move |(peer, refused)| (peer, if is_today { refused.unkept } else { 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::QUOTAS;

    fn agency(id: &str) -> AgencyId {
        id.parse().expect("an id")
    }

    fn unkept(refusals: &RefusalQuota, now: u64) -> Vec<(String, u64)> {
        refusals.unkept(now).map(|(peer, count)| (peer.to_string(), count)).collect()
    }

    #[test]
    fn each_peer_has_its_own_quota_and_the_next_day_starts_a_new_one() {
        let (mut refusals, noisy, other) = (RefusalQuota::new(QUOTAS), agency("kominfo"), agency("ksp"));
        for _ in 0..QUOTAS.refused_records_a_day {
            refusals.count(&noisy, 1, 5).expect("room");
        }
        assert_eq!((refusals.count(&noisy, 1, 5), refusals.count(&noisy, 1, 6)), (Err(1), Err(2)));
        refusals.count(&other, 1, 6).expect("another peer's room is its own");
        assert_eq!(unkept(&refusals, 6), [("kominfo".to_owned(), 2), ("ksp".to_owned(), 0)]);
        assert_eq!(unkept(&refusals, DAY_MILLIS), [("kominfo".to_owned(), 0), ("ksp".to_owned(), 0)]);
        refusals.count(&noisy, 1, DAY_MILLIS).expect("a new day");
    }

    #[test]
    fn large_items_use_up_the_quota_by_their_bytes() {
        let (mut refusals, peer) = (RefusalQuota::new(QUOTAS), agency("kominfo"));
        let half = QUOTAS.refused_bytes_a_day / 2;
        assert_eq!([half, half, 1].map(|bytes| refusals.count(&peer, bytes, 0)), [Ok(()), Ok(()), Err(1)]);
    }
}
