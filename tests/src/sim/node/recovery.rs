//! A new epoch: declared, filled with what the old ledger still holds; peers give back the rest.

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::engine::recovery::{OldLedger, Plan};
use sinergi_proto::engine::{Input, LeafHeader, OldEntry};
use sinergi_proto::transparency::rollback_guard::{GuardState, OwnTree, Signer};
use sinergi_proto::wire;

use super::Node;
use super::disk::Waiter;
use crate::sim::ledger::Leaf;

impl Node {
    /// The operator begins the epoch that the product plans. Where nothing contradicts the ledger, the operator was told of it by others, and
    /// names the next one.
    pub fn recover(&mut self, now: u64) {
        self.lose_what_is_not_durable(false);
        let here = OldLedger::Whole(OwnTree::extent(&self.ledger));
        let recorded = self.ledger.recorded.as_ref().map(|signed| signed.note.to_vec()).unwrap_or_default();
        let named = self.ledger.sightings.is_empty().then_some(Epoch(self.ledger.epoch.0 + 1));
        let signer = Signer { agency: &self.id, charters: &self.charters };
        let plan = Plan::new(&here, recorded, &self.ledger.sightings, signer, named).expect("something was seen");
        let old = self.ledger.begin_epoch(plan.epoch);
        self.engine = Some(self.new_engine());
        self.decide(Input::Guard(GuardState::Clear), Waiter::Nobody, now);
        self.decide(Input::Declare(plan.declaration(wire::ResetReason::Restored)), Waiter::Nobody, now);
        self.settle(now);
        self.ledger.sightings = old.sightings;
        for leaf in old.leaves {
            self.take_over(leaf, now);
        }
        for (header, item) in old.deferred.into_values() {
            let item = prost::Message::decode(item.as_slice()).expect("an item that was encoded here");
            self.take_over_item(item, from(Some(header.peer)), now);
        }
        for (peer, cursor) in old.received {
            let header = sinergi_proto::engine::CursorHeader { peer, cursor };
            self.decide(Input::TakeOverCursor(header), Waiter::Nobody, now);
        }
        self.settle(now);
        self.effects.clear();
        self.cosigned = 0;
        self.sign_checkpoint(now);
        self.ledger.recorded = self.signed.take();
        self.start(now);
    }

    /// Carries out what was decided, to its end.
    fn settle(&mut self, now: u64) {
        while self.next_step().is_some() {
            self.take_step(now);
        }
    }

    /// What is taken over takes the path of every other entry. What was written here is owed to everybody who should have it.
    fn take_over(&mut self, leaf: Leaf, now: u64) {
        let content = leaf.contents.iter().map(|content| content.to_wire()).collect();
        let (signed_entry, relays) = (leaf.entry.signed.clone(), leaf.header.relays.saturating_sub(1));
        self.take_over_item(wire::Item { signed_entry, content, relays }, leaf.header, now);
    }

    fn take_over_item(&mut self, item: wire::Item, header: LeafHeader, now: u64) {
        for received in self.checks.items(vec![item]) {
            let old = OldEntry { header: header.clone(), received };
            self.decide(Input::TakeOver(Box::new(old)), Waiter::Nobody, now);
        }
    }
}

fn from(from: Option<AgencyId>) -> LeafHeader {
    LeafHeader { at: 0, from, relays: 0, routes: Vec::new(), unreachable: Vec::new(), external: None }
}
