//! Every entry of a complaint that a ledger has is in the complaint's timeline, with its standing. Superseded entries stay visible.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        for leaf in &node.ledger.leaves {
            let Some(complaint) = leaf.entry.complaint else { continue };
            let standing = node.ledger.cases.get(&complaint).and_then(|case| case.complaint.standing(&leaf.entry.id));
            if standing.is_none() {
                let (entry, body) = (leaf.entry.id, leaf.entry.body.name());
                return Err(("nothing_disappears", format!("{id} has {entry} ({body}) and does not show it")));
            }
        }
    }
    Ok(())
}
