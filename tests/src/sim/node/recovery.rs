//! Begins a new epoch: declares it and takes over the old ledger's entries. The peers give back the rest (daemon: node/recover).

use sinergi_daemon::base::node_limits;
use sinergi_proto::base::ids::{AgencyId, Epoch, LedgerIndex};
use sinergi_proto::engine::recovery::{LeafContents, OldContent, OldLedger, OldRecord, Plan, TakeOver};
use sinergi_proto::engine::{CursorHeader, Input, LeafHeader, OldEntry, OwnClock};
use sinergi_proto::transparency::rollback_guard::{Extent, OwnTree, RollbackGuard, Signer};
use sinergi_proto::wire;

use super::disk::Waiter;
use super::{Node, State};
use crate::sim::ledger::{Leaf, Ledger};

/// The take-over of an old ledger: leaves with their headers, and deferred items.
type Taking = TakeOver<LeafHeader, Vec<u8>>;

impl Node {
    /// The operator begins the epoch that the product plans. If no sighting contradicts the ledger, auditors told the operator, who names
    /// the next epoch. If the operator remembers a later epoch that the agency has begun, the operator names the one after it.
    pub fn recover(&mut self, remembered: Option<Epoch>, now: u64) {
        self.lose_what_is_not_durable(false);
        let here = OldLedger::Whole(OwnTree::extent(&self.ledger));
        let recorded = self.ledger.recorded.as_ref().map(|signed| signed.note.to_vec()).unwrap_or_default();
        let after = |epoch: Epoch| Epoch(epoch.0 + 1);
        // The mark may have come back with an old copy. Peers know more, or the operator does.
        let nobody_saw = self.ledger.sightings.iter().all(|sighting| sighting.marked().is_some());
        let marks = self.ledger.sightings.iter().filter_map(|sighting| sighting.marked()).chain(self.mark);
        let marked = marks.map(|mark| mark.epoch).max().map_or(self.ledger.epoch, |mark| mark.max(self.ledger.epoch));
        let named = nobody_saw.then_some(after(marked));
        let planned = |named| {
            let signer = Signer { agency: &self.id, charters: &self.charters };
            Plan::new(&here, recorded.clone(), &self.ledger.sightings, signer, named)
                .expect("a sighting or a named epoch")
        };
        let plan = planned(named);
        let forgotten = remembered.filter(|begun| plan.epoch <= *begun);
        let plan = forgotten.map_or(plan, |begun| planned(Some(after(begun))));
        let old = self.ledger.begin_epoch(plan.epoch);
        self.ledger.sightings.clone_from(&old.sightings);
        // No peer can have seen the new ledger, and none is linked.
        (self.state, self.guard) = (State::Clear, RollbackGuard::clear());
        self.own_clock = OwnClock::of_a_start(0, self.clocks(now));
        self.open_engine();
        self.decide(Input::Declare(plan.declaration(wire::ResetReason::Restored)), Waiter::Nobody, now);
        self.settle(now);
        assert_eq!(self.ledger.next_index(), LedgerIndex(1), "{} declares the new epoch", self.id);
        self.take_over(old, now);
        self.effects.clear();
        self.sign_checkpoint(None);
        self.ledger.recorded = self.signed.take();
        self.mark = Some(Extent { epoch: plan.epoch, size: 1 });
        self.start(now);
    }

    /// Takes over the records of an old ledger, in the same order as the product.
    fn take_over(&mut self, old: Ledger, now: u64) {
        let mut taking = Taking::new(true, node_limits::BATCH_BYTES / 4);
        for (index, leaf) in (0..).map(LedgerIndex).zip(old.leaves) {
            taking.read(record_of(index, leaf));
            if taking.is_full() {
                self.take_group(&mut taking, now);
            }
        }
        self.take_group(&mut taking, now);
        for (header, item) in old.deferred.into_values() {
            taking.read(OldRecord::Deferred { item: header.item, peer: header.peer, at: item });
        }
        for (peer, cursor) in old.received {
            taking.read(OldRecord::Cursor(peer, cursor));
        }
        for (peer, item) in taking.take_deferred() {
            let item: wire::Item = prost::Message::decode(item.as_slice()).expect("an item that was encoded here");
            let header = waiting_header(peer, item.relays);
            self.take_over_items(vec![item], vec![header], now);
        }
        self.settle(now);
        let leaves = self.ledger.leaves.iter().map(|leaf| leaf.entry.id);
        self.ledger.taken_over = leaves.chain(self.ledger.deferred.values().map(|(header, _)| header.entry)).collect();
        for (peer, cursor) in taking.end().cursors {
            self.decide(Input::TakeOverCursor(CursorHeader { peer, cursor }), Waiter::Nobody, now);
        }
        self.settle(now);
    }

    fn take_group(&mut self, taking: &mut Taking, now: u64) {
        let before = self.ledger.next_index();
        let (headers, items) = taking.take_group().into_iter().map(|old| (old.note, old.item)).unzip();
        self.take_over_items(items, headers, now);
        self.settle(now);
        taking.became_leaves(self.ledger.next_index().0 - before.0);
    }

    fn take_over_items(&mut self, items: Vec<wire::Item>, headers: Vec<LeafHeader>, now: u64) {
        for (header, received) in headers.into_iter().zip(self.checks.items(items, &self.charters)) {
            self.decide(Input::TakeOver(Box::new(OldEntry { header, received })), Waiter::Nobody, now);
        }
    }
}

fn record_of(index: LedgerIndex, leaf: Leaf) -> OldRecord<LeafHeader, Vec<u8>> {
    let content =
        |content: &sinergi_proto::entry::content::Content| OldContent { content: content.to_wire(), is_erased: false };
    OldRecord::Leaf {
        leaf: index,
        signed_entry: leaf.entry.signed(),
        relays: leaf.header.relays,
        contents: LeafContents::Found(leaf.contents.iter().map(content).collect()),
        note: leaf.header,
    }
}

/// The header for a deferred item.
fn waiting_header(peer: AgencyId, relays: u32) -> LeafHeader {
    LeafHeader { at: 0, from: Some(peer), relays, routes: Vec::new(), unreachable: Vec::new(), external: None }
}
