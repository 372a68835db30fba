//! Places for connections whose handshake has not ended. Their number is bounded, and no source can take all of them for long.
//!
//! Must not know what a handshake is.
//!
//! Invariants:
//! - a new connection always gets a place. When all are taken, the source with the most places loses its oldest one;
//! - a source with one place keeps it while another source has two.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Handshakes {
    most: usize,
    taken: Arc<Mutex<Taken>>,
}

/// The places that are taken, oldest first.
#[derive(Default)]
struct Taken {
    next_number: u64,
    places: VecDeque<(u64, IpAddr, CancellationToken)>,
}

/// A place. Dropping it gives it back.
pub(super) struct Place {
    number: u64,
    /// Cancelled when the place is given to another connection. Then this connection must end.
    pub(super) displaced: CancellationToken,
    taken: Arc<Mutex<Taken>>,
}

impl Handshakes {
    /// This many places.
    pub(super) fn of(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// Takes a place for a connection from this address.
    pub(super) fn place(&self, from: IpAddr) -> Place {
        let displaced = CancellationToken::new();
        let mut taken = self.taken.lock();
        if taken.places.len() >= self.most {
            taken.displace();
        }
        let number = taken.next_number;
        taken.next_number += 1;
        taken.places.push_back((number, source_of(from), displaced.clone()));
        Place { number, displaced, taken: Arc::clone(&self.taken) }
    }
}

impl Taken {
    /// Takes the oldest place of the source that has the most.
    fn displace(&mut self) {
        let mut counts = HashMap::<IpAddr, usize>::new();
        for (_, source, _) in &self.places {
            *counts.entry(*source).or_default() += 1;
        }
        let most = counts.values().max().copied().unwrap_or(0);
        let oldest = self.places.iter().position(|(_, source, _)| counts[source] == most);
        if let Some((.., displaced)) = oldest.and_then(|oldest| self.places.remove(oldest)) {
            displaced.cancel();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.lock().places.retain(|(number, ..)| *number != self.number);
    }
}

/// A source is one IPv4 address, or one IPv6 network of 64 bits, because the owner of one address has all addresses of that network.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(handshakes: &Handshakes, addresses: &[&str]) -> Vec<Place> {
        addresses.iter().map(|address| handshakes.place(address.parse().expect("an address"))).collect()
    }

    fn displaced(places: &[Place]) -> Vec<bool> {
        places.iter().map(|place| place.displaced.is_cancelled()).collect()
    }

    #[test]
    fn when_all_places_are_taken_the_source_with_the_most_loses_its_oldest_one() {
        let handshakes = Handshakes::of(4);
        let places = from(&handshakes, &["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(displaced(&places), [false; 4]);
        let more = from(&handshakes, &["10.0.0.4"]);
        assert_eq!((displaced(&places), displaced(&more)), (vec![false, true, false, false], vec![false]));
    }

    #[test]
    fn connections_of_one_source_displace_only_each_other_however_many_come() {
        let handshakes = Handshakes::of(4);
        let others = from(&handshakes, &["10.0.0.1", "2001:db8::1"]);
        // The same address, written in two ways.
        let flood: Vec<_> = (0..100).flat_map(|_| from(&handshakes, &["10.0.0.9", "::ffff:10.0.0.9"])).collect();
        assert_eq!(displaced(&others), [false; 2]);
        assert_eq!(displaced(&flood).into_iter().filter(|displaced| !displaced).count(), 2);
    }

    #[test]
    fn all_addresses_of_one_network_of_64_bits_are_one_source() {
        let handshakes = Handshakes::of(3);
        let others = from(&handshakes, &["2001:db8:0:1::1"]);
        let flood: Vec<_> = (0..100).flat_map(|n| from(&handshakes, &[&format!("2001:db8::{n:x}:1")])).collect();
        assert_eq!(displaced(&others), [false]);
        assert_eq!(displaced(&flood).into_iter().filter(|displaced| !displaced).count(), 2);
    }

    #[test]
    fn a_handshake_that_has_ended_gives_its_place_back() {
        let handshakes = Handshakes::of(2);
        let mut places = from(&handshakes, &["10.0.0.1", "10.0.0.1"]);
        drop(places.remove(0));
        from(&handshakes, &["10.0.0.2"]);
        assert_eq!(displaced(&places), [false]);
    }
}
