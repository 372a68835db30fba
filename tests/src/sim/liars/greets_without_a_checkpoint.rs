//! The liar shows no checkpoint of its ledger, neither in its Hello nor later. Peers that watch its ledger have nothing to compare.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::wire::{self, Frame, accusation::Finding, frame::Kind};

use super::facade::own_checkpoint;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_without_a_checkpoint",
    detection: Detection::Evidence(&["unresponsive"]),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Greets),
};

struct Greets;

impl Lie for Greets {
    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        match frame.kind {
            Some(Kind::Hello(hello)) => {
                let checkpoint = Vec::new();
                vec![Frame { kind: Some(Kind::Hello(wire::Hello { checkpoint, ..hello })) }]
            }
            Some(Kind::Checkpoints(mut gossip)) => {
                gossip.notes.retain(|note| own_checkpoint(liar, note).is_none());
                if gossip.notes.is_empty() { Vec::new() } else { vec![Frame { kind: Some(Kind::Checkpoints(gossip)) }] }
            }
            _ => vec![frame],
        }
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        honest.auditors().filter(|node| node.links.contains_key(&liar.id)).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        matches!(sign, Sign::Finding(Finding::Unresponsive(_)))
    }
}
