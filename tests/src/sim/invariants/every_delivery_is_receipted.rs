//! An honest agency holds an answer to every entry that it delivered to an honest peer and that its ledger still routes to that peer. For every leaf
//! that the peer got from it in its present epoch, it holds a receipt of that epoch which names the leaf, also if the peer deferred the entry first. An
//! agency that has left gives no more receipts.

use std::collections::BTreeSet;

use sinergi_proto::base::ids::EntryId;

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
            let has_receipt = |(_, entries): (_, &BTreeSet<EntryId>)| entries.contains(entry);
            if leaf.is_some_and(is_owed) && !receipted.is_some_and(|receipted| receipted.iter().any(has_receipt)) {
                let about = world.whereabouts(entry);
                return Err((NAME, format!("{sender} holds no receipt of {receiver} for {entry}: {about}")));
            }
        }
        // A receipt of an earlier epoch proves nothing about the present one.
        let present = &world.nodes[receiver].ledger;
        let receipted = ledger.taken_entries.get(receiver).and_then(|receipted| receipted.get(&present.epoch));
        for leaf in present.leaves.iter().filter(|leaf| !present.taken_over.contains(&leaf.entry.id)) {
            let (entry, is_from_sender) = (&leaf.entry.id, leaf.header.from.as_ref() == Some(sender));
            let is_still_owed = ledger.leaf_of(entry).is_some_and(|leaf| is_owed(ledger.leaf(leaf)));
            if is_from_sender && is_still_owed && !receipted.is_some_and(|receipted| receipted.contains(entry)) {
                let (epoch, about) = (present.epoch, world.whereabouts(entry));
                return Err((
                    NAME,
                    format!("{sender} holds no receipt of {receiver} in epoch {epoch} for {entry}: {about}"),
                ));
            }
        }
    }
    Ok(())
}
