//! The state that was folded entry by entry equals the state that is folded again from all entries.

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        let again = node.ledger.folded_from_scratch();
        for (complaint, case) in &node.ledger.cases {
            // The engine folds its own state, unless it has dropped the complaint from its cache.
            let case = node.in_memory(complaint).unwrap_or(case);
            let (grown, anew) = (&case.complaint, again.get(complaint).map(|case| &case.complaint));
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
