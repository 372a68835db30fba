//! The liar is the only link between two groups, and shows each of them a different ledger.

use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::wire::{self, Frame, accusation::Finding};

use super::facade::Facade;
use super::forgery::size_in;
use super::proofs_held::checkpoints;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, links_others};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "splits_two_groups",
    detection: Detection::EvidenceOfOne(&["forked"]),
    can_tell: links_others,
    passes_everything_on: true,
    begin: || Box::new(TwoGroups::default()),
};

#[derive(Default)]
struct TwoGroups {
    facade: Facade,
}

impl TwoGroups {
    /// Chooses the leaf that differs, before a checkpoint over it is sent. The deceived group never gets the entry of that leaf.
    fn look(&mut self, liar: &Node) {
        for index in (self.facade.size()..liar.ledger.next_index().0).map(LedgerIndex) {
            let leaf = liar.ledger.leaf(index);
            let goes_up = leaf.header.from.as_ref().is_some_and(|from| !is_deceived(liar, from))
                && !leaf.header.routes.iter().any(|route| is_deceived(liar, &route.to));
            if goes_up && self.facade.replaced().next().is_none() {
                self.facade.replace(liar, index);
            }
        }
        self.facade.follow(liar);
    }
}

/// Whether an agency is in the deceived group: its parent in the charter is the liar.
fn is_deceived(liar: &Node, agency: &AgencyId) -> bool {
    liar.charter().member(agency).is_some_and(|member| member.parent.as_ref() == Some(&liar.id))
}

impl Lie for TwoGroups {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        self.look(liar);
        vec![if is_deceived(liar, to) { self.facade.in_frame(liar, frame) } else { frame }]
    }

    fn on_question(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.look(liar);
        is_deceived(liar, to).then(|| self.facade.answer(liar, to, question))
    }

    fn obeys_rollback_guard(&self) -> bool {
        false
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let Some(other) = self.facade.replaced().next() else { return Vec::new() };
        let has_seen = |node: &&Node| checkpoints(node, &liar.id).iter().any(|shown| shown.size > other.0);
        let (below, above): (Vec<&Node>, Vec<&Node>) =
            honest.auditors().filter(has_seen).partition(|node| is_deceived(liar, &node.id));
        if below.is_empty() || above.is_empty() { Vec::new() } else { [below, above].concat() }
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let Sign::Finding(Finding::ForkedTrees(shown)) = sign else { return false };
        self.facade.replaced().any(|other| size_in(&shown.larger) > Some(other.0))
    }
}
