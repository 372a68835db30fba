//! The liar shows the oversight agency a different ledger than all other peers.
//!
//! A peer of both the liar and the oversight agency passes the checkpoints on that it saw.

use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::wire::{self, Frame};

use super::facade::Facade;
use super::proofs_held::checkpoints;
use super::{Detection, HonestNodes, Lie, LieKind, linked_with_oversight};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "shows_two_ledgers",
    detection: Detection::Evidence(&["forked"]),
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

    fn is_detectable(&self, liar: &Node, honest: &HonestNodes<'_>) -> bool {
        let has_seen = |node: &&Node| checkpoints(node, &liar.id).iter().any(|shown| shown.size > OTHER.0);
        let deceived = honest.auditors().filter(|node| liar.charter().is_oversight(&node.id)).find(has_seen);
        deceived.is_some_and(|deceived| {
            let others = honest.auditors().filter(|node| node.adjacent().contains(&deceived.id));
            others.filter(has_seen).count() > 0
        })
    }
}
