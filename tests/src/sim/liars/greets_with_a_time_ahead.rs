//! The liar shows checkpoints with a time in the future, when a link comes up and later.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::facade::own_checkpoint;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_with_a_time_ahead",
    detection: Detection::Fault(FaultCode::CheckpointTime),
    can_tell: any_agency,
    passes_everything_on: false,
    begin: || Box::new(Greets),
};

/// How far the times are ahead, in seconds.
const AHEAD: u64 = 24 * 3600;

struct Greets;

fn ahead(liar: &Node, note: &[u8]) -> Vec<u8> {
    let Some(shown) = own_checkpoint(liar, note) else { return note.to_vec() };
    let Some(seconds) = shown.seconds.map(|seconds| seconds + AHEAD) else { return note.to_vec() };
    liar.checkpoint_signer(shown.epoch).sign(shown.size, shown.root, seconds)
}

impl Lie for Greets {
    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let kind = frame.kind.map(|kind| match kind {
            Kind::Ready(ready) => Kind::Ready(wire::Ready { checkpoint: ahead(liar, &ready.checkpoint) }),
            Kind::Checkpoints(gossip) => {
                let notes = gossip.notes.iter().map(|note| ahead(liar, note)).collect();
                Kind::Checkpoints(wire::CheckpointNotes { notes })
            }
            other => other,
        });
        vec![Frame { kind }]
    }

    // A peer may show the liar the future checkpoint as a sighting, which would stop it.
    fn obeys_rollback_guard(&self) -> bool {
        false
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let cosigns = |node: &&Node| node.signed().is_some_and(|signed| signed.seen.seconds.is_some());
        let liar_cosigns = cosigns(&liar);
        honest.auditors().filter(|node| liar_cosigns && cosigns(node)).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        matches!(sign, Sign::EndedLink(_))
    }
}
