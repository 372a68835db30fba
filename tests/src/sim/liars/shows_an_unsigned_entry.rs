//! The liar's ledger has an entry of another agency that this agency never signed.
//!
//! An oversight agency reads the whole ledger, and finds the entry without a signature. It accuses the liar, and not the entry's author.

use sinergi_proto::base::ids::{AgencyId, Epoch, LedgerIndex};
use sinergi_proto::entry::signed_bytes;
use sinergi_proto::wire::{self, Frame, accusation::Finding};

use super::facade::Facade;
use super::forgery::{entry_of_another, id_in};
use super::{Detection, HonestNodes, Lie, LieKind, Sign, linked_with_oversight};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "shows_an_unsigned_entry",
    detection: Detection::Evidence(&["unsigned"]),
    can_tell: linked_with_oversight,
    passes_everything_on: true,
    begin: || Box::new(Shows::default()),
};

#[derive(Default)]
struct Shows {
    facade: Facade,
    forged: Option<(Epoch, LedgerIndex)>,
}

impl Shows {
    /// Replaces one of the new own leaves that nobody else has, before a checkpoint over it is sent.
    fn look(&mut self, liar: &Node) {
        for index in (self.facade.size()..liar.ledger.next_index().0).map(LedgerIndex) {
            let leaf = &liar.ledger.leaf(index).entry;
            let is_of_no_complaint = leaf.author == liar.id && leaf.complaint.is_none() && index.0 > 0;
            if is_of_no_complaint
                && self.forged.is_none()
                && let Some(entry) = entry_of_another(liar, leaf.clock.millis())
            {
                self.forged = Some((liar.ledger.epoch, index));
                self.facade.show_instead(index, signed_bytes(entry, None));
            }
        }
        self.facade.follow(liar);
    }
}

impl Lie for Shows {
    fn on_send(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        self.look(liar);
        vec![self.facade.in_frame(liar, frame)]
    }

    fn on_question(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        self.look(liar);
        Some(self.facade.answer(liar, to, question))
    }

    fn obeys_rollback_guard(&self) -> bool {
        false
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let is_shown = self.forged.is_some_and(|(epoch, _)| epoch == liar.ledger.epoch);
        let may_read = |node: &&Node| is_shown && liar.charter().is_oversight(&node.id);
        honest.auditors().filter(may_read).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let Sign::Finding(Finding::Unsigned(shown)) = sign else { return false };
        let index = shown.leaf.as_ref().map(|leaf| LedgerIndex(leaf.index));
        id_in(&shown.entry).is_some() && index == self.forged.map(|(_, index)| index)
    }
}
