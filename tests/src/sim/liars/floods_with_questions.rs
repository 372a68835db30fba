//! The liar asks more questions about a ledger at once than any honest auditor.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_questions",
    detection: Detection::Fault(FaultCode::LimitExceeded),
    can_tell: any_agency,
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
    sent: u32,
}

impl Lie for Floods {
    fn on_send(&mut self, _: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let is_ping = matches!(&frame.kind, Some(Kind::Ping(_)));
        if !is_ping || self.sent >= FLOODS {
            return vec![frame];
        }
        self.sent += 1;
        let question = |number| Frame { kind: Some(Kind::Prove(wire::Prove { number, ..Default::default() })) };
        // The session's own questions have small numbers.
        std::iter::once(frame).chain((0..QUESTIONS).map(|number| question((1 << 40) + number))).collect()
    }

    fn is_detectable(&self, _: &Node, _: &HonestNodes<'_>) -> bool {
        self.sent >= ENOUGH
    }
}
