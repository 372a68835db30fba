//! The liar's receipts refuse entries that are valid.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::RefusalCode;
use sinergi_proto::entry::id_in;
use sinergi_proto::receipt::{ItemOutcome, Receipt};
use sinergi_proto::wire::Frame;
use sinergi_proto::wire::accusation::Finding;

use super::facade::in_receipt;
use super::forgery::is_chosen;
use super::proofs_held::receipts;
use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::{Node, Sign};

pub(super) const KIND: LieKind = LieKind {
    name: "refuses_what_is_unwelcome",
    detection: Detection::Evidence(&["refused_wrongly"]),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Lying),
};

struct Lying;

impl Lie for Lying {
    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
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

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let Sign::Finding(Finding::RefusedWrongly(shown)) = sign else { return false };
        id_in(&shown.entry).is_some_and(|entry| is_chosen(&entry))
    }
}
