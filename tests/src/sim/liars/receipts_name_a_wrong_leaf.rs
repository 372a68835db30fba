//! For some entries, the liar's receipts name the leaf before the right one.
//!
//! The holder of the receipt asks for that leaf, and gets another entry than the receipt says.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire::{Frame, accusation::Finding};

use super::facade::in_receipt;
use super::forgery::{id_in, is_chosen};
use super::proofs_held::newest_receipt;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "receipts_name_a_wrong_leaf",
    detection: Detection::Evidence(&["omitted"]),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Lying),
};

struct Lying;

impl Lie for Lying {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let _ = to;
        vec![in_receipt(liar, frame, |receipt| {
            for result in &mut receipt.results {
                if let ItemOutcome::Leaf(index) = &mut result.outcome
                    && is_chosen(&result.entry)
                    && index.0 > 0
                {
                    index.0 -= 1;
                }
            }
        })]
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let can_prove = |node: &&Node| {
            let chosen = node.ledger.leaves.iter().map(|leaf| &leaf.entry);
            let mut chosen = chosen.filter(|entry| entry.complaint.is_some() && is_chosen(&entry.id));
            chosen.any(|entry| {
                let named = newest_receipt(node, &liar.id, &entry.id);
                named.is_some() && named != liar.ledger.leaf_of(&entry.id)
            })
        };
        honest.auditors().filter(can_prove).collect()
    }

    fn shows(&self, liar: &Node, sign: Sign<'_>) -> bool {
        let Sign::Finding(Finding::Omitted(shown)) = sign else { return false };
        let entry = id_in(&shown.entry).filter(is_chosen);
        let right = entry.and_then(|entry| liar.ledger.leaf_of(&entry));
        right.is_some_and(|right| shown.leaf.as_ref().is_some_and(|leaf| leaf.index + 1 == right.0))
    }
}
