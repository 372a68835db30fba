//! No honest node ends a link with another honest node because of a fault, as long as the connection lost no frame and kept the order.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    match &world.at_fault {
        Some(what) => Err(("no_honest_link_is_at_fault", what.clone())),
        None => Ok(()),
    }
}
