//! Every lie that reached a node that must find it is found in the promised way, at the latest by the last audit round.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let Some((kind, liar)) = world.lie() else { return Ok(()) };
    let Some(lie) = liar.lie() else { return Ok(()) };
    let others = world.others(liar);
    lie.must_hold(liar, &others)?;
    if !lie.was_told(liar, &others) || world.is_found(kind.promise) {
        return Ok(());
    }
    let name = kind.name;
    Err(("every_lie_is_found", format!("{} told {name} and no node found it as {:?}", liar.id, kind.promise)))
}
