//! The liar spoils the envelopes of some entries that it passes on.
//!
//! A copy of an entry that is not signed says nothing about the entry. No node keeps anything of it, and every node takes a good copy.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::routing::outbox::Prepared;
use sinergi_proto::wire;

use super::forgery::{is_chosen, parsed};
use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "spoils_envelopes",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: false,
    begin: || Box::new(Spoils::default()),
};

#[derive(Default)]
struct Spoils {
    told: BTreeSet<AgencyId>,
}

impl Lie for Spoils {
    fn on_deliver(&mut self, liar: &Node, to: &AgencyId, mut prepared: Prepared) -> Prepared {
        for item in &mut prepared.frame.items {
            let entry = parsed(&item.signed_entry).filter(|entry| entry.author != liar.id && is_chosen(&entry.id));
            if let Some(entry) = entry {
                item.signed_entry = spoiled(&item.signed_entry, entry.id.0[30]);
                self.told.insert(to.clone());
            }
        }
        prepared
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        honest.all().filter(|node| self.told.contains(&node.id)).collect()
    }
}

/// The same entry with a changed envelope. `choice` chooses the change.
fn spoiled(signed: &Bytes, choice: u8) -> Bytes {
    let mut signed = wire::SignedEntry::decode(signed.clone()).expect("an honest ledger holds signed entries");
    match (choice % 4, signed.envelope.as_mut()) {
        (0, _) | (_, None) => signed.envelope = None,
        (1, Some(envelope)) => envelope.index += 1,
        (2, Some(envelope)) => envelope.size += 1,
        (_, Some(envelope)) => {
            let changed = envelope.signature.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 7));
            envelope.signature = changed.collect();
        }
    }
    signed.encode_to_vec().into()
}
