//! A new epoch: declared, filled with what the old ledger still holds; peers give back the rest.

use sinergi_proto::engine::{GuardState, Input, LeafHeader, OldEntry};
use sinergi_proto::ids::{AgencyId, Epoch};
use sinergi_proto::wire;

use super::disk::Waiter;
use super::{Node, State};
use crate::sim::ledger::Leaf;

impl Node {
    /// The operator begins the epoch after the newest one that is known here.
    pub fn recover(&mut self, now: u64) {
        self.lose_what_is_not_durable(false);
        let old_epoch = self.sighted.max(self.ledger.epoch);
        let old = self.ledger.begin_epoch(Epoch(old_epoch.0 + 1));
        self.engine = Some(self.new_engine());
        self.decide(Input::Guard(GuardState::Clear), Waiter::Nobody, now);
        let reason = wire::ResetReason::Restored.into();
        let reset = wire::LedgerReset { old_epoch: old_epoch.0, reason, ..Default::default() };
        self.decide(Input::Declare(reset), Waiter::Nobody, now);
        self.settle(now);
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
        self.state = State::Clear;
        self.sign_checkpoint(now);
        self.ledger.recorded = self.signed;
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
        for received in self.authenticate(vec![item]) {
            let old = OldEntry { header: header.clone(), received };
            self.decide(Input::TakeOver(Box::new(old)), Waiter::Nobody, now);
        }
    }
}

fn from(from: Option<AgencyId>) -> LeafHeader {
    LeafHeader { at: 0, from, relays: 0, routes: Vec::new(), unreachable: Vec::new(), external: None }
}
