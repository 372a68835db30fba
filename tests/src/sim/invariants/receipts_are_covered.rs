//! The checkpoint in each receipt of an honest agency covers every leaf that the receipt names.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for (by, given) in &world.archive.receipts {
        for receipt in given {
            let size = receipt.checkpoint.size;
            if let Some((entry, leaf)) = receipt.leaves().find(|(_, leaf)| leaf.0 >= size) {
                let what = format!("{by} acknowledged {entry} at leaf {leaf}, under a checkpoint of {size} leaves");
                return Err(("receipts_are_covered", what));
            }
        }
    }
    Ok(())
}
