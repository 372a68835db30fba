//! An entry that a node acknowledged to its operator stays in the node's ledger, unless the ledger was set back before another node had it.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for (entry, id) in world.acknowledged.iter().filter(|(_, id)| !world.is_liar(id)) {
        if !world.lost.contains(entry) && world.takes_part(id) && world.nodes[id].ledger.leaf_of(entry).is_none() {
            return Err((
                "no_acknowledged_entry_is_lost",
                format!("{id} has lost {entry}: {}", world.whereabouts(entry)),
            ));
        }
    }
    Ok(())
}
