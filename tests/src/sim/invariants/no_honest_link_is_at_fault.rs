//! Over a connection that kept all frames in their order, no honest peer says, or leaves unsaid, what the other ends the link for.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    match &world.at_fault {
        Some(what) => Err(("no_honest_link_is_at_fault", what.clone())),
        None => Ok(()),
    }
}
