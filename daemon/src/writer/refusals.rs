//! How many records of refused items are kept: so many of each peer in a day (UTC), so that nobody fills the disk with what is refused.
//!
//! What is beyond is refused all the same and the peer is told so on the receipt, which its own ledger keeps; here it is counted alone. The
//! peer's link is not held: what it passes on for others, and what is good, goes on.
//!
//! In memory: after a restart the day begins anew.

use std::collections::BTreeMap;

use sinergi_proto::ids::AgencyId;
use sinergi_proto::limits;

const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// What was refused of each peer today.
#[derive(Default)]
pub(super) struct Refusals {
    day: u64,
    peers: BTreeMap<AgencyId, Refused>,
}

#[derive(Default)]
struct Refused {
    kept: usize,
    kept_bytes: usize,
    unkept: u64,
}

impl Refusals {
    /// One more of a peer, of which so many bytes would be kept: `Err` with the number of those that are not, if there is no room for it.
    pub(super) fn count(&mut self, peer: &AgencyId, bytes: usize, now: u64) -> Result<(), u64> {
        if self.day != now / DAY_MILLIS {
            // Those with nothing today are settled by [`Self::unkept`].
            self.day = now / DAY_MILLIS;
            self.peers.values_mut().for_each(|refused| *refused = Refused::default());
        }
        let refused = self.peers.entry(peer.clone()).or_default();
        let has_room = refused.kept < limits::REFUSED_PER_PEER_PER_DAY
            && refused.kept_bytes + bytes <= limits::REFUSED_BYTES_PER_PEER_PER_DAY;
        if !has_room {
            refused.unkept += 1;
            return Err(refused.unkept);
        }
        refused.kept += 1;
        refused.kept_bytes += bytes;
        Ok(())
    }

    /// Each peer of which something was refused since the start, with what was not kept today.
    pub(super) fn unkept(&self, now: u64) -> impl Iterator<Item = (&AgencyId, u64)> {
        let is_today = self.day == now / DAY_MILLIS;
        self.peers.iter().map(move |(peer, refused)| (peer, if is_today { refused.unkept } else { 0 }))
    }
}

/// What an operator is told.
pub(super) fn alarm(peer: &AgencyId, unkept: u64) -> String {
    format!(
        "{peer} delivers more that is refused than is kept a day ({} items, {} MiB); {unkept} more were refused today, of which only the \
         number is kept: see `sinergi refused list` for the reasons, and ask its operator",
        limits::REFUSED_PER_PEER_PER_DAY,
        limits::REFUSED_BYTES_PER_PEER_PER_DAY >> 20
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(id: &str) -> AgencyId {
        id.parse().expect("an id")
    }

    fn unkept(refusals: &Refusals, now: u64) -> Vec<(String, u64)> {
        refusals.unkept(now).map(|(peer, count)| (peer.to_string(), count)).collect()
    }

    #[test]
    fn so_many_of_a_peer_are_kept_a_day_and_the_next_day_as_many_again() {
        let (mut refusals, noisy, other) = (Refusals::default(), agency("kominfo"), agency("ksp"));
        for _ in 0..limits::REFUSED_PER_PEER_PER_DAY {
            refusals.count(&noisy, 1, 5).expect("room");
        }
        assert_eq!((refusals.count(&noisy, 1, 5), refusals.count(&noisy, 1, 6)), (Err(1), Err(2)));
        refusals.count(&other, 1, 6).expect("another peer's room is its own");
        assert_eq!(unkept(&refusals, 6), [("kominfo".to_owned(), 2), ("ksp".to_owned(), 0)]);
        assert_eq!(unkept(&refusals, DAY_MILLIS), [("kominfo".to_owned(), 0), ("ksp".to_owned(), 0)]);
        refusals.count(&noisy, 1, DAY_MILLIS).expect("a new day");
    }

    #[test]
    fn large_ones_have_less_room() {
        let (mut refusals, peer) = (Refusals::default(), agency("kominfo"));
        let half = limits::REFUSED_BYTES_PER_PEER_PER_DAY / 2;
        assert_eq!([half, half, 1].map(|bytes| refusals.count(&peer, bytes, 0)), [Ok(()), Ok(()), Err(1)]);
    }
}
