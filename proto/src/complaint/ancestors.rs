//! The walk from entries of a complaint to their ancestors.

use std::collections::{BTreeSet, HashSet};

use litemap::LiteMap;

use super::known_entry::KnownEntry;
use crate::base::ids::EntryId;

/// The given entries and all their ancestors, as far as they are here.
pub(super) fn ancestors_of(entries: &LiteMap<EntryId, Box<KnownEntry>>, parents: &[EntryId]) -> BTreeSet<EntryId> {
    let mut found = BTreeSet::new();
    walk_ancestors(entries, parents, |id, _| {
        found.insert(*id);
    });
    found
}

/// Visits the given entries and all their ancestors, each once, in any order. Costs at most a step for each entry of the complaint and for each of its
/// parents.
pub(super) fn walk_ancestors<'a>(
    entries: &'a LiteMap<EntryId, Box<KnownEntry>>,
    parents: &[EntryId],
    mut visit: impl FnMut(&EntryId, &'a KnownEntry),
) {
    let mut visited = HashSet::new();
    let mut next: Vec<EntryId> = parents.to_vec();
    while let Some(id) = next.pop() {
        if visited.insert(id)
            && let Some(known) = entries.get(&id)
        {
            visit(&id, known);
            next.extend(known.parents.iter().filter(|parent| !visited.contains(*parent)));
        }
    }
}
