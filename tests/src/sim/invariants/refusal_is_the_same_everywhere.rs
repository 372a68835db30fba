//! Whatever entry comes, two nodes that do not have to wait for something judge it the same, however much else they have of the complaint.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    match &world.disagreement {
        Some(what) => Err(("refusal_is_the_same_everywhere", what.clone())),
        None => Ok(()),
    }
}
