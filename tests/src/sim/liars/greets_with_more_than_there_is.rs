//! In its Hello the liar claims to have more of the peer's ledger than there is, to stop the peer: a node whose ledger was set back signs
//! nothing.
//!
//! Without proof the claim only ends the liar's own links.

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_with_more_than_there_is",
    detection: Detection::Fault(FaultCode::AheadOfLedger),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Greets::default()),
};

/// Number of false Hello frames.
const WRONG: u32 = 8;
/// Number of false Hello frames of which at least one has surely arrived.
const ENOUGH: u32 = 4;
/// Number of leaves that are claimed in addition: more than any ledger of a run has.
const MORE: u64 = 1 << 20;

#[derive(Default)]
struct Greets {
    sent: u32,
}

impl Lie for Greets {
    fn on_send(&mut self, _: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Hello(mut hello)) = frame.kind else { return vec![frame] };
        if self.sent < WRONG {
            self.sent += 1;
            let have = hello.have_cursor.unwrap_or(wire::Cursor { epoch: Epoch::FIRST.0, index: 0, part: 0 });
            hello.have_cursor = Some(wire::Cursor { index: have.index + MORE, ..have });
        }
        vec![Frame { kind: Some(Kind::Hello(hello)) }]
    }

    fn is_detectable(&self, _: &Node, _: &HonestNodes<'_>) -> bool {
        self.sent >= ENOUGH
    }
}
