//! The liar signs and shows its ledger, and later replaces one of its own entries.
//!
//! A node that has the entry asks for its leaf. A node that has an earlier checkpoint asks for a consistency proof.

use sinergi_proto::base::ids::{AgencyId, EntryId};
use sinergi_proto::wire::{self, Frame, accusation::Finding};

use super::facade::Facade;
use super::forgery::{first_own_entry, id_in, size_in};
use super::{Detection, HonestNodes, LiarAction, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "rewrites_an_entry",
    detection: Detection::Evidence(&["forked"]),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Rewrites::default()),
};

/// Number of calls of the lie during which the liar is honest.
const HONEST: u32 = 160;
/// Number of leaves that must follow the entry, so that others have seen the ledger with it.
const BEHIND: u64 = 8;

/// The lie. `files_one_finding_twice` is built on it.
#[derive(Default)]
pub(super) struct Rewrites {
    facade: Facade,
    ticks: u32,
    pub(super) rewritten: Option<EntryId>,
}

impl Lie for Rewrites {
    fn on_tick(&mut self, liar: &Node, _: u64) -> LiarAction {
        self.ticks += 1;
        if self.ticks > HONEST
            && self.rewritten.is_none()
            && let Some((index, entry)) = first_own_entry(liar)
            && index.0 + BEHIND < liar.ledger.next_index().0
        {
            self.rewritten = Some(entry);
            self.facade.replace(liar, index);
        }
        LiarAction::Nothing
    }

    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let is_rewritten = self.rewritten.is_some();
        vec![if is_rewritten { self.facade.in_frame(liar, frame) } else { frame }]
    }

    fn on_question(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.rewritten.is_some().then(|| self.facade.answer(liar, to, question))
    }

    fn obeys_rollback_guard(&self) -> bool {
        false
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has = |node: &&Node| self.rewritten.is_some_and(|entry| node.ledger.leaf_of(&entry).is_some());
        honest.auditors().filter(has).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let is_rewritten = |entry: &[u8]| self.rewritten.is_some() && id_in(entry) == self.rewritten;
        match sign {
            Sign::Finding(Finding::ForkedLeaf(shown)) => is_rewritten(&shown.entry),
            Sign::Finding(Finding::ForkedEntries(shown)) => is_rewritten(&shown.one) || is_rewritten(&shown.other),
            Sign::Finding(Finding::ForkedTrees(shown)) => {
                self.facade.replaced().any(|index| size_in(&shown.larger) > Some(index.0))
            }
            _ => false,
        }
    }
}
