//! Every lie that reached somebody who must find it is found, as the design promises, and proved to strangers: when all agree, one audit round
//! later at most.

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
    Err(("every_lie_is_found", format!("{} {name} and nobody found it as {:?}", liar.id, kind.promise)))
}
