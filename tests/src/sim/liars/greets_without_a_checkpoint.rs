//! The liar shows no checkpoint of its ledger, neither when a link comes up nor later. Peers that watch its ledger would have nothing to compare.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::facade::own_checkpoint;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_without_a_checkpoint",
    detection: Detection::Fault(FaultCode::NoCheckpoint),
    can_tell: any_agency,
    passes_everything_on: false,
    begin: || Box::new(Greets),
};

struct Greets;

impl Lie for Greets {
    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        match frame.kind {
            Some(Kind::Ready(_)) => vec![Frame { kind: Some(Kind::Ready(wire::Ready::default())) }],
            Some(Kind::Checkpoints(mut gossip)) => {
                gossip.notes.retain(|note| own_checkpoint(liar, note).is_none());
                if gossip.notes.is_empty() { Vec::new() } else { vec![Frame { kind: Some(Kind::Checkpoints(gossip)) }] }
            }
            _ => vec![frame],
        }
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        honest.auditors().collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        matches!(sign, Sign::EndedLink(_))
    }
}
