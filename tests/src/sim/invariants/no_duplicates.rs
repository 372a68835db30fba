//! No ledger has an entry twice.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        if let Some(entry) = node.ledger.duplicate {
            return Err(("no_duplicates", format!("{id} has {entry} twice")));
        }
    }
    Ok(())
}
