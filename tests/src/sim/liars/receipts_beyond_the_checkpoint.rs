//! The liar's receipts name leaves far beyond the tree of their checkpoint. No audit can ask for such leaves.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::transparency::receipt::{ItemOutcome, Receipt};
use sinergi_proto::wire::Frame;

use super::facade::in_receipt;
use super::proofs_held::receipts;
use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "receipts_beyond_the_checkpoint",
    detection: Detection::Fault(FaultCode::BadReceipt),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Lying),
};

struct Lying;

/// How far beyond. No ledger of a run has that many leaves.
const BEYOND: u64 = 1 << 20;

impl Lie for Lying {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let _ = to;
        vec![in_receipt(liar, frame, |receipt| {
            for result in &mut receipt.results {
                if let ItemOutcome::Leaf(index) = &mut result.outcome {
                    index.0 += BEYOND;
                }
            }
        })]
    }

    fn is_detectable(&self, liar: &Node, honest: &HonestNodes<'_>) -> bool {
        let is_beyond = |receipt: Receipt| receipt.leaves().any(|(_, index)| index.0 >= BEYOND);
        honest.auditors().any(|node| receipts(node, &liar.id).any(is_beyond))
    }
}
