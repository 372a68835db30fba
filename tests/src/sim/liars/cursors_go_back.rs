//! The liar sends frames whose cursor is the cursor of the frame before.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::told::ToldOver;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "cursors_go_back",
    detection: Detection::Fault(FaultCode::BadCursor),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(GoBack::default()),
};

/// Number of connections to each peer over which the lie is told.
const WRONG: usize = 8;

#[derive(Default)]
struct GoBack {
    told: ToldOver,
    /// The cursor of the last frame to each peer, on the link that is up.
    last: BTreeMap<AgencyId, wire::Cursor>,
}

impl Lie for GoBack {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        match frame.kind {
            Some(Kind::Hello(_)) => {
                self.last.remove(to);
                vec![frame]
            }
            Some(Kind::Deliver(mut deliver)) => {
                match (self.last.get(to), deliver.cursor) {
                    (Some(last), _) if self.told.times(to) < WRONG => {
                        self.told.note(liar, to);
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

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.told.reached(honest)
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
