//! The liar's receipts defer entries that it has, again and again: it says that it did not keep them, or that their parents are missing.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::DeferralCode;
use sinergi_proto::receipt::{Deferral, ItemOutcome, Receipt};
use sinergi_proto::wire::Frame;

use super::facade::in_receipt;
use super::forgery::is_chosen;
use super::proofs_held::receipts;
use super::{Broken, Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "defers_for_ever",
    // After a week an audit states a deferral whose reason does not hold, see `transparency::audit::tests::refusals`. No run is so long.
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Defers),
};

struct Defers;

impl Lie for Defers {
    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        vec![in_receipt(liar, frame, |receipt| {
            for result in &mut receipt.results {
                if matches!(result.outcome, ItemOutcome::Leaf(_)) && is_chosen(&result.entry) {
                    let not_kept = Deferral { code: DeferralCode::OverShare.number(), kept: false, copy: None };
                    let kept = Deferral::kept(DeferralCode::MissingParent.number());
                    let is_kept = result.entry.0[0] % 2 == 0;
                    result.outcome = ItemOutcome::Deferred(if is_kept { kept } else { not_kept });
                }
            }
        })]
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let defers =
            |receipt: Receipt| receipt.results.iter().any(|result| matches!(result.outcome, ItemOutcome::Deferred(_)));
        honest.all().filter(|node| receipts(node, &liar.id).any(defers)).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            let of_liar = node.ledger.unsettled.iter().filter(|((peer, _), _)| *peer == liar.id);
            for receipt in receipts(node, &liar.id) {
                for result in &receipt.results {
                    let Some(leaf) = node.ledger.leaf_of(&result.entry) else { continue };
                    let is_deferred = matches!(result.outcome, ItemOutcome::Deferred(_)) && is_chosen(&result.entry);
                    if is_deferred && !of_liar.clone().any(|((_, unsettled), _)| *unsettled == leaf) {
                        let what = format!("{} takes {} for delivered to {}", node.id, result.entry, liar.id);
                        return Err(("an_item_that_was_not_taken_is_owed", what));
                    }
                }
            }
        }
        Ok(())
    }
}
