//! The liar's frames begin after the place where the frame before ended, and so leave out entries.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{Frame, frame::Kind};

use super::told::ToldOver;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "cursors_leave_a_gap",
    detection: Detection::Fault(FaultCode::BadCursor),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Gaps::default()),
};

/// Number of connections to each peer over which the lie is told.
const WRONG: usize = 8;
/// Number of leaves that are left out.
const GAP: u64 = 1000;

#[derive(Default)]
struct Gaps {
    told: ToldOver,
}

impl Lie for Gaps {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Deliver(mut deliver)) = frame.kind else { return vec![frame] };
        if self.told.times(to) < WRONG
            && let Some(after) = &mut deliver.after
        {
            self.told.note(liar, to);
            after.index += GAP;
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
