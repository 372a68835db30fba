//! A new epoch: declared, filled with what the old ledger still holds; peers give back the rest.

use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::Verdict;
use sinergi_proto::ids::Epoch;
use sinergi_proto::intake::{Received, receive_items};
use sinergi_proto::wire::{self, entry::Body as Wire};

use super::Node;
use crate::sim::ledger::{Leaf, Ledger};
use crate::sim::topology::FEDERATION;

impl Node {
    /// The operator begins the epoch after the newest one that is known here.
    pub fn recover(&mut self, now: u64) {
        let old_epoch = self.sighted.max(self.ledger.epoch);
        let old = std::mem::replace(&mut self.ledger, Ledger::new(Epoch(old_epoch.0 + 1)));
        self.cases.clear();
        let reason = wire::ResetReason::Restored.into();
        let reset = wire::LedgerReset { old_epoch: old_epoch.0, reason, ..Default::default() };
        self.write(None, Wire::LedgerReset(reset), Vec::new(), now);
        for leaf in old.leaves {
            self.take_over(leaf, now);
        }
        for (_, peer, item) in old.waiting.iter() {
            let rng = StdRng::seed_from_u64(0);
            for received in receive_items(vec![item.clone()], FEDERATION, &self.charters, rng) {
                self.take(peer, received, now);
            }
        }
        self.ledger.received = old.received;
        // They lie in the old ledger, which is kept.
        self.ledger.receipts = old.receipts;
        self.effects.clear();
        self.cosigned = 0;
        self.sign_checkpoint(now);
        self.ledger.recorded = self.signed;
        self.start(now);
    }

    /// What is taken over takes the path of every other entry. What was written here is owed to everybody who should have it.
    fn take_over(&mut self, leaf: Leaf, now: u64) {
        let contents = leaf.contents.iter().map(|content| content.to_wire()).collect();
        let (signed_entry, relays) = (leaf.entry.signed.clone(), leaf.relays.saturating_sub(1));
        let item = wire::Item { signed_entry, content: contents, relays };
        let rng = StdRng::seed_from_u64(0);
        for received in receive_items(vec![item], FEDERATION, &self.charters, rng) {
            match received {
                Received::Authentic(authentic)
                    if leaf.from.is_none()
                        && self.ledger.leaf_of(&authentic.entry.id).is_none()
                        && self.judge(&authentic.entry, now) == Verdict::Admit =>
                {
                    let contents = self.good_contents(&authentic.entry, authentic.item.content);
                    self.append(&authentic.entry, contents, None);
                }
                received => {
                    let peer = leaf.from.clone().unwrap_or_else(|| self.id.clone());
                    self.take(&peer, received, now);
                }
            }
        }
    }
}
