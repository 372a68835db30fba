//! A former holder that acts on an old custody step, although it knows that custody has moved on, has no effect. Where a thief moved custody, the former
//! holder is the holder again.

use sinergi_proto::complaint::Standing;

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        for complaint in node.ledger.cases.values().map(|case| &case.complaint) {
            if complaint.timeline().any(|(id, _)| complaint.is_disputed(&id)) {
                continue;
            }
            for entry in &world.stale_acts {
                if let Some(standing @ (Standing::Effective | Standing::Superseded { .. })) = complaint.standing(entry)
                {
                    let what = format!("at {id}, {entry} of {:?} is {standing:?}", complaint.id());
                    return Err(("stale_acts_have_no_effect", what));
                }
            }
        }
    }
    Ok(())
}
