//! The liar acknowledges delivered entries and drops some of them. An entry of its own is at the leaf that the receipt names.
//!
//! The sender of the entry holds the receipt, and asks for the leaf.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::routing::outbox::Prepared;
use sinergi_proto::wire::{self, Frame, accusation::Finding};

use super::facade::Facade;
use super::forgery::{id_in, without};
use super::proofs_held::newest_receipt;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "drops_what_it_acknowledged",
    detection: Detection::Evidence(&["omitted"]),
    can_tell: any_agency,
    passes_everything_on: false,
    begin: || Box::new(Drops::default()),
};

/// Number of dropped entries.
const DROPPED: usize = 3;

#[derive(Default)]
struct Drops {
    facade: Facade,
    dropped: BTreeMap<EntryId, LedgerIndex>,
}

impl Drops {
    /// Chooses which of the new entries to drop, before a checkpoint over them is sent.
    fn look(&mut self, liar: &Node) {
        for index in (self.facade.size()..liar.ledger.next_index().0).map(LedgerIndex) {
            let leaf = liar.ledger.leaf(index);
            let was_delivered = leaf.header.from.is_some() && leaf.entry.complaint.is_some();
            if was_delivered && index.0.is_multiple_of(4) && self.dropped.len() < DROPPED {
                self.dropped.insert(leaf.entry.id, index);
                self.facade.replace(liar, index);
            }
        }
        self.facade.follow(liar);
    }
}

impl Lie for Drops {
    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        self.look(liar);
        vec![self.facade.in_frame(liar, frame)]
    }

    fn on_question(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.look(liar);
        Some(self.facade.answer(liar, to, question))
    }

    fn on_deliver(&mut self, _: &Node, _: &AgencyId, prepared: Prepared) -> Prepared {
        without(prepared, |entry| self.dropped.contains_key(&entry.id))
    }

    fn obeys_rollback_guard(&self) -> bool {
        false
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let holds = |node: &&Node| {
            let mut dropped = self.dropped.iter();
            dropped.any(|(entry, index)| newest_receipt(node, &liar.id, entry) == Some(*index))
        };
        honest.auditors().filter(holds).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let Sign::Finding(Finding::Omitted(shown)) = sign else { return false };
        let dropped = id_in(&shown.entry).and_then(|entry| self.dropped.get(&entry));
        dropped.is_some_and(|index| shown.leaf.as_ref().is_some_and(|leaf| leaf.index == index.0))
    }
}
