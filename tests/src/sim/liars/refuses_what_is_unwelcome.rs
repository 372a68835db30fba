//! The liar's receipts refuse entries that are valid.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::RefusalCode;
use sinergi_proto::receipt::{ItemOutcome, Receipt};
use sinergi_proto::wire::Frame;

use super::facade::in_receipt;
use super::forgery::is_chosen;
use super::proofs_held::receipts;
use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "refuses_what_is_unwelcome",
    detection: Detection::Evidence(&["refused_wrongly"]),
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
                if matches!(result.outcome, ItemOutcome::Leaf(_)) && is_chosen(&result.entry) {
                    result.outcome = ItemOutcome::Refused(RefusalCode::NoRole.number());
                }
            }
        })]
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let refuses =
            |receipt: Receipt| receipt.results.iter().any(|result| matches!(result.outcome, ItemOutcome::Refused(_)));
        honest.auditors().filter(|node| receipts(node, &liar.id).any(refuses)).collect()
    }
}
