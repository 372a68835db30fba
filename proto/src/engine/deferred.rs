//! Deferred items: received items that lack a parent or a charter, or whose time has not come.
//!
//! Must not know where the items' bytes are: the ledger has them, as `Deferred` records.
//!
//! Invariants:
//! - two copies of an entry that differ in any byte are two items: one may have a bad signature, or lack the contents;
//! - items that an arriving entry unblocks go onto a worklist, which takes as many batches as needed; nothing recurses;
//! - an item is tried only when the batch that deferred it is applied, because the view does not show it before;
//! - the number of items is bounded per peer and per author. Further items are not kept, and their peer sends them again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message;

use crate::base::ids::{AgencyId, EntryId};
use crate::base::refusal::DeferralCode;
use crate::entry::{Entry, author_in};
use crate::wire;

use super::batch::BatchNumber;
use super::config::PeerQuotas;
use super::record::{DeferredHeader, ItemKey};

/// The deferred items, indexed by parent, peer and author.
#[derive(Clone, Debug)]
pub struct DeferredItems {
    quotas: PeerQuotas,
    items: BTreeMap<ItemKey, Item>,
    by_parent: BTreeMap<EntryId, BTreeSet<ItemKey>>,
    by_peer: BTreeMap<AgencyId, Held>,
    by_author: BTreeMap<(AgencyId, String), usize>,
    /// The worklist: items that may be admitted now, each once.
    unblocked: VecDeque<ItemKey>,
    is_unblocked: BTreeSet<ItemKey>,
    /// Items that may be admitted except that there is no room for them now, by author.
    put_off: BTreeMap<AgencyId, BTreeSet<ItemKey>>,
}

/// One deferred item.
#[derive(Clone, Debug)]
struct Item {
    header: DeferredHeader,
    /// The batch that deferred it.
    batch: BatchNumber,
    parents: Vec<EntryId>,
    author: String,
    bytes: usize,
    /// Whether it waits for a parent by the newest judgement.
    lacks_parent: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    items: usize,
    bytes: usize,
}

impl DeferredItems {
    /// No item is deferred yet.
    pub fn new(quotas: PeerQuotas) -> Self {
        Self {
            quotas,
            items: BTreeMap::new(),
            by_parent: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            by_author: BTreeMap::new(),
            unblocked: VecDeque::new(),
            is_unblocked: BTreeSet::new(),
            put_off: BTreeMap::new(),
        }
    }

    /// Whether an item is deferred.
    pub fn contains(&self, key: &ItemKey) -> bool {
        self.items.contains_key(key)
    }

    /// The header of a deferred item.
    pub fn header(&self, key: &ItemKey) -> Option<&DeferredHeader> {
        self.items.get(key).map(|item| &item.header)
    }

    /// The headers of all deferred items, in the order of their keys.
    pub fn headers(&self) -> impl Iterator<Item = &DeferredHeader> {
        self.items.values().map(|item| &item.header)
    }

    /// The number of deferred items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no item is deferred.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether a peer has reached its bound.
    pub fn is_full(&self, peer: &AgencyId) -> bool {
        let held = self.by_peer.get(peer).copied().unwrap_or_default();
        held.items >= self.quotas.deferred_items || held.bytes >= self.quotas.deferred_bytes
    }

    /// Whether one more item of a peer may be deferred. If not, the peer or the author has reached its bound; the item is not kept, and the peer sends it
    /// again.
    ///
    /// The bound of authors keeps the items of one author from taking all of a peer's room. It does not count for the peer's own items, nor for those of this
    /// node, `own`, which peers give back after it has lost its ledger.
    pub fn has_room(&self, peer: &AgencyId, own: &AgencyId, item: &wire::Item) -> bool {
        if self.is_full(peer) {
            return false;
        }
        let author = author_in(item.signed_entry.clone()).map(String::from).unwrap_or_default();
        let waiting = self.by_author.get(&(peer.clone(), author.clone())).copied().unwrap_or(0);
        author == peer.as_str() || author == own.as_str() || waiting < self.quotas.deferred_items_of_author
    }

    /// Whether a peer, or an author whose items it brought, has reached its bound.
    pub fn is_over(&self, peer: &AgencyId) -> bool {
        let of_peer = self.by_author.range((peer.clone(), String::new())..).take_while(|((of, _), _)| of == peer);
        self.is_full(peer) || of_peer.into_iter().any(|(_, waiting)| *waiting >= self.quotas.deferred_items_of_author)
    }

    /// Adds an item that a batch deferred. `item` is the encoded `Item`.
    pub fn add(&mut self, header: DeferredHeader, batch: BatchNumber, item: &[u8], federation: &str) {
        let (bytes, item) = (item.len(), wire::Item::decode(item).ok());
        let entry = item.as_ref().and_then(|item| Entry::parse(item.signed_entry.clone(), federation).ok());
        let parents = entry.as_ref().map(|entry| entry.parents.clone()).unwrap_or_default();
        let author = item.and_then(|item| author_in(item.signed_entry)).map(String::from).unwrap_or_default();
        for parent in &parents {
            self.by_parent.entry(*parent).or_default().insert(header.item);
        }
        let held = self.by_peer.entry(header.peer.clone()).or_default();
        held.items += 1;
        held.bytes += bytes;
        *self.by_author.entry((header.peer.clone(), author.clone())).or_default() += 1;
        let lacks_parent = header.code == DeferralCode::MissingParent.number();
        self.items.insert(header.item, Item { header, batch, parents, author, bytes, lacks_parent });
    }

    /// Takes an item out, because it is not deferred any more.
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

    /// Unblocks the items that lack this entry, which has arrived.
    pub fn arrived(&mut self, entry: &EntryId) {
        let children: Vec<ItemKey> = self.by_parent.get(entry).into_iter().flatten().copied().collect();
        children.into_iter().for_each(|key| self.unblock(key));
    }

    /// Notes why an item that was judged again stays deferred. The reason may be another one than at first.
    pub fn stays(&mut self, key: &ItemKey, code: DeferralCode) {
        if let Some(item) = self.items.get_mut(key) {
            item.lacks_parent = code == DeferralCode::MissingParent;
        }
    }

    /// Notes that an item of an author may be admitted, except that there is no room for it now.
    pub fn put_off(&mut self, author: &AgencyId, key: ItemKey) {
        self.put_off.entry(author.clone()).or_default().insert(key);
    }

    /// Unblocks the items that were put off, of each author that has room now.
    pub fn unblock_put_off(&mut self, has_room: impl Fn(&AgencyId) -> bool) {
        let put_off = std::mem::take(&mut self.put_off);
        let (ready, waiting): (BTreeMap<_, _>, BTreeMap<_, _>) =
            put_off.into_iter().partition(|(author, _)| has_room(author));
        self.put_off = waiting;
        ready.into_values().flatten().for_each(|key| self.unblock(key));
    }

    /// Unblocks all items that do not lack a parent, because time has passed or a charter came.
    pub fn time_passed(&mut self) {
        let keys: Vec<ItemKey> =
            self.items.iter().filter(|(_, item)| !item.lacks_parent).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.unblock(key));
    }

    /// Unblocks all items at the start of a node: some may have been unblocked just before it stopped, and not been tried durably.
    pub fn started(&mut self) {
        let keys: Vec<ItemKey> = self.items.keys().copied().collect();
        keys.into_iter().for_each(|key| self.unblock(key));
    }

    /// Puts an item on the worklist, because it may be admitted now.
    pub fn unblock(&mut self, key: ItemKey) {
        if self.is_unblocked.insert(key) {
            self.unblocked.push_back(key);
        }
    }

    /// Whether the worklist has an item that the view shows. `applied` is the newest batch that the view shows.
    pub fn is_ready(&self, applied: BatchNumber) -> bool {
        self.unblocked.iter().any(|key| self.items.get(key).is_some_and(|item| item.batch <= applied))
    }

    /// Takes the next such item from the worklist. Forgets items that are not deferred any more.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::item_key;
    use crate::fixture::{FEDERATION, Federation, QUOTAS, agency};

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
    fn an_item_that_lacks_a_parent_is_tried_when_the_parent_arrives_and_not_when_time_passes() {
        let federation = Federation::new();
        let mut items = DeferredItems::new(QUOTAS);
        let (parent, waits) = item(&federation, 1);
        let for_parent = add(&mut items, "ksp", DeferralCode::MissingParent, &waits);
        let for_time = add(&mut items, "ksp", DeferralCode::ClockAhead, &item(&federation, 2).1);
        items.time_passed();
        assert_eq!(items.next_ready(APPLIED), Some(for_time));
        assert!(!items.is_ready(APPLIED));
        items.remove(&for_time);
        items.arrived(&parent);
        assert_eq!(items.next_ready(APPLIED), Some(for_parent));
        // Its parent is here, and its clock is still ahead.
        items.stays(&for_parent, DeferralCode::ClockAhead);
        items.time_passed();
        assert_eq!(items.next_ready(APPLIED), Some(for_parent));
        items.stays(&for_parent, DeferralCode::MissingParent);
        items.time_passed();
        assert!(!items.is_ready(APPLIED));
        items.remove(&for_parent);
        items.arrived(&parent);
        assert!(items.is_empty() && !items.is_ready(APPLIED));
    }

    #[test]
    fn an_item_is_tried_only_when_the_batch_that_deferred_it_is_applied() {
        let mut items = DeferredItems::new(QUOTAS);
        let key = add(&mut items, "ksp", DeferralCode::ClockAhead, &item(&Federation::new(), 1).1);
        items.time_passed();
        assert!(!items.is_ready(BatchNumber(0)));
        assert_eq!(items.next_ready(BatchNumber(0)), None);
        assert_eq!(items.next_ready(APPLIED), Some(key));
    }

    #[test]
    fn every_item_is_tried_after_a_restart() {
        let mut items = DeferredItems::new(QUOTAS);
        let key = add(&mut items, "ksp", DeferralCode::MissingParent, &item(&Federation::new(), 1).1);
        items.started();
        assert_eq!(items.next_ready(APPLIED), Some(key));
    }

    #[test]
    fn a_peer_is_full_at_its_items_or_at_their_bytes_until_one_of_them_is_removed() {
        let (peer, code) = (agency("ksp"), DeferralCode::MissingCharter.number());
        for (most, bytes) in [(QUOTAS.deferred_items, 8), (2, QUOTAS.deferred_bytes / 2)] {
            let mut items = DeferredItems::new(QUOTAS);
            // The bytes are no entries, which does not matter here.
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
    fn there_is_no_room_for_too_many_items_of_another_author_and_there_is_for_those_of_the_peer_or_of_this_node() {
        let federation = Federation::new();
        let mut items = DeferredItems::new(QUOTAS);
        for leaf in 0..QUOTAS.deferred_items_of_author as u64 {
            let (_, waits) = item(&federation, leaf);
            for peer in ["ksp", "kota-bandung"] {
                assert!(items.has_room(&agency(peer), &agency("kominfo"), &waits));
                add(&mut items, peer, DeferralCode::MissingParent, &waits);
            }
        }
        let (_, one_more) = item(&federation, 1_000_000);
        let has_room = |peer: &str, own: &str| items.has_room(&agency(peer), &agency(own), &one_more);
        assert!(!has_room("ksp", "kominfo"));
        assert!(has_room("kota-bandung", "kominfo"));
        assert!(has_room("ksp", "kota-bandung"));
    }

    #[test]
    fn a_peer_s_own_items_of_a_later_version_are_counted_as_its_own() {
        let federation = Federation::new();
        let mut items = DeferredItems::new(QUOTAS);
        let of_version_3 = |leaf: u64| {
            let case = federation.case_at("kota-bandung");
            let writing = federation.node("kota-bandung").forwards(&case).to("prov-jabar").at_leaf(leaf);
            wire::Item { signed_entry: writing.edited(|entry| entry.version = 3), ..Default::default() }
        };
        for leaf in 0..QUOTAS.deferred_items_of_author as u64 {
            add(&mut items, "kota-bandung", DeferralCode::LaterVersion, &of_version_3(leaf));
            add(&mut items, "ksp", DeferralCode::LaterVersion, &of_version_3(leaf));
        }
        let has_room = |peer: &str| items.has_room(&agency(peer), &agency("kominfo"), &of_version_3(1_000_000));
        assert!(has_room("kota-bandung"));
        assert!(!has_room("ksp"));
    }
}
