//! The liar shows the oversight agency a different ledger than all other peers.
//!
//! A peer of both the liar and the oversight agency passes the checkpoints on that it saw.

use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::wire::{self, Frame, accusation::Finding};

use super::facade::Facade;
use super::forgery::size_in;
use super::proofs_held::checkpoints;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, linked_with_oversight};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "shows_two_ledgers",
    detection: Detection::EvidenceOfOne(&["forked"]),
    can_tell: linked_with_oversight,
    passes_everything_on: true,
    begin: || Box::new(TwoLedgers::default()),
};

/// The leaf that differs.
const OTHER: LedgerIndex = LedgerIndex(4);

#[derive(Default)]
struct TwoLedgers {
    facade: Facade,
}

impl TwoLedgers {
    /// Replaces the leaf as soon as it exists, before a checkpoint over it is sent.
    fn look(&mut self, liar: &Node) {
        if self.facade.replaced().next().is_none() && OTHER < liar.ledger.next_index() {
            self.facade.replace(liar, OTHER);
        }
    }
}

impl Lie for TwoLedgers {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        self.look(liar);
        vec![if liar.charter().is_oversight(to) { self.facade.in_frame(liar, frame) } else { frame }]
    }

    fn on_question(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.look(liar);
        liar.charter().is_oversight(to).then(|| self.facade.answer(liar, to, question))
    }

    fn obeys_rollback_guard(&self) -> bool {
        false
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has_seen = |node: &&Node| checkpoints(node, &liar.id).iter().any(|shown| shown.size > OTHER.0);
        let is_deceived = |node: &&Node| liar.charter().is_oversight(&node.id);
        let deceived: Vec<&Node> = honest.auditors().filter(is_deceived).filter(has_seen).collect();
        let is_told = |node: &&Node| deceived.iter().any(|deceived| node.adjacent().contains(&deceived.id));
        let told: Vec<&Node> =
            honest.auditors().filter(|node| !is_deceived(node)).filter(has_seen).filter(is_told).collect();
        // The comparison is made by whichever side hears of the other's checkpoint.
        if told.is_empty() { told } else { deceived.into_iter().chain(told).collect() }
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        matches!(sign, Sign::Finding(Finding::ForkedTrees(shown)) if size_in(&shown.larger) > Some(OTHER.0))
    }
}
