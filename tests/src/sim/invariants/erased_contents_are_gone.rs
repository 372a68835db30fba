//! No node has a content that was erased: not in its ledger, not in the ledger of an earlier epoch, and also not as an agency that passed the content
//! on once or reads the complaint no longer.

use std::collections::BTreeSet;

use sinergi_proto::base::ids::EntryId;

use super::Broken;
use crate::sim::node::Node;
use crate::sim::world::World;

const NAME: &str = "erased_contents_are_gone";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        if node.has_nothing_to_commit() && node.ledger.has_spent_items() {
            let what =
                format!("{} has a copy of an item that is no longer deferred: an erasure would not find it", node.id);
            return Err((NAME, what));
        }
        check_node(node, &erased_at(node), "it has the order to erase it")?;
    }
    if !world.passes_everything_on() {
        return Ok(());
    }
    let taking_part = || world.honest().filter(|node| world.takes_part(&node.id));
    let erased: BTreeSet<EntryId> = taking_part().flat_map(erased_at).collect();
    taking_part().try_for_each(|node| check_node(node, &erased, "another agency has the order to erase it"))
}

/// The entries whose contents a node knows to be erased.
fn erased_at(node: &Node) -> BTreeSet<EntryId> {
    node.ledger.cases.values().flat_map(|case| case.complaint.erased_entries()).collect()
}

fn check_node(node: &Node, erased: &BTreeSet<EntryId>, why: &str) -> Result<(), Broken> {
    let id = &node.id;
    if let Some(entry) = node.ledger.earlier_contents.intersection(erased).next() {
        return Err((NAME, format!("{id} has a content of {entry} in the ledger of an earlier epoch: {why}")));
    }
    let holds = |entry: &&EntryId| {
        let leaf = node.ledger.leaf_of(entry).map(|index| node.ledger.leaf(index));
        leaf.is_some_and(|leaf| !leaf.contents.is_empty())
    };
    match erased.iter().find(holds) {
        Some(entry) => Err((NAME, format!("{id} has a content of {entry}: {why}"))),
        None => Ok(()),
    }
}
