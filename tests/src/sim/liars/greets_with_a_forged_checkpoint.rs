//! In its Hello the liar shows each peer a checkpoint of the peer's own ledger that is larger than the ledger, to stop the peer. The liar
//! signs it with its own keys.
//!
//! A checkpoint that the peer has not signed itself has no effect.

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Broken, Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_with_a_forged_checkpoint",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Forges),
};

/// Number of leaves in the forged checkpoint: more than any ledger of a run has.
const MORE: u64 = 1 << 20;
/// The time in the forged checkpoint, in seconds since 1970. It is within the run.
const SECONDS: u64 = 1_764_000_100;

struct Forges;

impl Lie for Forges {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Hello(hello)) = frame.kind else { return vec![frame] };
        let seen_of_you = liar.forged_signer(to, Epoch::FIRST).sign(MORE, [7; 32], SECONDS);
        vec![Frame { kind: Some(Kind::Hello(wire::Hello { seen_of_you, ..hello })) }]
    }

    fn is_detectable(&self, _: &Node, _: &HonestNodes<'_>) -> bool {
        true
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        let by_liar = |node: &&Node| node.ledger.sightings.iter().any(|seen| seen.by.as_ref() == Some(&liar.id));
        match honest.all().find(by_liar) {
            Some(node) => Err(("a_forged_checkpoint_stops_nobody", format!("{} was stopped by {}", node.id, liar.id))),
            None => Ok(()),
        }
    }
}
