//! For some entries, the liar's receipts name the leaf before the right one, and the entry that is there. No audit could ask for what was sent.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire::Frame;

use super::facade::in_receipt;
use super::forgery::is_chosen;
use super::told::ToldOver;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "receipts_for_another_leaf",
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

impl Lie for Lying {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        if self.told.times(to) >= WRONG {
            return vec![frame];
        }
        let mut is_told = false;
        let frame = in_receipt(liar, frame, |receipt| {
            for result in &mut receipt.results {
                if let ItemOutcome::Leaf(index) = &mut result.outcome
                    && is_chosen(&result.entry)
                    && index.0 > 0
                {
                    index.0 -= 1;
                    result.entry = liar.ledger.leaf(*index).entry.id;
                    is_told = true;
                }
            }
        });
        if is_told {
            self.told.note(liar, to);
        }
        vec![frame]
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        self.told.reached(honest)
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
