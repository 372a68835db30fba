//! A link has no more frames under way than its window allows, either way, however slow disk and peer are.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    match &world.overfull {
        Some(what) => Err(("no_more_is_under_way_than_the_window", what.clone())),
        None => Ok(()),
    }
}
