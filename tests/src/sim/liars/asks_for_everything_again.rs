//! The liar claims with every link that it has nothing, although it has acknowledged everything, and ends the link when it got it.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::entry::id_in;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Broken, Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "asks_for_everything_again",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Asks::default()),
};

/// How often it makes each peer end the link.
const LINKS: u32 = 60;
/// How often an honest peer may send one entry in a run: four times an hour for about six hours, and again after each link that a fault broke.
const MOST: usize = 45;

#[derive(Default)]
struct Asks {
    /// How often each peer was made to end the link.
    ended: BTreeMap<AgencyId, u32>,
    /// How often each peer sent the entry that it sent first.
    first: BTreeMap<AgencyId, (Vec<u8>, usize)>,
}

impl Lie for Asks {
    fn on_send(&mut self, _: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        if let Some(Kind::Hello(hello)) = frame.kind {
            return vec![Frame { kind: Some(Kind::Hello(wire::Hello { have_cursor: None, ..hello })) }];
        }
        let ended = self.ended.entry(to.clone()).or_default();
        if matches!(&frame.kind, Some(Kind::Ping(_))) && self.first.contains_key(to) && *ended < LINKS {
            *ended += 1;
            // A second Hello makes the peer end the link.
            return vec![frame, Frame { kind: Some(Kind::Hello(wire::Hello::default())) }];
        }
        vec![frame]
    }

    fn on_receive(&mut self, _: &Node, from: &AgencyId, frame: Frame) -> Frame {
        if let Some(Kind::Deliver(deliver)) = &frame.kind {
            for id in deliver.items.iter().filter_map(|item| id_in(&item.signed_entry)) {
                let (first, times) = self.first.entry(from.clone()).or_insert_with(|| (id.0.to_vec(), 0));
                *times += usize::from(*first == id.0);
            }
        }
        frame
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        honest.all().filter(|node| self.ended.contains_key(&node.id)).collect()
    }

    fn must_hold(&self, _: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            let times = self.first.get(&node.id).map(|(_, times)| *times).unwrap_or_default();
            if times > MOST {
                return Err((
                    "a_peer_gets_everything_again_seldom",
                    format!("{} sent an entry {times} times", node.id),
                ));
            }
        }
        Ok(())
    }
}
