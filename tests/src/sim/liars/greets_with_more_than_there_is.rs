//! In its Hello the liar claims to have more of the peer's ledger than there is, to stop the peer: a node whose ledger was set back signs
//! nothing.
//!
//! Without proof the claim only ends the liar's own links.

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::told::ToldOver;
use super::{Broken, Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_with_more_than_there_is",
    detection: Detection::Fault(FaultCode::AheadOfLedger),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Greets::default()),
};

/// Number of connections to each peer over which the lie is told.
const WRONG: usize = 8;
/// Number of leaves that are claimed in addition: more than any ledger of a run has.
const MORE: u64 = 1 << 20;

#[derive(Default)]
struct Greets {
    told: ToldOver,
}

impl Lie for Greets {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Hello(mut hello)) = frame.kind else { return vec![frame] };
        if self.told.times(to) < WRONG {
            self.told.note(liar, to);
            let have = hello.have_cursor.unwrap_or(wire::Cursor { epoch: Epoch::FIRST.0, index: 0, part: 0 });
            hello.have_cursor = Some(wire::Cursor { index: have.index + MORE, ..have });
        }
        vec![Frame { kind: Some(Kind::Hello(hello)) }]
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.told.reached(honest)
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        // The liar greets honestly in the end.
        let is_linked = |node: &Node| node.links.get(&liar.id).is_some_and(|link| link.acknowledged.is_some());
        match honest.auditors().find(|node| self.told.times(&node.id) >= WRONG && !is_linked(node)) {
            Some(node) => Err(("a_false_claim_ends_one_link", format!("{} does not link with {}", node.id, liar.id))),
            None => Ok(()),
        }
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
