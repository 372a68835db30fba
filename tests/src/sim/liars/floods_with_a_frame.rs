//! The liar delivers frames with more items than the limit.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_a_frame",
    detection: Detection::Fault(FaultCode::LimitExceeded),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Floods::default()),
};

/// Number of floods.
const FLOODS: u32 = 6;
/// Number of floods of which at least one has surely arrived.
const ENOUGH: u32 = 4;

#[derive(Default)]
struct Floods {
    sent: u32,
}

impl Lie for Floods {
    fn on_send(&mut self, _: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Deliver(mut deliver)) = frame.kind else { return vec![frame] };
        if self.sent < FLOODS {
            self.sent += 1;
            deliver.items.resize(limits::FRAME_ITEMS + 1, wire::Item::default());
        }
        vec![Frame { kind: Some(Kind::Deliver(deliver)) }]
    }

    fn is_detectable(&self, _: &Node, _: &HonestNodes<'_>) -> bool {
        self.sent >= ENOUGH
    }
}
