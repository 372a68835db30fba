//! The liar sends checkpoints faster than any honest peer. Each of them costs signature checks.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::told::ToldOver;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_checkpoints",
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
        let is_ping = matches!(&frame.kind, Some(Kind::Ping(_)));
        if !is_ping || self.told.times(to) >= FLOODS {
            return vec![frame];
        }
        self.told.note(liar, to);
        let notes = || wire::CheckpointNotes { notes: vec![b"no note".to_vec()] };
        let told = (0..=limits::GOSSIP_BURST_FRAMES).map(|_| Frame { kind: Some(Kind::Checkpoints(notes())) });
        std::iter::once(frame).chain(told).collect()
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.told.reached(honest)
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
