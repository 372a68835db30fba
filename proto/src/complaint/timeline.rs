//! A set of entries in the order of (clock, id).
//!
//! It is a sorted vector, because most complaints have few entries and nearly every new entry is the newest.
//!
//! Must not know what entries say.
//!
//! Invariant: each entry is in it once, and a child comes after its parents, because its clock exceeds theirs.

use crate::base::clock::HybridClock;
use crate::base::ids::EntryId;

/// The sort key of an entry.
pub(super) type TimelineKey = (HybridClock, EntryId);

/// A set of entries, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline(Vec<TimelineKey>);

impl Timeline {
    /// Adds an entry, if it is not here.
    pub(super) fn insert(&mut self, key: TimelineKey) {
        if let Err(place) = self.0.binary_search(&key) {
            self.0.insert(place, key);
        }
    }

    /// Removes an entry, if it is here.
    pub(super) fn remove(&mut self, key: &TimelineKey) {
        if let Ok(place) = self.0.binary_search(key) {
            self.0.remove(place);
        }
    }

    /// All entries, oldest first.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, TimelineKey> {
        self.0.iter()
    }

    /// The oldest entry.
    pub(super) fn first(&self) -> Option<&TimelineKey> {
        self.0.first()
    }

    /// The newest entry.
    pub(super) fn last(&self) -> Option<&TimelineKey> {
        self.0.last()
    }

    /// Number of entries.
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
    fn entries_are_sorted_in_every_order_of_insertion_and_each_is_there_once() {
        let mut timeline = Timeline::default();
        [3, 1, 2, 3, 1].map(key).into_iter().for_each(|key| timeline.insert(key));
        assert_eq!(timeline.iter().copied().collect::<Vec<_>>(), [1, 2, 3].map(key));
        [2, 4].map(key).iter().for_each(|key| timeline.remove(key));
        assert_eq!((timeline.first(), timeline.last(), timeline.len()), (Some(&key(1)), Some(&key(3)), 2));
    }
}
