//! At most one offer of a complaint is open, and it is the newest entry of the custody path.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        for case in node.ledger.cases.values() {
            let (custody, tip) = (case.complaint.custody(), case.complaint.tip());
            if custody.offer.as_ref().is_some_and(|offer| offer.entry != tip) {
                return Err(("at_most_one_open_offer", format!("{id}: {:?}", case.complaint.id())));
            }
        }
    }
    Ok(())
}
