//! No entry lies twice in a ledger.

use std::collections::BTreeSet;

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for (id, node) in &world.nodes {
        let mut seen = BTreeSet::new();
        for leaf in &node.ledger.leaves {
            if !seen.insert(leaf.entry.id) {
                return Err(("no_duplicates", format!("{id} has {} twice", leaf.entry.id)));
            }
        }
    }
    Ok(())
}
