//! Who gave a receipt for an entry that somebody still has, has it: at the leaf that it named, or, if its ledger was set back since, somewhere
//! in the new one.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for (id, epoch, entry, leaf) in world.receipts.iter().filter(|(_, _, entry, _)| !world.lost.contains(entry)) {
        let ledger = &world.nodes[id].ledger;
        let holds = match ledger.leaf_of(entry) {
            Some(here) => here.0 == *leaf || *epoch != ledger.epoch,
            None => false,
        };
        if !holds {
            return Err(("receipts_hold", format!("{id} gave a receipt for {entry} at leaf {leaf} of epoch {epoch}")));
        }
    }
    Ok(())
}
