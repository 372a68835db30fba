//! The liar's frames begin after the place where the frame before ended, and so leave out entries.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{Frame, frame::Kind};

use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "cursors_leave_a_gap",
    detection: Detection::Fault(FaultCode::BadCursor),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Gaps::default()),
};

/// Number of wrong frames.
const WRONG: u32 = 8;
/// Number of wrong frames of which at least one has surely arrived.
const ENOUGH: u32 = 4;
/// Number of leaves that are left out.
const GAP: u64 = 1000;

#[derive(Default)]
struct Gaps {
    sent: u32,
}

impl Lie for Gaps {
    fn on_send(&mut self, _: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Deliver(mut deliver)) = frame.kind else { return vec![frame] };
        if self.sent < WRONG
            && let Some(after) = &mut deliver.after
        {
            self.sent += 1;
            after.index += GAP;
        }
        vec![Frame { kind: Some(Kind::Deliver(deliver)) }]
    }

    fn is_detectable(&self, _: &Node, _: &HonestNodes<'_>) -> bool {
        self.sent >= ENOUGH
    }
}
