//! The liar signs batches that cover an entry of its own and a forged entry of another agency, and delivers both.
//!
//! The own entry is taken. The forged one is not, although the batch was verified with the own one.

use std::collections::BTreeSet;

use sinergi_proto::base::ids::{AgencyId, EntryId};
use sinergi_proto::entry::{OwnBatch, signed_bytes};
use sinergi_proto::routing::outbox::{Prepared, SentEntry};
use sinergi_proto::wire;

use super::forgery::{entry_of_another, is_chosen, parsed};
use super::{Broken, Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "signs_for_others",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Signs::default()),
};

#[derive(Default)]
struct Signs {
    forged: BTreeSet<EntryId>,
    told: BTreeSet<AgencyId>,
}

impl Lie for Signs {
    fn on_deliver(&mut self, liar: &Node, to: &AgencyId, mut prepared: Prepared) -> Prepared {
        let mut forged = Vec::new();
        for item in &mut prepared.frame.items {
            let own = parsed(&item.signed_entry).filter(|entry| entry.author == liar.id && is_chosen(&entry.id));
            let Some(own) = own else { continue };
            let Some(forgery) = entry_of_another(liar, own.clock.millis()) else { continue };
            let forged_id = EntryId::of(&forgery);
            let batch = OwnBatch::sign(&[own.id, forged_id], liar.entry_key());
            item.signed_entry = signed_bytes(own.bytes, Some(&batch.envelope(0)));
            let sent = SentEntry { id: forged_id, leaf: own.place.index, complaint: None, is_again: false };
            forged.push((sent, signed_bytes(forgery, Some(&batch.envelope(1)))));
        }
        for (sent, signed_entry) in forged {
            self.forged.insert(sent.id);
            self.told.insert(to.clone());
            prepared.summary.entries.push(sent);
            prepared.frame.items.push(wire::Item { signed_entry, ..Default::default() });
        }
        prepared
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        honest.all().filter(|node| self.told.contains(&node.id)).collect()
    }

    fn must_hold(&self, _: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            if let Some(forged) = self.forged.iter().find(|forged| node.ledger.leaf_of(forged).is_some()) {
                return Err(("a_forged_entry_is_taken_by_nobody", format!("{} has {forged}", node.id)));
            }
        }
        Ok(())
    }
}
