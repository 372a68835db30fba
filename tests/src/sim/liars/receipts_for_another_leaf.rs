//! For some entries, the liar's receipts name the leaf before the right one, with the hash of that leaf.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::tlog::tree::leaf_hash;
use sinergi_proto::transparency::receipt::ItemOutcome;
use sinergi_proto::wire::{Frame, frame::Kind};

use super::facade::in_receipt;
use super::forgery::is_chosen;
use super::proofs_held::newest_receipt;
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

#[derive(Default)]
struct Lying {
    told: ToldOver,
}

impl Lie for Lying {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        if matches!(&frame.kind, Some(Kind::Ack(_))) {
            self.told.note(liar, to);
        }
        vec![in_receipt(liar, frame, |receipt| {
            let leaves = receipt.results.iter_mut().filter_map(|result| match &mut result.outcome {
                ItemOutcome::Leaf(index) => Some((result.entry, index)),
                ItemOutcome::Refused(_) | ItemOutcome::Deferred(_) => None,
            });
            for ((entry, index), hash) in leaves.zip(&mut receipt.leaf_hashes) {
                if is_chosen(&entry) && index.0 > 0 {
                    index.0 -= 1;
                    *hash = leaf_hash(&liar.ledger.leaf(*index).entry.signed);
                }
            }
        })]
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        // This protocol takes such a receipt.
        let holds_one = |node: &Node| {
            let mut chosen = node.ledger.leaves.iter().map(|leaf| leaf.entry.id).filter(is_chosen);
            chosen.any(|entry| {
                let named = newest_receipt(node, &liar.id, &entry);
                named.is_some() && named != liar.ledger.leaf_of(&entry)
            })
        };
        honest.auditors().filter(|node| holds_one(node) || self.told.has_reached(&node.id)).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        self.told.shows(sign)
    }
}
