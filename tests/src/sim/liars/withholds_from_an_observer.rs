//! The liar withholds from the oversight agency all entries of some complaints that were lodged at the liar.
//!
//! The oversight agency audits the liar's whole ledger, and finds leaves before its cursor that it did not get.

use sinergi_proto::base::ids::{AgencyId, ComplaintId};
use sinergi_proto::routing::outbox::Prepared;
use sinergi_proto::wire::accusation::Finding;

use super::forgery::{parsed, without};
use super::proofs_held::{has_put_off, was_turned_away};
use super::{Detection, HonestNodes, Lie, LieKind, Sign, linked_with_oversight};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "withholds_from_an_observer",
    detection: Detection::Evidence(&["withheld"]),
    can_tell: linked_with_oversight,
    passes_everything_on: false,
    begin: || Box::new(Withholds),
};

struct Withholds;

/// Whether the liar withholds a complaint.
fn is_withheld(liar: &Node, complaint: &ComplaintId) -> bool {
    let case = liar.ledger.cases.get(complaint).map(|case| &case.complaint);
    let lodged_here = case.and_then(|case| Some(case.entry(&case.lodged_entry())?.author == liar.id));
    lodged_here == Some(true) && complaint.0[31].is_multiple_of(2)
}

impl Lie for Withholds {
    fn on_deliver(&mut self, liar: &Node, to: &AgencyId, prepared: Prepared) -> Prepared {
        if !liar.charter().is_oversight(to) {
            return prepared;
        }
        without(prepared, |entry| entry.complaint.is_some_and(|complaint| is_withheld(liar, &complaint)))
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let lacks = |node: &&Node| {
            let Some(received) = node.ledger.received.get(&liar.id) else { return false };
            let passed = liar.ledger.leaves.iter().zip(0..received.index.0).map(|(leaf, _)| &leaf.entry);
            let withheld = passed.filter(|entry| entry.complaint.is_some_and(|id| is_withheld(liar, &id)));
            let mut lacking = withheld.filter(|entry| node.ledger.leaf_of(&entry.id).is_none());
            received.epoch == liar.ledger.epoch && lacking.any(|entry| !was_turned_away(node, &entry.id))
        };
        let oversees = |node: &&Node| liar.charter().is_oversight(&node.id) && !has_put_off(node, &liar.id);
        honest.auditors().filter(oversees).filter(lacks).collect()
    }

    fn shows(&self, liar: &Node, sign: Sign<'_>) -> bool {
        let Sign::Finding(Finding::Withheld(shown)) = sign else { return false };
        let complaint = parsed(&shown.entry).and_then(|entry| entry.complaint);
        complaint.is_some_and(|complaint| is_withheld(liar, &complaint))
    }
}
