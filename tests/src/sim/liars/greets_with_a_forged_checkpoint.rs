//! The liar shows peers a checkpoint of their own ledgers that is larger than they are, signed with its own keys, to stop them.
//!
//! What the peer has not signed itself moves nothing.

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

/// More leaves than any ledger of a run has.
const MORE: u64 = 1 << 20;
/// A time within the run, in seconds since 1970.
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
