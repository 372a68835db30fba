//! Receives the items that peers deliver: each is known already, refused, deferred or admitted.
//!
//! Must not know links: it sees a peer's name and the items.
//!
//! Invariants:
//! - a known entry is answered from the ledger and is not judged again;
//! - the record of a frame's cursor comes after the records of its items;
//! - a bad content is refused alone: its entry is admitted.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::admission::received::{Authentic, Received};
use crate::admission::{Verdict, admit, missing_charter};
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::base::refusal::{DeferralCode, Refusal, RefusalCode};
use crate::entry::content::Content;
use crate::entry::{self, Commitment, Entry, signed_bytes};
use crate::receipt::{Deferral, ItemOutcome, ItemResult};
use crate::routing::route::{DeliveredBy, Route, reset_of};
use crate::wire;

use super::record::item_key;
use super::record::{CursorHeader, DeferredHeader, Record, RefusedHeader, RoutingHeader};
use super::view::View;
use super::write::Source;
use super::{Batch, Delivery, Engine, Warning};

/// The facts that the decision on an authentic item needs, in addition to its complaint's case.
pub(super) struct ItemFacts {
    /// The leaf of the entry, if this node has it.
    pub(super) leaf: Option<LedgerIndex>,
    /// The numbers of the commitments whose contents this node has, if it has the entry.
    held: Vec<u32>,
    /// The newest epoch that the author has declared, if the entry belongs to no complaint.
    pub(super) declared: Option<Epoch>,
}

impl Engine {
    /// Takes a frame, item by item. If a read fails, the items before it stay taken.
    pub(super) fn deliver<V: View>(
        &mut self,
        delivery: Delivery,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Vec<ItemResult>, V::Error> {
        let Delivery { peer, cursor, items } = delivery;
        let mut results = Vec::with_capacity(items.len());
        let before = batch.bytes;
        for item in items {
            self.cases.make_room(self.applied);
            results.push(self.receive(&peer, item, now, view, batch)?);
        }
        // After the items: when the cursor is durable, the items are durable, too. A peer may send any number of frames that bring nothing new; their
        // cursors are recorded once a tick. A crash before that costs a few duplicates.
        self.unrecorded.insert(peer, cursor);
        if batch.bytes > before {
            self.record_cursors(batch);
        }
        Ok(results)
    }

    /// Records the positions in peers' ledgers that are not recorded yet.
    pub(super) fn record_cursors(&mut self, batch: &mut Batch) {
        for (peer, cursor) in std::mem::take(&mut self.unrecorded) {
            self.record(Record::Cursor(CursorHeader { peer, cursor }), batch);
        }
    }

    /// Decides on one item.
    pub(super) fn receive<V: View>(
        &mut self,
        peer: &AgencyId,
        item: Received,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<ItemResult, V::Error> {
        Ok(match item {
            Received::Refused { entry, refusal, bytes } => self.refuse(peer, entry, &refusal, &bytes, now, batch),
            Received::Deferred { entry, code: DeferralCode::Unsigned, item, .. } => {
                // Once a peer between two ticks: a peer may deliver any number of them.
                if self.unsigned_told.insert(peer.clone()) {
                    batch.warnings.push(Warning::Unsigned(peer.clone(), entry));
                }
                let copy = Some(Sha256::digest(&item.signed_entry).into());
                let deferral = Deferral { code: DeferralCode::Unsigned.number(), kept: false, copy };
                ItemResult::without_contents(entry, ItemOutcome::Deferred(deferral))
            }
            Received::Deferred { entry, code, detail, item } => {
                self.defer(peer, entry, (code.number(), detail), &item, now, batch)
            }
            Received::Authentic(authentic) => {
                let facts = self.gather_item(&authentic, view)?;
                self.decide_item(peer, *authentic, facts, now, batch)
            }
        })
    }

    /// Reads what the decision on an authentic item needs.
    pub(super) fn gather_item<V: View>(&mut self, authentic: &Authentic, view: &mut V) -> Result<ItemFacts, V::Error> {
        let Authentic { entry, item } = authentic;
        let (mut held, mut declared, mut is_erased) = (Vec::new(), None, false);
        let leaf = match &entry.complaint {
            Some(complaint) => {
                self.cases.look_up(complaint, view)?;
                let case = self.cases.get(complaint);
                is_erased = case.is_some_and(|case| case.complaint.erases(entry));
                case.and_then(|case| case.leaves.get(&entry.id).copied())
            }
            None => {
                // Not for own declarations: one of an earlier epoch goes to everybody again, because a peer may have lost it.
                if reset_of(entry).is_some() && entry.author != self.config.own {
                    let pending = self.pending.declared_epoch(&entry.author);
                    declared = pending.max(view.declared_epoch(&entry.author)?);
                }
                match self.pending.node_entry(&entry.id) {
                    Some(leaf) => Some(leaf),
                    None => view.node_entry(entry.clock, &entry.id)?,
                }
            }
        };
        // Contents that are being destroyed are not read, because they are not taken again in any case.
        if let Some(leaf) = leaf.filter(|_| !item.content.is_empty() && !is_erased) {
            held.extend(self.pending.contents(leaf).map(|content| content.commitment));
            if leaf < self.pending.unapplied_from() {
                held.extend(view.contents(leaf)?.iter().map(|content| content.commitment));
            }
        }
        Ok(ItemFacts { leaf, held, declared })
    }

    fn decide_item(
        &mut self,
        peer: &AgencyId,
        authentic: Authentic,
        facts: ItemFacts,
        now: u64,
        batch: &mut Batch,
    ) -> ItemResult {
        let Authentic { entry, item } = authentic;
        // Known ids are answered from the ledger before any judgement.
        if let Some(leaf) = facts.leaf {
            // The contents must come again.
            if self.puts_contents_off(&entry, &facts, &item.content, now) {
                self.warn_of_author(&entry.author, batch);
                return self.put_off(peer, entry.id, now, batch);
            }
            let contents = self.take_missing_contents(peer, leaf, &entry, &facts.held, item.content, now, batch);
            if let Some(complaint) = &entry.complaint {
                self.react_to(complaint, now, batch);
            }
            return ItemResult { entry: entry.id, outcome: ItemOutcome::Leaf(leaf), contents };
        }
        match self.judge(&entry, now) {
            Verdict::Refuse(refusal) => self.refuse(peer, entry.id, &refusal, &item.signed_entry, now, batch),
            Verdict::Defer { code, detail } => self.defer(peer, entry.id, (code.number(), detail), &item, now, batch),
            Verdict::Admit if self.is_over_share(&entry, &item.content, now) => {
                self.warn_of_author(&entry.author, batch);
                self.put_off(peer, entry.id, now, batch)
            }
            Verdict::Admit => {
                if entry.author != self.config.own {
                    self.fair_use.take(&entry, &item.content, now);
                }
                let contents = self.check_contents(peer, &entry, item.content, now, batch);
                let delivered_by = DeliveredBy { peer, relays: item.relays.saturating_add(1) };
                let (id, complaint, leaf) = (entry.id, entry.complaint, self.next_leaf);
                let taken = bits_of(contents.iter().map(|content| content.commitment));
                self.warn_of_reset(&entry, batch);
                let source = Source { delivered_by: Some(delivered_by), external: None, declared: facts.declared };
                self.append(entry, contents, source, now, batch);
                if let Some(complaint) = complaint {
                    self.react_to(&complaint, now, batch);
                }
                ItemResult { entry: id, outcome: ItemOutcome::Leaf(leaf), contents: taken }
            }
        }
    }

    /// Whether the contents that this node lacks of an entry are put off, because its author's share is used up or the disk is nearly full.
    pub(super) fn puts_contents_off(
        &self,
        entry: &Entry,
        facts: &ItemFacts,
        contents: &[wire::Content],
        now: u64,
    ) -> bool {
        let is_new = |content: &&wire::Content| !facts.held.contains(&content.commitment);
        let new: Vec<wire::Content> = contents.iter().filter(is_new).cloned().collect();
        let case = entry.complaint.as_ref().and_then(|id| self.cases.get(id));
        if new.is_empty() || case.is_some_and(|case| case.complaint.erases(entry)) {
            return false;
        }
        self.fair_use.is_low()
            || (entry.author != self.config.own && !self.fair_use.has_room_for_contents(entry, &new, now))
    }

    /// The verdict on an authentic entry that this node does not have. Changes nothing.
    ///
    /// # Errors
    /// When the entry's complaint cannot be read.
    pub fn verdict_on<V: View>(&mut self, entry: &Entry, now: u64, view: &mut V) -> Result<Verdict, V::Error> {
        self.cases.make_room(self.applied);
        if let Some(complaint) = &entry.complaint {
            self.cases.look_up(complaint, view)?;
        }
        Ok(self.judge(entry, now))
    }

    /// Whether an authentic entry is new and would be admitted. Its complaint has been looked up.
    pub(super) fn is_admitted(&self, entry: &Entry, facts: &ItemFacts, now: u64) -> bool {
        facts.leaf.is_none() && self.judge(entry, now) == Verdict::Admit
    }

    /// Judges an authentic entry by its ancestors, under the charter that it names.
    pub(super) fn judge(&self, entry: &Entry, now: u64) -> Verdict {
        // The signature may have been checked under a charter that the engine does not have yet.
        let Some(charter) = self.charters.named(&entry.charter) else { return missing_charter(entry, &self.charters) };
        let case = entry.complaint.as_ref().and_then(|complaint| self.cases.get(complaint));
        admit(entry, case.map(|case| &case.complaint), charter, now)
    }

    pub(super) fn refuse(
        &mut self,
        peer: &AgencyId,
        entry: EntryId,
        refusal: &Refusal,
        bytes: &Bytes,
        now: u64,
        batch: &mut Batch,
    ) -> ItemResult {
        let code = refusal.code.number();
        let result = ItemResult::without_contents(entry, ItemOutcome::Refused(code));
        let shown = match entry::open(bytes.clone()) {
            // Without fields that nobody knows, so that it can be judged again.
            Ok((entry, envelope)) if entry.len() <= limits::ENTRY_BYTES => signed_bytes(entry, envelope.as_ref()),
            _ => bytes.slice(..bytes.len().min(limits::SIGNED_ENTRY_BYTES)),
        };
        if let Err(unkept) = self.refusal_quota.count(peer, shown.len(), now) {
            // The operator hears of the first one at once, and of the number of later ones with each tick.
            if unkept == 1 {
                self.warn_of_unkept_refusals(now, batch);
            }
            return result;
        }
        let header = RefusedHeader { at: now, peer: peer.clone(), entry, code, detail: refusal.detail.clone() };
        self.record(Record::Refused { header, bytes: shown }, batch);
        result
    }

    /// Warns the operator of the peers whose refused items are over the quota of records.
    pub(super) fn warn_of_unkept_refusals(&self, now: u64, batch: &mut Batch) {
        let unkept = self.refusal_quota.unkept(now);
        batch.warnings.extend(unkept.map(|(peer, count)| Warning::RefusedUnkept(peer.clone(), count)));
    }

    pub(super) fn defer(
        &mut self,
        peer: &AgencyId,
        entry: EntryId,
        (code, detail): (u32, String),
        item: &wire::Item,
        now: u64,
        batch: &mut Batch,
    ) -> ItemResult {
        let bytes = item.encode_to_vec();
        let key = item_key(peer, &bytes);
        let result = ItemResult::without_contents(entry, ItemOutcome::Deferred(Deferral::kept(code)));
        if self.deferred.contains(&key) {
            return result;
        }
        if !self.deferred.has_room(peer, &self.config.own, item) || !self.fair_use.keep(peer, bytes.len(), now) {
            if self.over_share.insert(peer.clone()) {
                batch.warnings.push(Warning::TooMuchDeferred(peer.clone(), true));
            }
            return self.put_off(peer, entry, now, batch);
        }
        let header = DeferredHeader { at: now, peer: peer.clone(), item: key, entry, code, detail };
        self.record(Record::Deferred { header, item: bytes.into() }, batch);
        result
    }

    /// Ends the operator's warning about each peer that has room again.
    pub(super) fn warn_of_shares(&mut self, batch: &mut Batch) {
        let (still, over): (BTreeSet<AgencyId>, BTreeSet<AgencyId>) =
            std::mem::take(&mut self.over_share).into_iter().partition(|peer| self.deferred.is_over(peer));
        self.over_share = still;
        batch.warnings.extend(over.into_iter().map(|peer| Warning::TooMuchDeferred(peer, false)));
    }

    /// The contents that match the entry's commitments. Other contents are refused alone, so that a relay which damages a content cannot
    /// keep the entry away.
    pub(super) fn check_contents(
        &mut self,
        peer: &AgencyId,
        entry: &Entry,
        contents: Vec<wire::Content>,
        now: u64,
        batch: &mut Batch,
    ) -> Vec<Content> {
        let mut good: Vec<Content> = Vec::new();
        let mut bad = None;
        for content in contents {
            match Content::parse(content, &entry.commitments) {
                Ok(content) if good.iter().any(|other| other.commitment == content.commitment) => {}
                Ok(content) => good.push(content),
                Err(detail) => bad = bad.or(Some(detail)),
            }
        }
        let case = entry.complaint.as_ref().filter(|_| !good.is_empty()).and_then(|id| self.cases.get(id));
        if case.is_some_and(|case| case.complaint.erases(entry)) {
            let detail = "it was erased on two signatures and is not taken again";
            let refusal = Refusal::new(RefusalCode::ContentErased, detail);
            self.refuse(peer, entry.id, &refusal, &entry.signed(), now, batch);
            good.clear();
        }
        if let Some(detail) = bad {
            let refusal = Refusal::new(RefusalCode::ContentMismatch, detail);
            self.refuse(peer, entry.id, &refusal, &entry.signed(), now, batch);
        }
        good
    }

    /// Takes contents that a duplicate brings and that were missing so far. `held` names the commitments whose contents this node has. Returns the
    /// contents that came and are here now, as in [`ItemResult::contents`].
    #[expect(clippy::too_many_arguments, reason = "an item, the facts about it, and where the decision goes")]
    fn take_missing_contents(
        &mut self,
        peer: &AgencyId,
        leaf: LedgerIndex,
        entry: &Entry,
        held: &[u32],
        contents: Vec<wire::Content>,
        now: u64,
        batch: &mut Batch,
    ) -> u32 {
        if contents.is_empty() {
            return 0;
        }
        let mut late: Vec<&Commitment> = Vec::new();
        let good = self.check_contents(peer, entry, contents, now, batch);
        let taken = bits_of(good.iter().map(|content| content.commitment));
        for content in good {
            if !held.contains(&content.commitment) {
                if entry.author != self.config.own {
                    self.fair_use.take_content(entry, content.data.len(), now);
                }
                late.extend(entry.commitments.get(content.commitment as usize));
                self.record(Record::Content { leaf, entry: entry.id, content }, batch);
            }
        }
        // The late contents go over the links that they would have gone over together with their entry.
        let case = entry.complaint.as_ref().filter(|_| !late.is_empty()).and_then(|id| self.cases.get(id));
        let routes =
            case.map(|case| case.routes_of_late(entry, &late, peer, self.routing_context())).unwrap_or_default();
        if !routes.is_empty() {
            self.route_again(leaf, routes, batch);
        }
        taken
    }

    /// Sends a leaf over these links, again or for the first time.
    pub(super) fn route_again(&mut self, leaf: LedgerIndex, routes: Vec<Route>, batch: &mut Batch) {
        self.record(Record::Routing(RoutingHeader::Leaf { leaf, routes }), batch);
    }

    /// Warns the operator that an agency has declared a new epoch of its ledger, that is, a loss.
    fn warn_of_reset(&self, entry: &Entry, batch: &mut Batch) {
        if let Some(reset) = reset_of(entry)
            && entry.author != self.config.own
        {
            let (author, epoch, reset) = (entry.author.clone(), entry.place.epoch, reset.clone());
            batch.warnings.push(Warning::Reset { author, epoch, reset });
        }
    }
}

/// The set of these numbers of commitments, as bits.
fn bits_of(commitments: impl Iterator<Item = u32>) -> u32 {
    commitments.fold(0, |bits, number| bits | 1u32.checked_shl(number).unwrap_or_default())
}
