//! The liar sends checkpoints faster than any honest peer. Each of them costs signature checks.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_checkpoints",
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
        let is_ping = matches!(&frame.kind, Some(Kind::Ping(_)));
        if !is_ping || self.sent >= FLOODS {
            return vec![frame];
        }
        self.sent += 1;
        let notes = || wire::CheckpointNotes { notes: vec![b"no note".to_vec()] };
        let told = (0..=limits::GOSSIP_BURST_FRAMES).map(|_| Frame { kind: Some(Kind::Checkpoints(notes())) });
        std::iter::once(frame).chain(told).collect()
    }

    fn is_detectable(&self, _: &Node, _: &HonestNodes<'_>) -> bool {
        self.sent >= ENOUGH
    }
}
