//! The liar sends frames whose cursor is the cursor of the frame before.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "cursors_go_back",
    detection: Detection::Fault(FaultCode::BadCursor),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(GoBack::default()),
};

/// Number of wrong frames.
const WRONG: u32 = 8;
/// Number of wrong frames of which at least one has surely arrived.
const ENOUGH: u32 = 4;

#[derive(Default)]
struct GoBack {
    sent: u32,
    /// The cursor of the last frame to each peer, on the link that is up.
    last: BTreeMap<AgencyId, wire::Cursor>,
}

impl Lie for GoBack {
    fn on_send(&mut self, _: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        match frame.kind {
            Some(Kind::Hello(_)) => {
                self.last.remove(to);
                vec![frame]
            }
            Some(Kind::Deliver(mut deliver)) => {
                match (self.last.get(to), deliver.cursor) {
                    (Some(last), _) if self.sent < WRONG => {
                        self.sent += 1;
                        deliver.cursor = Some(*last);
                    }
                    (_, Some(cursor)) => drop(self.last.insert(to.clone(), cursor)),
                    (_, None) => {}
                }
                vec![Frame { kind: Some(Kind::Deliver(deliver)) }]
            }
            _ => vec![frame],
        }
    }

    fn is_detectable(&self, _: &Node, _: &HonestNodes<'_>) -> bool {
        self.sent >= ENOUGH
    }
}
