//! The liar asks more questions about a ledger at once than any honest auditor.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_questions",
    promise: Promise::Fault(FaultCode::LimitExceeded),
    may: anybody,
    passes_everything_on: true,
    begin: || Box::new(Floods::default()),
};

/// Number of floods.
const FLOODS: u32 = 6;
/// Number of floods of which at least one has surely arrived.
const ENOUGH: u32 = 4;
/// Number of questions in one flood.
const QUESTIONS: u64 = 40;

#[derive(Default)]
struct Floods {
    told: u32,
}

impl Lie for Floods {
    fn says(&mut self, _: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let is_ping = matches!(&frame.kind, Some(Kind::Ping(_)));
        if !is_ping || self.told >= FLOODS {
            return vec![frame];
        }
        self.told += 1;
        let question = |number| Frame { kind: Some(Kind::Prove(wire::Prove { number, ..Default::default() })) };
        // The session's own questions have small numbers.
        std::iter::once(frame).chain((0..QUESTIONS).map(|number| question((1 << 40) + number))).collect()
    }

    fn was_told(&self, _: &Node, _: &Others<'_>) -> bool {
        self.told >= ENOUGH
    }
}
