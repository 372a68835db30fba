//! A node that has the entry that erases a content no longer has the content.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        if node.has_nothing_to_commit() && node.ledger.has_spent_items() {
            let what = format!("{id} has a copy of an item that is no longer deferred: an erasure would not find it");
            return Err(("erased_contents_are_gone", what));
        }
        let earlier = &node.ledger.earlier_contents;
        let mut erased = node.ledger.cases.values().flat_map(|case| case.complaint.erased_entries());
        if let Some(entry) = erased.find(|entry| earlier.contains(entry)) {
            let what = format!("{id} has erased contents of {entry} in the ledger of an earlier epoch");
            return Err(("erased_contents_are_gone", what));
        }
        for leaf in node.ledger.cases.values().flat_map(|case| case.erased_leaves()) {
            let leaf = node.ledger.leaf(leaf);
            if !leaf.contents.is_empty() {
                let (entry, contents) = (leaf.entry.id, leaf.contents.len());
                return Err(("erased_contents_are_gone", format!("{id} has {contents} erased contents of {entry}")));
            }
        }
    }
    Ok(())
}
