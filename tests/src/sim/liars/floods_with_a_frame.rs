//! The liar delivers frames with more items than the limit.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::told::ToldOver;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_a_frame",
    detection: Detection::Fault(FaultCode::LimitExceeded),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Floods::default()),
};

/// Number of connections to each peer over which the lie is told.
const FLOODS: usize = 6;

#[derive(Default)]
struct Floods {
    told: ToldOver,
}

impl Lie for Floods {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Deliver(mut deliver)) = frame.kind else { return vec![frame] };
        if self.told.times(to) < FLOODS {
            self.told.note(liar, to);
            deliver.items.resize(limits::FRAME_ITEMS + 1, wire::Item::default());
        }
        vec![Frame { kind: Some(Kind::Deliver(deliver)) }]
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.told.reached(honest)
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
