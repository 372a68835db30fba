//! For every entry that an honest agency has delivered to an honest peer, and still owes it, it holds a receipt of that peer: what was taken can be
//! proven. An agency that has left gives no receipts any more.

use super::Broken;
use crate::sim::ledger::Leaf;
use crate::sim::world::World;

const NAME: &str = "what_was_delivered_is_receipted";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for ((sender, receiver), entries) in &world.archive.delivered {
        if [sender, receiver].into_iter().any(|agency| world.is_liar(agency) || !world.takes_part(agency)) {
            continue;
        }
        let ledger = &world.nodes[sender].ledger;
        let receipted = ledger.answered.get(receiver);
        // An agency that was set back may have got an entry again on another way, or under another charter.
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
