//! The state that grew entry by entry is the one that folding all entries from nothing gives.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        let again = node.ledger.folded_from_nothing();
        for (complaint, case) in &node.ledger.cases {
            // The engine has grown its own, unless it has dropped it from memory.
            let case = node.in_memory(complaint).unwrap_or(case);
            let (grown, anew) = (&case.complaint, again.get(complaint).map(|case| &case.complaint));
            let same = anew.is_some_and(|anew| {
                anew.digest() == grown.digest() && anew.custody() == grown.custody() && anew.case() == grown.case()
            });
            if !same {
                return Err(("incremental_equals_from_nothing", format!("{id}: {complaint:?}")));
            }
        }
    }
    Ok(())
}
