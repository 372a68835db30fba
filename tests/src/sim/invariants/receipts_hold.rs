//! An agency has every entry for which it gave a receipt, at the leaf that the receipt names. If it has begun a new epoch since, it has the
//! entry at any leaf. Entries that no node has any more do not count.

use super::Broken;
use crate::sim::ledger::Acknowledged;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    // An agency that has left is not linked any more.
    for node in world.honest().filter(|node| world.takes_part(&node.id)) {
        let holder = &node.id;
        let counts = |receipt: &&Acknowledged| !world.lost.contains(&receipt.entry) && !world.is_liar(&receipt.by);
        for Acknowledged { by, epoch, entry, leaf } in node.ledger.receipts.iter().filter(counts) {
            let ledger = &world.nodes[by].ledger;
            let holds = ledger.leaf_of(entry).is_some_and(|here| here == *leaf || *epoch != ledger.epoch);
            if !holds {
                let about = world.whereabouts(entry);
                let what =
                    format!("{holder} holds a receipt of {by} for {entry} at leaf {leaf} of epoch {epoch}: {about}");
                return Err(("receipts_hold", what));
            }
        }
    }
    Ok(())
}
