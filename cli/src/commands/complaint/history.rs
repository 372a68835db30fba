//! The relations between the entries of a complaint: the custody path, the forks that left it, and the entries that an author did not know.
//!
//! Pure: it uses only the node's answer. The node decides the standings; this module derives only the relations.
//!
//! Invariants: entries are in the node's order (clock, then id), so parents and basis come before the entry; a reference to a missing entry is
//! ignored.

use std::collections::BTreeMap;

use crate::view::TimelineEntry;

/// The bodies that change custody, except `Lodged`.
const CUSTODY: [&str; 5] = ["Forwarded", "Reassigned", "Accepted", "Returned", "Withdrawn"];

/// The relations between the entries of a complaint. An entry is named by its place in the timeline, counted from 0.
pub(super) struct History<'d> {
    entries: &'d [TimelineEntry],
    places: BTreeMap<&'d str, usize>,
    path: Vec<usize>,
    depths: Vec<usize>,
    unknown: Vec<Vec<usize>>,
}

impl<'d> History<'d> {
    /// Derives the relations.
    pub(super) fn of(entries: &'d [TimelineEntry]) -> Self {
        let places = (0..).zip(entries).map(|(place, entry)| (entry.entry_id.as_str(), place)).collect();
        let mut history = Self { entries, places, path: Vec::new(), depths: Vec::new(), unknown: Vec::new() };
        history.path = history.walk();
        for place in 0..entries.len() {
            let depth = history.depth_of(place);
            history.depths.push(depth);
            let unknown = history.unknown_to(place);
            history.unknown.push(unknown);
        }
        history
    }

    /// The custody path: the custody entries with effect, from `Lodged` on.
    pub(super) fn path(&self) -> &[usize] {
        &self.path
    }

    /// The distance of an entry from the path: 0 on the path, 1 for an entry whose basis is on the path, and so on.
    pub(super) fn depth(&self, place: usize) -> usize {
        self.depths[place]
    }

    /// The earlier entries that the author of this entry did not know.
    pub(super) fn unknown(&self, place: usize) -> &[usize] {
        &self.unknown[place]
    }

    /// Whether an entry acts on custody, with effect or not.
    pub(super) fn is_custody(&self, place: usize) -> bool {
        CUSTODY.contains(&self.entries[place].body.as_str())
    }

    /// The place of an entry in the timeline.
    pub(super) fn place(&self, entry_id: &str) -> Option<usize> {
        self.places.get(entry_id).copied()
    }

    /// The basis of an entry, unless that is the entry of the path just above it.
    pub(super) fn under_another(&self, place: usize) -> Option<usize> {
        let basis = self.basis(place)?;
        let above = self.path.iter().rev().find(|on_path| **on_path < place);
        (self.depths[place] > 0 && above != Some(&basis)).then_some(basis)
    }

    /// The entry of the path that won the fork at which this entry left the path.
    pub(super) fn winner_over(&self, place: usize) -> Option<usize> {
        let mut at = place;
        // A basis comes before the entries that act on it, so the loop ends.
        while let Some(basis) = self.basis(at).filter(|basis| *basis < at) {
            if let Ok(position) = self.path.binary_search(&basis) {
                return self.path.get(position + 1).copied();
            }
            at = basis;
        }
        None
    }

    fn basis(&self, place: usize) -> Option<usize> {
        self.entries[place].basis.as_deref().and_then(|basis| self.place(basis))
    }

    fn walk(&self) -> Vec<usize> {
        let lodged = self.entries.iter().position(|entry| entry.body == "Lodged");
        let counts = |place: &usize| self.is_custody(*place) && self.entries[*place].standing == "effective";
        let next: BTreeMap<usize, usize> =
            (0..self.entries.len()).filter(counts).filter_map(|place| Some((self.basis(place)?, place))).collect();
        // Only forward, so that no answer of a node can make this loop for ever.
        std::iter::successors(lodged, |at| next.get(at).copied().filter(|following| following > at)).collect()
    }

    fn depth_of(&self, place: usize) -> usize {
        if self.path.binary_search(&place).is_ok() {
            return 0;
        }
        self.basis(place).and_then(|basis| self.depths.get(basis)).map_or(1, |depth| depth + 1)
    }

    /// The earlier entries that an entry does not know: those that none of its parents is or knows.
    fn unknown_to(&self, place: usize) -> Vec<usize> {
        let parents = self.entries[place].parents.iter().filter_map(|parent| self.place(parent));
        let parents: Vec<usize> = parents.filter(|parent| *parent < place).collect();
        let Some(newest) = parents.iter().copied().max() else { return (0..place).collect() };
        let knows = |parent: usize, earlier: usize| {
            parent == earlier || (earlier < parent && self.unknown[parent].binary_search(&earlier).is_err())
        };
        let candidates = self.unknown[newest].iter().copied().chain(newest + 1..place);
        candidates.filter(|&earlier| !parents.iter().any(|&parent| knows(parent, earlier))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::complaint::fixture;
    use crate::view::ComplaintDetail;

    fn with_history<T>(detail: &ComplaintDetail, look: impl FnOnce(History<'_>) -> T) -> T {
        look(History::of(&detail.timeline))
    }

    #[test]
    fn the_path_has_the_custody_entries_with_effect_from_lodged_on() {
        with_history(&fixture::returned_and_accepted(), |history| assert_eq!(history.path(), [0, 1, 2, 3, 4]));
        with_history(&fixture::forked(), |history| {
            assert_eq!(history.path(), [0, 1, 2, 4]);
            assert_eq!([3, 5].map(|place| history.depth(place)), [1, 2]);
            assert_eq!([3, 5].map(|place| history.winner_over(place)), [Some(2), Some(2)]);
            assert_eq!([3, 4, 5].map(|place| history.under_another(place)), [Some(1), None, Some(3)]);
        });
    }

    #[test]
    fn an_entry_does_not_know_entries_that_no_parent_leads_to() {
        with_history(&fixture::concurrent(), |history| {
            let unknown: Vec<&[usize]> = (0..5).map(|place| history.unknown(place)).collect();
            assert_eq!(unknown, [&[][..], &[], &[1], &[2], &[]]);
        });
    }

    #[test]
    fn references_to_missing_entries_are_ignored() {
        let mut detail = fixture::forked();
        for entry in &mut detail.timeline {
            entry.parents = vec!["f".repeat(64)];
            entry.basis = Some("f".repeat(64));
        }
        with_history(&detail, |history| {
            assert_eq!((history.path(), history.depth(3)), (&[0][..], 1));
            assert_eq!((history.unknown(2), history.winner_over(3)), (&[0, 1][..], None));
        });
    }
}
