//! When the network is quiet, every honest agency that should have a complaint has all its entries, with the public contents if it takes part; nothing
//! waits, and nothing is unacknowledged.

use std::collections::{BTreeMap, BTreeSet};

use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId};
use sinergi_proto::entry::{Body, CaseAct, ContentClass, Entry};
use sinergi_proto::wire;

use super::Broken;
use crate::sim::node::State;
use crate::sim::topology::FEDERATION;
use crate::sim::world::World;

const NAME: &str = "converged";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let mut whole: BTreeMap<ComplaintId, BTreeSet<EntryId>> = BTreeMap::new();
    let mut readers: BTreeMap<ComplaintId, (BTreeSet<AgencyId>, BTreeSet<AgencyId>)> = BTreeMap::new();
    for node in world.honest() {
        if node.state != State::Clear {
            return Err((NAME, format!("{} is {:?}", node.id, node.state)));
        }
        let waits = |(_, item): &&(_, Vec<u8>)| !builds_on_the_lost(world, item);
        let waiting = node.ledger.deferred.values().find(waits).filter(|_| world.passes_everything_on());
        if let Some((header, _)) = waiting {
            return Err((NAME, format!("an item of {} waits at {}", header.peer, node.id)));
        }
        for peer in node.adjacent().iter().filter(|peer| !world.is_liar(peer)) {
            let acknowledged = node.links.get(peer).and_then(|link| link.acknowledged);
            let Some(has) = acknowledged else { return Err((NAME, format!("{} is not linked with {peer}", node.id))) };
            let end = node.ledger.end();
            if has != end {
                return Err((NAME, format!("{peer} has acknowledged {has} of {}, which ends at {end}", node.id)));
            }
        }
        for case in node.ledger.cases.values() {
            let complaint = &case.complaint;
            whole.entry(complaint.id()).or_default().extend(complaint.timeline().map(|(id, _)| id));
            let (participants, observers) = readers.entry(complaint.id()).or_default();
            participants.extend(complaint.participants().iter().cloned());
            observers.extend(node.charter().observers(complaint.participants()).into_iter().cloned());
        }
    }
    if !world.passes_everything_on() {
        return Ok(());
    }
    for (complaint, entries) in &whole {
        let (participants, observers) = &readers[complaint];
        for agency in participants.union(observers).filter(|agency| !world.is_liar(agency)) {
            let node = &world.nodes[agency];
            let has: BTreeSet<EntryId> = node
                .ledger
                .cases
                .get(complaint)
                .iter()
                .flat_map(|case| case.complaint.timeline())
                .map(|(id, _)| id)
                .collect();
            if let Some(missing) = entries.difference(&has).next() {
                return Err((NAME, format!("{agency} lacks {missing} of {complaint:?}")));
            }
            if participants.contains(agency) {
                check_contents(world, agency, *complaint)?;
            }
        }
    }
    Ok(())
}

/// Whether an item waits for what nobody has any more: ledgers were set back before another had it.
fn builds_on_the_lost(world: &World, item: &[u8]) -> bool {
    let item: wire::Item = prost::Message::decode(item).expect("an item that a node encoded");
    let Ok(entry) = Entry::parse(item.signed_entry, FEDERATION) else { return false };
    let is_gone = |parent: &EntryId| world.nodes.values().all(|node| node.ledger.leaf_of(parent).is_none());
    !world.lost.is_empty() && entry.parents.iter().any(is_gone)
}

/// Whoever takes part has what is public, as long as its author still has it.
fn check_contents(world: &World, agency: &AgencyId, complaint: ComplaintId) -> Result<(), Broken> {
    // What is disclosed goes to one agency alone.
    let is_disclosed = |entry: &Entry| matches!(&entry.body, Body::Case { act: CaseAct::Disclosed { .. }, .. });
    let of_complaint = |entry: &Entry| entry.complaint == Some(complaint) && !is_disclosed(entry);
    for leaf in world.nodes[agency].ledger.leaves.iter().filter(|leaf| of_complaint(&leaf.entry)) {
        let held: Vec<u32> = leaf.contents.iter().map(|content| content.commitment).collect();
        let author = &world.nodes[&leaf.entry.author].ledger;
        let at_author = author.leaf_of(&leaf.entry.id).map(|index| &author.leaf(index).contents);
        for content in at_author.into_iter().flatten() {
            let class = leaf.entry.commitments[content.commitment as usize].class;
            if class == ContentClass::Public && !held.contains(&content.commitment) {
                let (entry, body) = (leaf.entry.id, leaf.entry.body.name());
                return Err((
                    NAME,
                    format!("{agency} lacks a public content of {entry} ({body} of {})", leaf.entry.author),
                ));
            }
        }
    }
    Ok(())
}
