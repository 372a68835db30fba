//! The liar acknowledges delivered entries and drops some of them. An entry of its own is at the leaf that the receipt names.
//!
//! The sender of the entry holds the receipt, and asks for the leaf.

use std::collections::BTreeMap;

use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::routing::outbox::Prepared;
use sinergi_proto::wire::{self, Frame};

use super::facade::Facade;
use super::witnesses::{newest_receipt, without};
use super::{Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "drops_what_it_acknowledged",
    promise: Promise::Evidence(&["omitted"]),
    may: anybody,
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
    fn says(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        self.look(liar);
        vec![self.facade.in_frame(liar, frame)]
    }

    fn shows(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.look(liar);
        Some(self.facade.answer(liar, to, question))
    }

    fn delivers(&mut self, _: &Node, _: &AgencyId, prepared: Prepared) -> Prepared {
        without(prepared, |entry| self.dropped.contains_key(&entry.id))
    }

    fn heeds_its_guard(&self) -> bool {
        false
    }

    fn was_told(&self, liar: &Node, others: &Others<'_>) -> bool {
        let holds = |node: &Node| {
            let mut dropped = self.dropped.iter();
            dropped.any(|(entry, index)| newest_receipt(node, &liar.id, entry) == Some(*index))
        };
        others.auditors().any(holds)
    }
}
