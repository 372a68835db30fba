//! Judges items again: deferred ones when something came that they may have lacked, and any that the operator selects.
//!
//! An operator selects items after a charter was corrected, a clock was set, or a peer has sent what was missing.
//!
//! Invariants:
//! - an item takes the same path as when it came, with its signature check: the author's key may have become known since;
//! - the engine's thread checks no signatures. An item leaves as a [`Recheck`] and comes back as
//!   [`Input::Rechecked`](super::Input::Rechecked), which may be late, twice or never;
//! - a refusal that stands is reported to the operator and is not recorded a second time.

use std::collections::BTreeMap;

use prost::Message;

use crate::admission::Verdict;
use crate::admission::received::{Authentic, Received};
use crate::base::refusal::DeferralCode;
use crate::receipt::{Deferral, ItemOutcome};

use super::record::ItemKey;
use super::record::{DeferredDoneHeader, Record};
use super::view::View;
use super::{Batch, Engine, KeptAs, KeptItem, Recheck, Retried};

/// The most items whose signatures may be under check at a time.
const RECHECKS: usize = 256;

/// Items whose signatures are being checked again.
#[derive(Debug, Default)]
pub(super) struct Rechecking {
    items: BTreeMap<ItemKey, Checking>,
    /// The size of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Checking {
    bytes: usize,
    /// Whether the item was unblocked again during the check, for example by a charter, so that the next check may end differently.
    again: bool,
}

impl Engine {
    /// Whether one more item may be given out for a check.
    pub(super) fn may_recheck(&self) -> bool {
        self.rechecking.items.len() < RECHECKS && self.rechecking.bytes < self.config.batch_bytes / 2
    }

    /// Gives out unblocked items, so that their signatures are checked.
    pub(super) fn recheck_ready<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        while self.may_recheck()
            && let Some(key) = self.deferred.next_ready(self.applied)
        {
            if let Some(checking) = self.rechecking.items.get_mut(&key) {
                checking.again = true;
                continue;
            }
            // An item that cannot be found is given out empty, and is then refused: it must not stay deferred for ever.
            let item = view.deferred(&key)?.unwrap_or_default();
            let bytes = item.encoded_len();
            self.rechecking.items.insert(key, Checking { bytes, again: false });
            self.rechecking.bytes += bytes;
            batch.recheck.push(Recheck { key, item });
        }
        Ok(())
    }

    /// Returns a checked item to the worklist, because it cannot be judged now.
    pub(super) fn put_back(&mut self, key: ItemKey) {
        if let Some(Checking { bytes, .. }) = self.rechecking.items.remove(&key) {
            self.rechecking.bytes -= bytes;
        }
        self.deferred.unblock(key);
    }

    /// Judges deferred items whose signatures were checked again.
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

    /// Judges a deferred item again. Returns its outcome; `None` if it stays deferred, or was settled before.
    fn try_again<V: View>(
        &mut self,
        key: ItemKey,
        received: Received,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Option<ItemOutcome>, V::Error> {
        // An earlier result has settled it.
        let Some(peer) = self.deferred.header(&key).map(|header| header.peer.clone()) else { return Ok(None) };
        let stays_deferred = match &received {
            // A copy that turns out to be unsigned is dropped.
            Received::Deferred { code, .. } => {
                self.deferred.stays(&key, *code);
                *code != DeferralCode::Unsigned
            }
            Received::Authentic(authentic) => {
                let facts = self.gather_item(authentic, view)?;
                let Authentic { entry, item } = &**authentic;
                let has_room = match facts.leaf {
                    Some(_) => !self.puts_contents_off(entry, &facts, &item.content, now),
                    None => !self.is_over_share(entry, &item.content, now),
                };
                let verdict = if facts.leaf.is_some() { None } else { Some(self.judge(entry, now)) };
                if let Some(Verdict::Defer { code, .. }) = &verdict {
                    self.deferred.stays(&key, *code);
                }
                let is_judged = !matches!(verdict, Some(Verdict::Defer { .. }));
                if is_judged && !has_room {
                    self.deferred.put_off(&entry.author, key);
                }
                !is_judged || !has_room
            }
            Received::Refused { .. } => false,
        };
        if stays_deferred {
            return Ok(None);
        }
        self.record(Record::DeferredDone(DeferredDoneHeader { item: key }), batch);
        Ok(Some(self.receive(&peer, received, now, view, batch)?.outcome))
    }

    /// Judges the items again that the operator selected, and returns their outcomes.
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
                    (outcome.unwrap_or(ItemOutcome::Deferred(Deferral::kept(code))), detail)
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

    /// The outcome of an item that was settled after the operator selected it. If it was refused, its code is not known any more, and is 0.
    fn settled_outcome<V: View>(&mut self, received: &Received, view: &mut V) -> Result<ItemOutcome, V::Error> {
        let leaf = match received {
            Received::Authentic(authentic) => self.gather_item(authentic, view)?.leaf,
            Received::Refused { .. } | Received::Deferred { .. } => None,
        };
        Ok(leaf.map_or(ItemOutcome::Refused(0), ItemOutcome::Leaf))
    }

    /// The refusal of an item, if it is still refused.
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
