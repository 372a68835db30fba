//! Every lie that reached a node that must find it is found in the promised way, at the latest by the last audit round.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let Some((kind, liar)) = world.lie() else { return Ok(()) };
    let Some(lie) = liar.lie() else { return Ok(()) };
    let honest = world.honest_nodes(liar);
    lie.must_hold(liar, &honest)?;
    if !lie.is_detectable(liar, &honest) || world.is_found(kind.detection) {
        return Ok(());
    }
    let name = kind.name;
    Err(("every_lie_is_found", format!("{} told {name} and no node found it as {:?}", liar.id, kind.detection)))
}
