//! The liar delivers frames with more items than the limit.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_a_frame",
    promise: Promise::Fault(FaultCode::LimitExceeded),
    may: anybody,
    passes_everything_on: true,
    begin: || Box::new(Floods::default()),
};

/// Number of floods.
const FLOODS: u32 = 6;
/// Number of floods of which at least one has surely arrived.
const ENOUGH: u32 = 4;

#[derive(Default)]
struct Floods {
    told: u32,
}

impl Lie for Floods {
    fn says(&mut self, _: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Deliver(mut deliver)) = frame.kind else { return vec![frame] };
        if self.told < FLOODS {
            self.told += 1;
            deliver.items.resize(limits::FRAME_ITEMS + 1, wire::Item::default());
        }
        vec![Frame { kind: Some(Kind::Deliver(deliver)) }]
    }

    fn was_told(&self, _: &Node, _: &Others<'_>) -> bool {
        self.told >= ENOUGH
    }
}
