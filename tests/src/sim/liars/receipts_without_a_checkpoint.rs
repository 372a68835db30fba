//! The liar's receipts contain no checkpoint, so they are not bound to a tree.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::transparency::receipt::Receipt;
use sinergi_proto::wire::Frame;

use super::facade::in_receipt;
use super::witnesses::receipts;
use super::{Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "receipts_without_a_checkpoint",
    promise: Promise::Fault(FaultCode::BadReceipt),
    may: anybody,
    passes_everything_on: true,
    begin: || Box::new(Lying),
};

struct Lying;

impl Lie for Lying {
    fn says(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let _ = to;
        vec![in_receipt(liar, frame, |receipt| receipt.checkpoint.clear())]
    }

    fn was_told(&self, liar: &Node, others: &Others<'_>) -> bool {
        let is_bare = |receipt: Receipt| receipt.checkpoint.is_empty() && receipt.leaves().next().is_some();
        others.auditors().any(|node| receipts(node, &liar.id).any(is_bare))
    }
}
