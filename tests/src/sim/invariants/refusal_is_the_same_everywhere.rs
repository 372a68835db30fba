//! Two nodes that do not defer an entry come to the same verdict on it, whatever other entries of the complaint they have.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    match &world.disagreement {
        Some(what) => Err(("refusal_is_the_same_everywhere", what.clone())),
        None => Ok(()),
    }
}
