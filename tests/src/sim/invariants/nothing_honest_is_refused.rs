//! No honest node refuses an entry of an honest node, whatever happened on the way.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::RefusalCode;

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        // A content may arrive after the entry that erases it.
        let is_refusal = |(from, _, code): &&(AgencyId, _, u32)| {
            *code != RefusalCode::ContentErased.number() && !world.is_liar(from)
        };
        if let Some((peer, entry, code)) = node.ledger.refused.iter().find(is_refusal) {
            return Err(("nothing_honest_is_refused", format!("{id} refused {entry} from {peer} with {code}")));
        }
    }
    Ok(())
}
