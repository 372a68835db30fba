//! The liar asks more questions about a ledger at once than any honest auditor.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::told::ToldOver;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_questions",
    detection: Detection::Fault(FaultCode::LimitExceeded),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Floods::default()),
};

/// Number of connections to each peer over which the lie is told.
const FLOODS: usize = 6;
/// Number of questions in one flood.
const QUESTIONS: u64 = 40;

#[derive(Default)]
struct Floods {
    told: ToldOver,
}

impl Lie for Floods {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let is_ping = matches!(&frame.kind, Some(Kind::Ping(_)));
        if !is_ping || self.told.times(to) >= FLOODS {
            return vec![frame];
        }
        self.told.note(liar, to);
        let question = |number| Frame { kind: Some(Kind::Prove(wire::Prove { number, ..Default::default() })) };
        // The session's own questions have small numbers.
        std::iter::once(frame).chain((0..QUESTIONS).map(|number| question((1 << 40) + number))).collect()
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.told.reached(honest)
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
