//! At the end, every honest agency that should have a complaint has all of its entries, and as a participant also its public contents. No
//! item is deferred, everything is acknowledged, and all nodes use the newest charter.
//!
//! An agency that has left neither sends nor gets entries. An agency that observes a complaint only since a later charter gets it with the
//! first entry that was written under that charter (see [`Scenario::NewOverseer`]).

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId};
use sinergi_proto::complaint::Complaint;
use sinergi_proto::entry::{Body, CaseAct, ContentClass, Entry};
use sinergi_proto::wire;

use super::Broken;
use crate::sim::node::{Node, State};
use crate::sim::scenarios::Scenario;
use crate::sim::topology::FEDERATION;
use crate::sim::world::World;

const NAME: &str = "converged";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest().filter(|node| world.takes_part(&node.id)) {
        check_node(world, node)?;
    }
    if !world.passes_everything_on() {
        return Ok(());
    }
    let complaints = complaints_of_all(world);
    complaints.iter().try_for_each(|(complaint, of_all)| check_complaint(world, *complaint, of_all))
}

/// A node uses the newest charter, signs times, defers nothing, and each of its honest peers has acknowledged everything.
fn check_node(world: &World, node: &Node) -> Result<(), Broken> {
    if node.charter().version != world.charters().newest().version {
        return Err((NAME, format!("{} goes by charter version {}", node.id, node.charter().version)));
    }
    if node.state != State::Clear {
        let (generation, version) = (node.generation(), node.charter().version);
        let revoked = node.has_revoked_key();
        return Err((
            NAME,
            format!(
                "{} is {:?}, {:?}, with keys of generation {generation} (revoked: {revoked}) under charter {version}",
                node.id,
                node.state,
                node.guard_state()
            ),
        ));
    }
    signs_times(world, node)?;
    let waits = |(_, item): &&(_, Vec<u8>)| !builds_on_the_lost(world, item);
    let waiting = node.ledger.deferred.values().find(waits).filter(|_| world.passes_everything_on());
    if let Some((header, item)) = waiting {
        let about = world.whereabouts(&header.entry);
        let item = wire::Item::decode(item.as_slice()).ok();
        let entry = item.and_then(|item| Entry::parse(item.signed_entry, FEDERATION).ok());
        let lacks = |parent: &&EntryId| node.ledger.leaf_of(parent).is_none();
        let parents = entry.iter().flat_map(|entry| entry.parents.iter().filter(lacks));
        let parents: Vec<String> = parents.map(|parent| world.whereabouts(parent)).collect();
        let (peer, id, detail) = (&header.peer, &node.id, &header.detail);
        return Err((NAME, format!("an item of {peer} waits at {id}: {detail}; {about}; it lacks {parents:?}")));
    }
    for peer in node.adjacent().iter().filter(|peer| !world.is_liar(peer) && world.takes_part(peer)) {
        let acknowledged = node.links.get(peer).and_then(|link| link.acknowledged);
        let Some(has) = acknowledged else { return Err((NAME, format!("{} is not linked with {peer}", node.id))) };
        let end = node.ledger.end();
        if has != end {
            return Err((NAME, format!("{peer} has acknowledged {has} of {}, which ends at {end}", node.id)));
        }
        let taken_there = |entry: &EntryId| world.nodes[peer].ledger.leaf_of(entry).is_some();
        let of_peer = node.ledger.unsettled.iter().filter(|((of, _), _)| of == peer);
        if let Some((_, unsettled)) = of_peer.into_iter().find(|(_, unsettled)| taken_there(&unsettled.item.entry)) {
            let (entry, id) = (&unsettled.item.entry, &node.id);
            return Err((NAME, format!("{peer} has taken {entry}, and {id} has no receipt that says so")));
        }
    }
    Ok(())
}

/// A complaint as all honest nodes together know it.
#[derive(Default)]
struct OfAll {
    entries: BTreeSet<EntryId>,
    participants: BTreeSet<AgencyId>,
    observers: BTreeSet<AgencyId>,
    /// The newest charter version under which an entry of the complaint was written.
    newest_charter: u64,
}

fn complaints_of_all(world: &World) -> BTreeMap<ComplaintId, OfAll> {
    let mut complaints: BTreeMap<ComplaintId, OfAll> = BTreeMap::new();
    for node in world.honest().filter(|node| world.takes_part(&node.id)) {
        for case in node.ledger.cases.values() {
            let complaint = &case.complaint;
            let of_all = complaints.entry(complaint.id()).or_default();
            of_all.entries.extend(complaint.timeline().map(|(id, _)| id));
            of_all.participants.extend(complaint.participants().iter().cloned());
            of_all.observers.extend(node.charter().observers(complaint.participants()).into_iter().cloned());
        }
        for entry in node.ledger.leaves.iter().map(|leaf| &leaf.entry) {
            if let Some(of_all) = entry.complaint.and_then(|complaint| complaints.get_mut(&complaint)) {
                of_all.newest_charter = entry.charter.version.max(of_all.newest_charter);
            }
        }
    }
    complaints
}

/// Every honest agency that reads the complaint has all of its entries, and a participant has its public contents.
fn check_complaint(world: &World, complaint: ComplaintId, of_all: &OfAll) -> Result<(), Broken> {
    let OfAll { entries, participants, observers, newest_charter } = of_all;
    let is_given = |agency: &&AgencyId| {
        participants.contains(*agency) || *newest_charter >= observes_since(world, agency, participants)
    };
    let is_honest = |agency: &&AgencyId| world.takes_part(agency) && !world.is_liar(agency);
    for agency in participants.union(observers).filter(is_honest).filter(is_given) {
        let case = world.nodes[agency].ledger.cases.get(&complaint);
        let timeline = case.iter().flat_map(|case| case.complaint.timeline());
        let has: BTreeSet<EntryId> = timeline.map(|(id, _)| id).collect();
        if let Some(missing) = entries.difference(&has).next() {
            let about = world.whereabouts(missing);
            return Err((NAME, format!("{agency} lacks {missing} of {complaint:?}: {about}")));
        }
        if participants.contains(agency) {
            check_contents(world, agency, complaint)?;
        }
    }
    Ok(())
}

/// The charter version since which an agency observes a complaint with these participants.
fn observes_since(world: &World, agency: &AgencyId, participants: &BTreeSet<AgencyId>) -> u64 {
    if world.plan.scenario == Some(Scenario::NewOverseer) {
        return 0;
    }
    let charters = world.charters();
    let observes = |version: &u64| {
        charters.version(*version).is_some_and(|charter| charter.observers(participants).contains(agency))
    };
    (1..=charters.newest().version).rev().take_while(observes).last().unwrap_or(u64::MAX)
}

/// Whether an item waits for an entry that no node has any more, because a ledger was set back or its author has left.
fn builds_on_the_lost(world: &World, item: &[u8]) -> bool {
    let item: wire::Item = prost::Message::decode(item).expect("an item that a node encoded");
    let Ok(entry) = Entry::parse(item.signed_entry, FEDERATION) else { return false };
    let has = |node: &Node, parent: &EntryId| world.takes_part(&node.id) && node.ledger.leaf_of(parent).is_some();
    let is_gone = |parent: &EntryId| !world.nodes.values().any(|node| has(node, parent));
    let may_be_gone = !world.lost.is_empty() || world.nodes.keys().any(|id| world.has_left(id));
    may_be_gone && entry.parents.iter().any(is_gone)
}

/// A participant has every public content that its author still has, unless the author has left.
fn check_contents(world: &World, agency: &AgencyId, complaint: ComplaintId) -> Result<(), Broken> {
    // A disclosed content goes to one agency only.
    let is_disclosed = |entry: &Entry| matches!(&entry.body, Body::Case { act: CaseAct::Disclosed { .. }, .. });
    let of_complaint = |entry: &Entry| entry.complaint == Some(complaint) && !is_disclosed(entry);
    for leaf in world.nodes[agency].ledger.leaves.iter().filter(|leaf| of_complaint(&leaf.entry)) {
        let held: Vec<u32> = leaf.contents.iter().map(|content| content.commitment).collect();
        // An author that reads the complaint no longer may lack the order to erase, and keep what the others have erased.
        let case = &world.nodes[agency].ledger.cases[&complaint].complaint;
        // Contents that an erasure destroyed do not come back, even if the key that signed the erasure is revoked later.
        let is_erased = || case.erases(&leaf.entry) || has_disputed_erasure(case);
        if is_erased() || world.has_left(&leaf.entry.author) {
            continue;
        }
        let author = &world.nodes[&leaf.entry.author].ledger;
        let at_author = author.leaf_of(&leaf.entry.id).map(|index| &author.leaf(index).contents);
        for content in at_author.into_iter().flatten() {
            let class = leaf.entry.commitments[content.commitment as usize].class;
            if class == ContentClass::Public && !held.contains(&content.commitment) {
                let (entry, body) = (leaf.entry.id, leaf.entry.body.name());
                return Err((
                    NAME,
                    format!("{agency} lacks a public content of {entry} ({body}): {}", world.whereabouts(&entry)),
                ));
            }
        }
    }
    Ok(())
}

fn has_disputed_erasure(complaint: &Complaint) -> bool {
    let is_order = |body: &Body| matches!(body, Body::Case { act: CaseAct::Erased { .. }, .. });
    complaint.timeline().any(|(id, known)| is_order(&known.body) && complaint.is_disputed(&id))
}

/// An honest peer has confirmed the clock. One liar cannot keep it from being confirmed.
fn signs_times(world: &World, node: &Node) -> Result<(), Broken> {
    let has_an_honest_peer = node.links.keys().any(|peer| !world.is_liar(peer));
    if has_an_honest_peer && node.signed().is_none_or(|signed| signed.seen.seconds.is_none()) {
        return Err((NAME, format!("the newest checkpoint of {} carries no time", node.id)));
    }
    Ok(())
}
