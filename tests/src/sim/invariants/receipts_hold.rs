//! An agency has every entry for which it gave a receipt, at the leaf that the receipt names. If it has begun a new epoch since, it has the
//! entry at any leaf, as long as it may read the complaint. Entries that no node has any more do not count.
//!
//! An agency whose keys were revoked and whose ledger was set back may not notice it, because what others hold under those keys proves nothing.

use sinergi_proto::base::ids::{AgencyId, EntryId};

use super::Broken;
use crate::sim::ledger::{Acknowledged, Ledger};
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    // An agency that has left is not linked any more. If its ledger is set back after that, nobody tells it.
    for node in world.honest().filter(|node| world.takes_part(&node.id)) {
        let holder = &node.id;
        let is_unnoticed =
            |agency: &AgencyId| world.charters().has_revoked(agency) && world.archive.is_set_back(agency);
        let counts = |receipt: &&Acknowledged| {
            !world.lost.contains(&receipt.entry)
                && !world.is_liar(&receipt.by)
                && world.takes_part(&receipt.by)
                && !is_unnoticed(&receipt.by)
        };
        for Acknowledged { by, epoch, entry, leaf } in node.ledger.receipts.iter().filter(counts) {
            let ledger = &world.nodes[by].ledger;
            let holds = match ledger.leaf_of(entry) {
                Some(here) => here == *leaf || *epoch != ledger.epoch,
                None => *epoch != ledger.epoch && !reads(world, by, &node.ledger, entry),
            };
            if !holds {
                let about = world.whereabouts(entry);
                let what =
                    format!("{holder} holds a receipt of {by} for {entry} at leaf {leaf} of epoch {epoch}: {about}");
                return Err(("receipts_hold", what));
            }
        }
    }
    Ok(())
}

/// Whether an agency is to have an entry now, by the newest charter. A ledger knows the complaint.
fn reads(world: &World, agency: &AgencyId, ledger: &Ledger, entry: &EntryId) -> bool {
    let leaf = ledger.leaf_of(entry).map(|index| ledger.leaf(index));
    let case = leaf.and_then(|leaf| leaf.entry.complaint).and_then(|complaint| ledger.cases.get(&complaint));
    case.is_none_or(|case| {
        let participants = case.complaint.participants();
        participants.contains(agency) || world.charters().newest().observers(participants).contains(agency)
    })
}
