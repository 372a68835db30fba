//! Two nodes that do not defer an entry come to the same verdict on it, whatever other entries of the complaint they have.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    match &world.disagreement {
        Some(what) => Err(("all_nodes_come_to_the_same_verdict", what.clone())),
        None => Ok(()),
    }
}
