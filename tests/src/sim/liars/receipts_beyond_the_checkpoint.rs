//! The liar's receipts name leaves far beyond the tree of their checkpoint. No audit could ask for such leaves.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire::{Frame, frame::Kind};

use super::facade::in_receipt;
use super::told::ToldOver;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "receipts_beyond_the_checkpoint",
    detection: Detection::Fault(FaultCode::BadReceipt),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Lying::default()),
};

/// Number of connections to each peer over which the lie is told.
const WRONG: usize = 8;

#[derive(Default)]
struct Lying {
    told: ToldOver,
}

/// How far beyond. No ledger of a run has that many leaves.
const BEYOND: u64 = 1 << 20;

impl Lie for Lying {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let is_receipt = matches!(&frame.kind, Some(Kind::Ack(_)));
        if !is_receipt || self.told.times(to) >= WRONG {
            return vec![frame];
        }
        self.told.note(liar, to);
        vec![in_receipt(liar, frame, |receipt| {
            for result in &mut receipt.results {
                if let ItemOutcome::Leaf(index) = &mut result.outcome {
                    index.0 += BEYOND;
                }
            }
        })]
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.told.reached(honest)
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
