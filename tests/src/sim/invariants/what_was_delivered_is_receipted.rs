//! For every entry that an honest agency has delivered to an honest peer, and still owes it, it holds a receipt of that peer: what was taken can be
//! proven.

use super::Broken;
use crate::sim::world::World;

const NAME: &str = "what_was_delivered_is_receipted";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for ((sender, receiver), entries) in &world.archive.delivered {
        if world.is_liar(sender) || world.is_liar(receiver) {
            continue;
        }
        let ledger = &world.nodes[sender].ledger;
        let receipted = ledger.answered.get(receiver);
        for entry in entries {
            // What has come back from the receiver after a loss is not owed to it, nor what was given back to its author.
            let is_owed = ledger
                .leaf_of(entry)
                .map(|leaf| ledger.leaf(leaf))
                .is_some_and(|leaf| leaf.entry.author != *receiver && leaf.header.from.as_ref() != Some(receiver));
            if is_owed && !receipted.is_some_and(|receipted| receipted.contains(entry)) {
                let about = world.whereabouts(entry);
                return Err((NAME, format!("{sender} holds no receipt of {receiver} for {entry}: {about}")));
            }
        }
    }
    Ok(())
}
