//! In its Hello the liar shows each peer a checkpoint of the peer's own ledger that is larger than the ledger, to stop the peer. The liar
//! signs it with its own keys.
//!
//! A checkpoint that the peer has not signed itself has no effect.

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Broken, Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_with_a_forged_checkpoint",
    promise: Promise::Harmless,
    may: anybody,
    passes_everything_on: true,
    begin: || Box::new(Forges),
};

/// Number of leaves in the forged checkpoint: more than any ledger of a run has.
const MORE: u64 = 1 << 20;
/// The time in the forged checkpoint, in seconds since 1970. It is within the run.
const SECONDS: u64 = 1_764_000_100;

struct Forges;

impl Lie for Forges {
    fn says(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Hello(hello)) = frame.kind else { return vec![frame] };
        let seen_of_you = liar.forged_signer(to, Epoch::FIRST).sign(MORE, [7; 32], SECONDS);
        vec![Frame { kind: Some(Kind::Hello(wire::Hello { seen_of_you, ..hello })) }]
    }

    fn was_told(&self, _: &Node, _: &Others<'_>) -> bool {
        true
    }

    fn must_hold(&self, liar: &Node, others: &Others<'_>) -> Result<(), Broken> {
        let by_liar = |node: &&Node| node.ledger.sightings.iter().any(|seen| seen.by.as_ref() == Some(&liar.id));
        match others.honest().find(by_liar) {
            Some(node) => Err(("what_was_not_signed_moves_nothing", format!("{} was stopped by {}", node.id, liar.id))),
            None => Ok(()),
        }
    }
}
