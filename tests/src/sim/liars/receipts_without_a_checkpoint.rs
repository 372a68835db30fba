//! The liar's receipts contain no checkpoint, so they are not bound to a tree.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::transparency::receipt::Receipt;
use sinergi_proto::wire::Frame;

use super::facade::in_receipt;
use super::proofs_held::receipts;
use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "receipts_without_a_checkpoint",
    detection: Detection::Fault(FaultCode::BadReceipt),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Lying),
};

struct Lying;

impl Lie for Lying {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let _ = to;
        vec![in_receipt(liar, frame, |receipt| receipt.checkpoint.clear())]
    }

    fn is_detectable(&self, liar: &Node, honest: &HonestNodes<'_>) -> bool {
        let is_bare = |receipt: Receipt| receipt.checkpoint.is_empty() && receipt.leaves().next().is_some();
        honest.auditors().any(|node| receipts(node, &liar.id).any(is_bare))
    }
}
