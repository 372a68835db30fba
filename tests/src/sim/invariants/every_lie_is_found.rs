//! Every node that must find the lie of the run has found it in the promised way, at the latest by the last audit round.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let Some((kind, liar)) = world.lie() else { return Ok(()) };
    let Some(lie) = liar.lie() else { return Ok(()) };
    let honest = world.honest_nodes(liar);
    lie.must_hold(liar, &honest)?;
    let Some(node) = world.has_not_found(kind, lie, liar) else { return Ok(()) };
    let what = format!("{} told {}, and {} has not found it as {:?}", liar.id, kind.name, node.id, kind.detection);
    Err(("every_lie_is_found", what))
}
