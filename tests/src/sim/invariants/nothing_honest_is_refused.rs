//! What an honest node wrote is refused by nobody, whatever happened on its way.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for (id, node) in &world.nodes {
        if let Some((peer, entry, code)) = node.ledger.refused.first() {
            return Err(("nothing_honest_is_refused", format!("{id} refused {entry} from {peer} with {code}")));
        }
    }
    Ok(())
}
