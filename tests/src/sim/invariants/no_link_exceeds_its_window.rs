//! A link never has more in flight than its window allows, in either direction, however slow the disk and the peer are.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    match &world.window_exceeded {
        Some(what) => Err(("no_link_exceeds_its_window", what.clone())),
        None => Ok(()),
    }
}
