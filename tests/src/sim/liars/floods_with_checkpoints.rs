//! The liar sends checkpoints faster than any honest peer. Each of them costs signature checks.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_checkpoints",
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
        let is_ping = matches!(&frame.kind, Some(Kind::Ping(_)));
        if !is_ping || self.told >= FLOODS {
            return vec![frame];
        }
        self.told += 1;
        let notes = || wire::CheckpointNotes { notes: vec![b"no note".to_vec()] };
        let told = (0..=limits::GOSSIP_BURST_FRAMES).map(|_| Frame { kind: Some(Kind::Checkpoints(notes())) });
        std::iter::once(frame).chain(told).collect()
    }

    fn was_told(&self, _: &Node, _: &Others<'_>) -> bool {
        self.told >= ENOUGH
    }
}
