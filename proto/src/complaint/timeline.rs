//! Entries in the order of (clock, id).
//!
//! Must not know what entries say. It is a sorted vector, because most complaints have few entries and nearly every new entry is the newest.

use crate::base::clock::HybridClock;
use crate::base::ids::EntryId;

/// Where an entry stands in the order.
pub(super) type TimelineKey = (HybridClock, EntryId);

/// A set of entries, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline(Vec<TimelineKey>);

impl Timeline {
    /// Adds an entry; one that is here stays.
    pub(super) fn insert(&mut self, key: TimelineKey) {
        if let Err(place) = self.0.binary_search(&key) {
            self.0.insert(place, key);
        }
    }

    /// Takes an entry out, if it is here.
    pub(super) fn remove(&mut self, key: &TimelineKey) {
        if let Ok(place) = self.0.binary_search(key) {
            self.0.remove(place);
        }
    }

    /// All of them, oldest first.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, TimelineKey> {
        self.0.iter()
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<&TimelineKey> {
        self.0.first()
    }

    /// The newest.
    pub(super) fn last(&self) -> Option<&TimelineKey> {
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

    fn key(millis: u64) -> TimelineKey {
        (HybridClock::new(millis, 0), EntryId([0; 32]))
    }

    #[test]
    fn turns_are_in_order_whichever_comes_first_and_each_is_there_once() {
        let mut timeline = Timeline::default();
        [3, 1, 2, 3, 1].map(key).into_iter().for_each(|key| timeline.insert(key));
        assert_eq!(timeline.iter().copied().collect::<Vec<_>>(), [1, 2, 3].map(key));
        [2, 4].map(key).iter().for_each(|key| timeline.remove(key));
        assert_eq!((timeline.first(), timeline.last(), timeline.len()), (Some(&key(1)), Some(&key(3)), 2));
    }
}
