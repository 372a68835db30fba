//! An honest agency holds a receipt for every entry that it delivered to an honest peer and that its ledger still routes to that peer. An
//! agency that has left gives no more receipts.

use super::Broken;
use crate::sim::ledger::Leaf;
use crate::sim::world::World;

const NAME: &str = "every_delivery_is_receipted";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for ((sender, receiver), entries) in &world.archive.delivered {
        if [sender, receiver].into_iter().any(|agency| world.is_liar(agency) || !world.takes_part(agency)) {
            continue;
        }
        let ledger = &world.nodes[sender].ledger;
        let receipted = ledger.answered_entries.get(receiver);
        // A sender that was set back may have got the entry again over another link, or under another charter, with other routes.
        let is_owed = |leaf: &Leaf| leaf.header.routes.iter().any(|route| route.to == *receiver);
        for entry in entries {
            let leaf = ledger.leaf_of(entry).map(|leaf| ledger.leaf(leaf));
            if leaf.is_some_and(is_owed) && !receipted.is_some_and(|receipted| receipted.contains(entry)) {
                let about = world.whereabouts(entry);
                return Err((NAME, format!("{sender} holds no receipt of {receiver} for {entry}: {about}")));
            }
        }
    }
    Ok(())
}
