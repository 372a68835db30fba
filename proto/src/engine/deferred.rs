//! What waits: received items that cannot be taken yet, for want of a parent, of a charter, or because their time has not come.
//!
//! Must not know where the items are kept: the ledger has them, as `Deferred` records.
//!
//! Invariants:
//! - two copies of an entry that differ in any byte wait side by side: one may have a bad signature, or lack the contents;
//! - what becomes possible when an entry arrives is done by a worklist, over as many batches as it takes, never by recursion;
//! - an item is tried only when the view can show it: when the batch that deferred it is applied;
//! - bounded per peer (a peer over it is not read on) and per author (an author over it is refused).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message;
use sha2::{Digest, Sha256};

use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;
use crate::base::refusal::{DeferralCode, Refusal, RefusalCode};
use crate::entry::Entry;
use crate::wire;

use super::batch::BatchNumber;
use super::record::DeferredHeader;

/// SHA-256 over the peer and the item as it came.
pub type ItemKey = [u8; 32];

/// The name of an item among what waits.
pub fn item_key(peer: &AgencyId, item: &[u8]) -> ItemKey {
    Sha256::new().chain_update(peer.as_str()).chain_update([0]).chain_update(item).finalize().into()
}

/// What waits, by what it waits for.
#[derive(Clone, Debug, Default)]
pub struct DeferredItems {
    items: BTreeMap<ItemKey, Item>,
    by_parent: BTreeMap<EntryId, BTreeSet<ItemKey>>,
    by_peer: BTreeMap<AgencyId, Held>,
    by_author: BTreeMap<(AgencyId, String), usize>,
    /// What may be possible now, each once.
    unblocked: VecDeque<ItemKey>,
    is_unblocked: BTreeSet<ItemKey>,
}

/// One waiting item.
#[derive(Clone, Debug)]
struct Item {
    header: DeferredHeader,
    /// The batch that deferred it.
    batch: BatchNumber,
    parents: Vec<EntryId>,
    author: String,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    items: usize,
    bytes: usize,
}

impl DeferredItems {
    /// Whether an item waits.
    pub fn contains(&self, key: &ItemKey) -> bool {
        self.items.contains_key(key)
    }

    /// What is noted beside a waiting item.
    pub fn header(&self, key: &ItemKey) -> Option<&DeferredHeader> {
        self.items.get(key).map(|item| &item.header)
    }

    /// What is noted beside each waiting item, in the order of their names.
    pub fn headers(&self) -> impl Iterator<Item = &DeferredHeader> {
        self.items.values().map(|item| &item.header)
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether as much of this peer waits as may.
    pub fn is_full(&self, peer: &AgencyId) -> bool {
        let held = self.by_peer.get(peer).copied().unwrap_or_default();
        held.items >= limits::DEFERRED_PER_PEER || held.bytes >= limits::DEFERRED_BYTES_PER_PEER
    }

    /// Why an item may not wait, if it may not; `detail`: what it would wait for.
    ///
    /// The peer's own backlog is held by not reading on, never refused: it would be lost. Somebody else's must not hold the peer's line.
    pub fn refuses(&self, peer: &AgencyId, item: &wire::Item, federation: &str, detail: &str) -> Option<Refusal> {
        let author = author_of(item, federation);
        let most = limits::DEFERRED_PER_AUTHOR;
        let waiting = self.by_author.get(&(peer.clone(), author.clone())).copied().unwrap_or(0);
        if author == peer.as_str() || waiting < most {
            return None;
        }
        let detail = format!("{most} items of {author} wait here, the most that are kept: {detail}");
        Some(Refusal::new(RefusalCode::DeferredFull, detail))
    }

    /// Adds an item that a batch deferred. `item`: its bytes.
    pub fn add(&mut self, header: DeferredHeader, batch: BatchNumber, item: &[u8], federation: &str) {
        let entry = wire::Item::decode(item).ok().and_then(|item| Entry::parse(item.signed_entry, federation).ok());
        let parents = entry.as_ref().map(|entry| entry.parents.clone()).unwrap_or_default();
        let author = entry.map(|entry| entry.author.to_string()).unwrap_or_default();
        for parent in &parents {
            self.by_parent.entry(*parent).or_default().insert(header.item);
        }
        let held = self.by_peer.entry(header.peer.clone()).or_default();
        held.items += 1;
        held.bytes += item.len();
        *self.by_author.entry((header.peer.clone(), author.clone())).or_default() += 1;
        self.items.insert(header.item, Item { header, batch, parents, author, bytes: item.len() });
    }

    /// Takes an item out: it waits no longer.
    pub fn remove(&mut self, key: &ItemKey) {
        let Some(item) = self.items.remove(key) else { return };
        for parent in &item.parents {
            if let Some(children) = self.by_parent.get_mut(parent) {
                children.remove(key);
                if children.is_empty() {
                    self.by_parent.remove(parent);
                }
            }
        }
        let peer = item.header.peer;
        if let Some(held) = self.by_peer.get_mut(&peer) {
            held.items = held.items.saturating_sub(1);
            held.bytes = held.bytes.saturating_sub(item.bytes);
        }
        if let Some(count) = self.by_author.get_mut(&(peer, item.author)) {
            *count = count.saturating_sub(1);
        }
    }

    /// An entry is here: what waited for it may be possible now.
    pub fn arrived(&mut self, entry: &EntryId) {
        let children: Vec<ItemKey> = self.by_parent.get(entry).into_iter().flatten().copied().collect();
        children.into_iter().for_each(|key| self.unblock(key));
    }

    /// Time has passed, or a charter came: what waited for that may be possible now.
    pub fn time_passed(&mut self) {
        let waits = |item: &Item| item.header.code != DeferralCode::MissingParent.number();
        let keys: Vec<ItemKey> = self.items.iter().filter(|(_, item)| waits(item)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.unblock(key));
    }

    /// The node has started: what became possible just before it ended was not tried yet, or not durably.
    pub fn started(&mut self) {
        let keys: Vec<ItemKey> = self.items.keys().copied().collect();
        keys.into_iter().for_each(|key| self.unblock(key));
    }

    /// An item may be possible now.
    pub fn unblock(&mut self, key: ItemKey) {
        if self.is_unblocked.insert(key) {
            self.unblocked.push_back(key);
        }
    }

    /// Whether an item that the view shows may be possible and was not tried yet. `applied`: the newest batch that the view shows.
    pub fn is_ready(&self, applied: BatchNumber) -> bool {
        self.unblocked.iter().any(|key| self.items.get(key).is_some_and(|item| item.batch <= applied))
    }

    /// The next of these items. Forgets those that were settled meanwhile.
    pub fn next_ready(&mut self, applied: BatchNumber) -> Option<ItemKey> {
        for _ in 0..self.unblocked.len() {
            let key = self.unblocked.pop_front()?;
            match self.items.get(&key) {
                Some(item) if item.batch > applied => self.unblocked.push_back(key),
                found => {
                    self.is_unblocked.remove(&key);
                    if found.is_some() {
                        return Some(key);
                    }
                }
            }
        }
        None
    }
}

fn author_of(item: &wire::Item, federation: &str) -> String {
    Entry::parse(item.signed_entry.clone(), federation).map(|entry| entry.author.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{FEDERATION, Federation, agency};

    fn item(federation: &Federation, leaf: u64) -> (EntryId, wire::Item) {
        let case = federation.case_at("kota-bandung");
        let writing = federation.node("kota-bandung").forwards(&case).to("prov-jabar").at_leaf(leaf);
        let item = wire::Item { signed_entry: writing.signed().bytes, ..Default::default() };
        (case.complaint.tip(), item)
    }

    /// The batch that the view shows in these tests.
    const APPLIED: BatchNumber = BatchNumber(1);

    fn header(peer: &AgencyId, code: u32, bytes: &[u8]) -> DeferredHeader {
        let (item, entry) = (item_key(peer, bytes), EntryId([0; 32]));
        DeferredHeader { at: 0, peer: peer.clone(), item, entry, code, detail: String::new() }
    }

    fn add(items: &mut DeferredItems, peer: &str, code: DeferralCode, item: &wire::Item) -> ItemKey {
        let (peer, bytes) = (agency(peer), item.encode_to_vec());
        let header = header(&peer, code.number(), &bytes);
        let key = header.item;
        items.add(header, APPLIED, &bytes, FEDERATION);
        key
    }

    #[test]
    fn what_waits_for_a_parent_is_tried_when_it_arrives_and_not_when_time_passes() {
        let federation = Federation::new();
        let mut items = DeferredItems::default();
        let (parent, waits) = item(&federation, 1);
        let for_parent = add(&mut items, "ksp", DeferralCode::MissingParent, &waits);
        let for_time = add(&mut items, "ksp", DeferralCode::ClockAhead, &item(&federation, 2).1);
        items.time_passed();
        assert_eq!(items.next_ready(APPLIED), Some(for_time));
        assert!(!items.is_ready(APPLIED));
        items.remove(&for_time);
        items.arrived(&parent);
        assert_eq!(items.next_ready(APPLIED), Some(for_parent));
        items.remove(&for_parent);
        items.arrived(&parent);
        assert!(items.is_empty() && !items.is_ready(APPLIED));
    }

    #[test]
    fn an_item_is_tried_only_when_the_batch_that_deferred_it_is_applied() {
        let mut items = DeferredItems::default();
        let key = add(&mut items, "ksp", DeferralCode::ClockAhead, &item(&Federation::new(), 1).1);
        items.time_passed();
        assert!(!items.is_ready(BatchNumber(0)));
        assert_eq!(items.next_ready(BatchNumber(0)), None);
        assert_eq!(items.next_ready(APPLIED), Some(key));
    }

    #[test]
    fn what_was_unblocked_and_not_settled_before_a_restart_is_tried_after_it() {
        let mut items = DeferredItems::default();
        let key = add(&mut items, "ksp", DeferralCode::MissingParent, &item(&Federation::new(), 1).1);
        items.started();
        assert_eq!(items.next_ready(APPLIED), Some(key));
    }

    #[test]
    fn a_peer_s_room_is_full_at_its_items_or_at_their_bytes_until_one_waits_no_longer() {
        let (peer, code) = (agency("ksp"), DeferralCode::MissingCharter.number());
        for (most, bytes) in [(limits::DEFERRED_PER_PEER, 8), (2, limits::DEFERRED_BYTES_PER_PEER / 2)] {
            let mut items = DeferredItems::default();
            // No entries: that they wait is all that counts.
            let mut item = vec![0; bytes];
            for number in 0..most as u64 {
                assert!(!items.is_full(&peer), "{number} of {most}");
                item[..8].copy_from_slice(&number.to_be_bytes());
                items.add(header(&peer, code, &item), APPLIED, &item, FEDERATION);
            }
            assert!(items.is_full(&peer) && !items.is_full(&agency("kota-bandung")));
            items.remove(&item_key(&peer, &item));
            assert!(!items.is_full(&peer));
        }
    }

    #[test]
    fn too_much_of_another_author_is_refused_and_of_the_peer_itself_never() {
        let federation = Federation::new();
        let mut items = DeferredItems::default();
        for leaf in 0..limits::DEFERRED_PER_AUTHOR as u64 {
            let (_, waits) = item(&federation, leaf);
            for peer in ["ksp", "kota-bandung"] {
                assert_eq!(items.refuses(&agency(peer), &waits, FEDERATION, ""), None);
                add(&mut items, peer, DeferralCode::MissingParent, &waits);
            }
        }
        let (_, one_more) = item(&federation, 1_000_000);
        let refused = items.refuses(&agency("ksp"), &one_more, FEDERATION, "a parent");
        assert_eq!(refused.map(|refusal| refusal.code), Some(RefusalCode::DeferredFull));
        assert_eq!(items.refuses(&agency("kota-bandung"), &one_more, FEDERATION, "a parent"), None);
    }
}
