//! The liar shows no checkpoint of its ledger, neither in its Hello nor later. Peers that watch its ledger have nothing to compare.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::facade::own_checkpoint;
use super::{Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_without_a_checkpoint",
    promise: Promise::Evidence(&["unresponsive"]),
    may: anybody,
    passes_everything_on: true,
    begin: || Box::new(Greets),
};

struct Greets;

impl Lie for Greets {
    fn says(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        match frame.kind {
            Some(Kind::Hello(hello)) => {
                let checkpoint = Vec::new();
                vec![Frame { kind: Some(Kind::Hello(wire::Hello { checkpoint, ..hello })) }]
            }
            Some(Kind::Checkpoints(mut told)) => {
                told.notes.retain(|note| own_checkpoint(liar, note).is_none());
                if told.notes.is_empty() { Vec::new() } else { vec![Frame { kind: Some(Kind::Checkpoints(told)) }] }
            }
            _ => vec![frame],
        }
    }

    fn was_told(&self, liar: &Node, others: &Others<'_>) -> bool {
        others.auditors().any(|node| node.links.contains_key(&liar.id))
    }
}
