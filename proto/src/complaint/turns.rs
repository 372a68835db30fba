//! Entries in the order of (clock, id).
//!
//! Must not know what entries say. It is a sorted vector, because most complaints have few entries and nearly every new entry is the newest.

use crate::base::clock::HybridClock;
use crate::base::ids::EntryId;

/// Where an entry stands in the order.
pub(super) type Turn = (HybridClock, EntryId);

/// A set of entries, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Vec<Turn>);

impl Turns {
    /// Adds an entry; one that is here stays.
    pub(super) fn insert(&mut self, turn: Turn) {
        if let Err(place) = self.0.binary_search(&turn) {
            self.0.insert(place, turn);
        }
    }

    /// Takes an entry out, if it is here.
    pub(super) fn remove(&mut self, turn: &Turn) {
        if let Ok(place) = self.0.binary_search(turn) {
            self.0.remove(place);
        }
    }

    /// All of them, oldest first.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Turn> {
        self.0.iter()
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<&Turn> {
        self.0.first()
    }

    /// The newest.
    pub(super) fn last(&self) -> Option<&Turn> {
        self.0.last()
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(millis: u64) -> Turn {
        (HybridClock::new(millis, 0), EntryId([0; 32]))
    }

    #[test]
    fn turns_are_in_order_whichever_comes_first_and_each_is_there_once() {
        let mut turns = Turns::default();
        [3, 1, 2, 3, 1].map(turn).into_iter().for_each(|turn| turns.insert(turn));
        assert_eq!(turns.iter().copied().collect::<Vec<_>>(), [1, 2, 3].map(turn));
        [2, 4].map(turn).iter().for_each(|turn| turns.remove(turn));
        assert_eq!((turns.first(), turns.last(), turns.len()), (Some(&turn(1)), Some(&turn(3)), 2));
    }
}
