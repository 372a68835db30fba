//! Only participants have confidential contents, and only the intake agency has the reporter's identity, except for disclosed contents.

use std::collections::BTreeMap;

use sinergi_proto::entry::{Body, CaseAct, ContentClass};

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let mut participants = BTreeMap::new();
    for case in world.nodes.values().flat_map(|node| node.ledger.cases.values()) {
        let known: &mut std::collections::BTreeSet<_> = participants.entry(case.complaint.id()).or_default();
        // Before the key was revoked, an offer under it made its addressee a participant.
        let readers = case.complaint.readers();
        known.extend(readers.participants.union(readers.formerly_offered).cloned());
    }
    for node in world.honest() {
        let id = &node.id;
        for leaf in node.ledger.leaves.iter().filter(|leaf| leaf.entry.author != *id) {
            let Some(complaint) = leaf.entry.complaint else { continue };
            let disclosed =
                matches!(&leaf.entry.body, Body::Case { act: CaseAct::Disclosed { to, .. }, .. } if to == id);
            for content in &leaf.contents {
                let allowed = match leaf.entry.commitments[content.commitment as usize].class {
                    ContentClass::Public => true,
                    ContentClass::Confidential => participants[&complaint].contains(id),
                    ContentClass::Identity => false,
                };
                if !allowed && !disclosed {
                    return Err(("only_readers_have_contents", format!("{id} has a content of {}", leaf.entry.id)));
                }
            }
        }
    }
    Ok(())
}
