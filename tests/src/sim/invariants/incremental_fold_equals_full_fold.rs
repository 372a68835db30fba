//! The state that was folded entry by entry, as the entries arrived, equals the state that is folded again in the order of their clocks.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        let again = node.ledger.folded_in_order_of_time();
        for (complaint, case) in &node.ledger.cases {
            // The engine folds its own state, unless it has dropped the complaint from its cache.
            let case = node.in_memory(complaint).unwrap_or(case);
            let (grown, anew) = (&case.complaint, again.get(complaint));
            let same = anew.is_some_and(|anew| {
                anew.digest() == grown.digest() && anew.custody() == grown.custody() && anew.case() == grown.case()
            });
            if !same {
                return Err(("incremental_fold_equals_full_fold", format!("{id}: {complaint:?}")));
            }
        }
    }
    Ok(())
}
