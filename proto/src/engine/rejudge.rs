//! Judging again: items that wait, when something came that they may have waited for; and at the operator's word what was refused or waits,
//! when a charter was put right, a clock set, or a peer has sent what was missing.
//!
//! Invariants:
//! - the same path as when the item came, its signature included: it may have been kept before its author's key was known;
//! - signatures are checked elsewhere: an item leaves as a [`Recheck`] and comes back with its result, which may come late, twice or never;
//! - a refusal that stands is told to the operator and not recorded a second time.

use std::collections::BTreeMap;

use prost::Message;

use crate::admission::Verdict;
use crate::admission::received::{Authentic, Received};
use crate::transparency::receipt::ItemOutcome;

use super::deferred::ItemKey;
use super::record::{DeferredDoneHeader, Record};
use super::view::View;
use super::{Batch, Engine, KeptAs, KeptItem, Recheck, Retried};

/// Items whose signatures may be checked again at a time.
const RECHECKS: usize = 256;

/// Items whose signatures are being checked again.
#[derive(Debug, Default)]
pub(super) struct Rechecking {
    items: BTreeMap<ItemKey, Checking>,
    /// What all of them hold.
    bytes: usize,
}

#[derive(Debug)]
struct Checking {
    bytes: usize,
    /// Something came meanwhile that it may have waited for: a charter, so that the check may end otherwise.
    again: bool,
}

impl Engine {
    /// Whether one more item may be given out to be checked.
    pub(super) fn may_recheck(&self) -> bool {
        self.rechecking.items.len() < RECHECKS && self.rechecking.bytes < self.config.batch_bytes / 2
    }

    /// Gives out items that may be possible now.
    pub(super) fn recheck_ready<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        while self.may_recheck()
            && let Some(key) = self.deferred.next_ready(self.applied)
        {
            if let Some(checking) = self.rechecking.items.get_mut(&key) {
                checking.again = true;
                continue;
            }
            // One that cannot be found or read any more is given out as it is, and is refused: it must not wait forever.
            let item = view.deferred(&key)?.unwrap_or_default();
            let bytes = item.encoded_len();
            self.rechecking.items.insert(key, Checking { bytes, again: false });
            self.rechecking.bytes += bytes;
            batch.recheck.push(Recheck { key, item });
        }
        Ok(())
    }

    /// An item that was checked cannot be judged now.
    pub(super) fn put_back(&mut self, key: ItemKey) {
        if let Some(Checking { bytes, .. }) = self.rechecking.items.remove(&key) {
            self.rechecking.bytes -= bytes;
        }
        self.deferred.unblock(key);
    }

    /// Judges waiting items whose signatures were checked again.
    pub(super) fn rechecked<V: View>(
        &mut self,
        checked: Vec<(ItemKey, Received)>,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<(), V::Error> {
        for (key, received) in checked {
            self.cases.make_room(self.applied);
            if let Some(Checking { bytes, again }) = self.rechecking.items.remove(&key) {
                self.rechecking.bytes -= bytes;
                if again {
                    self.deferred.unblock(key);
                }
            }
            self.try_again(key, received, now, view, batch)?;
        }
        Ok(())
    }

    /// Judges a waiting item again; what became of it, if it waits no longer.
    fn try_again<V: View>(
        &mut self,
        key: ItemKey,
        received: Received,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Option<ItemOutcome>, V::Error> {
        // Settled by an earlier result.
        let Some(peer) = self.deferred.header(&key).map(|header| header.peer.clone()) else { return Ok(None) };
        let waits_on = match &received {
            Received::Deferred { .. } => true,
            Received::Authentic(authentic) => {
                let Authentic { entry, .. } = &**authentic;
                if let Some(complaint) = &entry.complaint {
                    self.cases.look_up(complaint, view)?;
                }
                matches!(self.judge(entry, now), Verdict::Defer { .. })
            }
            Received::Refused { .. } => false,
        };
        if waits_on {
            return Ok(None);
        }
        self.record(Record::DeferredDone(DeferredDoneHeader { item: key }), batch);
        Ok(Some(self.receive(&peer, received, now, view, batch)?.outcome))
    }

    /// Judges items again that the operator selected; what became of each.
    pub(super) fn retry<V: View>(
        &mut self,
        items: Vec<KeptItem>,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Vec<Retried>, V::Error> {
        let mut retried = Vec::with_capacity(items.len());
        for item in items {
            self.cases.make_room(self.applied);
            let KeptItem { number, peer, entry, kept, received } = item;
            let (outcome, reason) = match kept {
                KeptAs::Deferred(key, _, detail) if !self.deferred.contains(&key) => {
                    (self.settled_outcome(&received, view)?, detail)
                }
                KeptAs::Deferred(key, code, detail) => {
                    let outcome = self.try_again(key, received, now, view, batch)?;
                    (outcome.unwrap_or(ItemOutcome::Deferred(code)), detail)
                }
                KeptAs::Refused(detail) => match self.still_refused(&received, now, view)? {
                    Some(refused) => refused,
                    None => (self.receive(&peer, received, now, view, batch)?.outcome, detail),
                },
            };
            let reason = if matches!(outcome, ItemOutcome::Leaf(_)) { String::new() } else { reason };
            retried.push(Retried { number, entry, outcome, reason });
        }
        Ok(retried)
    }

    /// What became of an item that was settled since the operator selected it. The refusal code of one that is not here is no longer known.
    fn settled_outcome<V: View>(&mut self, received: &Received, view: &mut V) -> Result<ItemOutcome, V::Error> {
        let leaf = match received {
            Received::Authentic(authentic) => self.gather_item(authentic, view)?.leaf,
            Received::Refused { .. } | Received::Deferred { .. } => None,
        };
        Ok(leaf.map_or(ItemOutcome::Refused(0), ItemOutcome::Leaf))
    }

    /// The refusal, if it stands.
    fn still_refused<V: View>(
        &mut self,
        received: &Received,
        now: u64,
        view: &mut V,
    ) -> Result<Option<(ItemOutcome, String)>, V::Error> {
        let refusal = match received {
            Received::Refused { refusal, .. } => refusal.clone(),
            Received::Deferred { .. } => return Ok(None),
            Received::Authentic(authentic) => {
                if let Some(complaint) = &authentic.entry.complaint {
                    self.cases.look_up(complaint, view)?;
                }
                match self.judge(&authentic.entry, now) {
                    Verdict::Refuse(refusal) => refusal,
                    Verdict::Admit | Verdict::Defer { .. } => return Ok(None),
                }
            }
        };
        Ok(Some((ItemOutcome::Refused(refusal.code.number()), refusal.detail)))
    }
}
