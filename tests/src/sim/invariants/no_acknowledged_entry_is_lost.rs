//! An entry that a node acknowledged to its operator stays in the node's ledger, unless the ledger was set back before another node had it, or
//! after the agencies that have it left the federation. Nor does an entry count that was signed under a key which was revoked since: what others
//! hold of it proves nothing any more, so it does not tell the node that its ledger was set back.

use sinergi_proto::base::ids::EntryId;

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for (entry, id) in world.acknowledged.iter().filter(|(_, id)| !world.is_liar(id) && world.takes_part(id)) {
        let is_here = world.nodes[id].ledger.leaf_of(entry).is_some();
        let is_excused = || world.lost.contains(entry) || has_left(world, entry) || is_disputed(world, entry);
        if !is_here && !is_excused() {
            let what = format!("{id} has lost {entry}: {}", world.whereabouts(entry));
            return Err(("no_acknowledged_entry_is_lost", what));
        }
    }
    Ok(())
}

fn is_disputed(world: &World, entry: &EntryId) -> bool {
    let mut leaves = world.honest().filter_map(|node| Some(&node.ledger.leaf(node.ledger.leaf_of(entry)?).entry));
    leaves.next().is_some_and(|entry| world.charters().disputes_entry(&entry.author, entry.key_id, &entry.id))
}

/// Whether the entry is only at agencies that have left.
fn has_left(world: &World, entry: &EntryId) -> bool {
    let mut holders = world.honest().filter(|node| node.ledger.leaf_of(entry).is_some()).peekable();
    holders.peek().is_some() && holders.all(|node| !world.takes_part(&node.id))
}
