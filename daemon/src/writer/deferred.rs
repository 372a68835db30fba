//! Items that wait: for a parent, for a charter, for their time. Durable as `Deferred` records; here only an index of them.
//!
//! Invariants:
//! - two copies of an entry that differ in any byte wait side by side: one may have a bad signature, or lack the contents;
//! - what becomes possible when an entry arrives is done by a worklist, over as many groups as it takes, never by recursion;
//! - bounded per peer (a peer over it is not read on) and per author (an author over it is refused).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use sinergi_proto::admission::{Verdict, admit};
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::{AgencyId, EntryId};
use sinergi_proto::limits;
use sinergi_proto::refusal::DeferralCode;
use sinergi_proto::wire;

use super::{Received, Selection, Writer, WriterError};
use crate::apply::Applier;
use crate::case::CaseError;
use crate::headers::{self, DeferredDoneHeader, DeferredHeader};
use crate::ledger::{Group, Position, RecordKind};
use crate::link::receive_items;
use crate::time::now_millis;

/// SHA-256 over the peer and the item as it came.
pub(super) type ItemKey = [u8; 32];

pub(super) fn item_key(peer: &AgencyId, item: &[u8]) -> ItemKey {
    Sha256::new().chain_update(peer.as_str()).chain_update([0]).chain_update(item).finalize().into()
}

/// What waits, by what it waits for.
#[derive(Default)]
pub(super) struct Waiting {
    items: BTreeMap<ItemKey, WaitingItem>,
    by_parent: HashMap<EntryId, HashSet<ItemKey>>,
    by_peer: HashMap<AgencyId, Held>,
    by_author: HashMap<(AgencyId, String), usize>,
    /// What may be possible now.
    unblocked: VecDeque<ItemKey>,
}

/// One waiting item.
struct WaitingItem {
    position: Position,
    header: DeferredHeader,
    parents: Vec<EntryId>,
    author: String,
    bytes: usize,
}

#[derive(Clone, Copy, Default)]
struct Held {
    items: usize,
    bytes: usize,
}

impl Waiting {
    /// Loads what waits from the store and the ledger.
    pub(super) fn load(applier: &Applier, federation: &str) -> Result<Self, WriterError> {
        let mut waiting = Self::default();
        for item in applier.store().deferred() {
            let (key, position) = item?;
            let (header, body) = read(applier, position)?;
            waiting.add(key, position, header, &body, federation);
        }
        // What became possible just before the node ended was not tried yet, or not durably.
        waiting.unblocked = waiting.items.keys().copied().collect();
        Ok(waiting)
    }

    pub(super) fn contains(&self, key: &ItemKey) -> bool {
        self.items.contains_key(key)
    }

    /// Whether as much of this peer waits as may.
    pub(super) fn is_full(&self, peer: &AgencyId) -> bool {
        let held = self.by_peer.get(peer).copied().unwrap_or_default();
        held.items >= limits::DEFERRED_PER_PEER || held.bytes >= limits::DEFERRED_BYTES_PER_PEER
    }

    /// How many items of an author wait that came from this peer.
    pub(super) fn of_author(&self, peer: &AgencyId, author: &str) -> usize {
        self.by_author.get(&(peer.clone(), author.to_owned())).copied().unwrap_or(0)
    }

    pub(super) fn add(
        &mut self,
        key: ItemKey,
        position: Position,
        header: DeferredHeader,
        item: &[u8],
        federation: &str,
    ) {
        let entry = wire::Item::decode(item).ok().and_then(|item| Entry::parse(item.signed_entry, federation).ok());
        let parents = entry.as_ref().map(|entry| entry.parents.clone()).unwrap_or_default();
        let author = entry.map(|entry| entry.author.to_string()).unwrap_or_default();
        for parent in &parents {
            self.by_parent.entry(*parent).or_default().insert(key);
        }
        let held = self.by_peer.entry(header.peer.clone()).or_default();
        held.items += 1;
        held.bytes += item.len();
        *self.by_author.entry((header.peer.clone(), author.clone())).or_default() += 1;
        self.items.insert(key, WaitingItem { position, header, parents, author, bytes: item.len() });
    }

    fn remove(&mut self, key: &ItemKey) {
        let Some(item) = self.items.remove(key) else { return };
        for parent in &item.parents {
            if let Some(children) = self.by_parent.get_mut(parent) {
                children.remove(key);
                if children.is_empty() {
                    self.by_parent.remove(parent);
                }
            }
        }
        if let Some(held) = self.by_peer.get_mut(&item.header.peer) {
            held.items = held.items.saturating_sub(1);
            held.bytes = held.bytes.saturating_sub(item.bytes);
        }
        if let Some(count) = self.by_author.get_mut(&(item.header.peer, item.author)) {
            *count = count.saturating_sub(1);
        }
    }

    /// An entry is here: what waited for it may be possible now.
    pub(super) fn arrived(&mut self, entry: &EntryId) {
        self.unblocked.extend(self.by_parent.get(entry).into_iter().flatten());
    }

    /// Time has passed, or a charter came: what waited for that may be possible now.
    pub(super) fn time_passed(&mut self) {
        let waits = |item: &WaitingItem| item.header.code != DeferralCode::MissingParent.number();
        self.unblocked.extend(self.items.iter().filter(|(_, item)| waits(item)).map(|(key, _)| *key));
    }

    /// The items that wait, or the one whose record lies at a position, of one peer or of all.
    pub(super) fn selected(&self, selection: &Selection) -> Vec<(ItemKey, Position, DeferredHeader)> {
        let is_meant = |item: &&WaitingItem| {
            selection.position.is_none_or(|position| position == item.position)
                && selection.peer.as_ref().is_none_or(|peer| *peer == item.header.peer)
        };
        let of = |(key, item): (&ItemKey, &WaitingItem)| (*key, item.position, item.header.clone());
        self.items.iter().filter(|(_, item)| is_meant(item)).map(of).collect()
    }

    /// Whether something may be possible that was not tried yet.
    pub(super) fn is_unblocked(&self) -> bool {
        !self.unblocked.is_empty()
    }
}

/// The record of a waiting item.
fn read(applier: &Applier, position: Position) -> Result<(DeferredHeader, Bytes), WriterError> {
    let record = applier.reader().record(position).map_err(CaseError::Ledger)?;
    let header =
        headers::decode(&record.header).map_err(|source| CaseError::Header { index: Default::default(), source })?;
    Ok((header, Bytes::from(record.body)))
}

impl Writer {
    /// Tries what may be possible now, as far as the group has room; the rest waits for the next group.
    pub(super) fn try_unblocked(&mut self, group: &mut Group) -> Result<(), WriterError> {
        let mut not_durable = Vec::new();
        while group.length() < limits::GROUP_BYTES
            && let Some(key) = self.waiting.unblocked.pop_front()
        {
            let Some(item) = self.waiting.items.get(&key) else { continue };
            // Deferred in this very group: readable when it is durable.
            if item.position >= self.parts.ledger.end() {
                not_durable.push(key);
                continue;
            }
            self.try_again(group, key)?;
        }
        self.waiting.unblocked.extend(not_durable);
        Ok(())
    }

    /// Judges one waiting item again.
    pub(super) fn try_again(&mut self, group: &mut Group, key: ItemKey) -> Result<(), WriterError> {
        let Some(WaitingItem { position, .. }) = self.waiting.items.get(&key) else { return Ok(()) };
        let (header, body) = read(&self.parts.applier, *position)?;
        // The same path as when it came: it may have been kept before its author's key was known.
        let item = wire::Item::decode(body).unwrap_or_default();
        let charters = self.parts.directory.charters();
        let Some(received) = receive_items(vec![item], &self.parts.federation, &charters).pop() else { return Ok(()) };
        let waits_on = match &received {
            Received::Deferred { .. } => true,
            Received::Authentic(authentic) => self.still_waits(&authentic.entry)?,
            Received::Refused { .. } => false,
        };
        if waits_on {
            return Ok(());
        }
        self.waiting.remove(&key);
        self.has_spent_items = true;
        let done = headers::encode(&DeferredDoneHeader { item: key });
        self.record(group, RecordKind::DeferredDone, &done, &[])?;
        self.receive(group, &header.peer, received)?;
        Ok(())
    }

    fn still_waits(&mut self, entry: &Entry) -> Result<bool, WriterError> {
        let charters = self.parts.directory.charters();
        let Some(charter) = charters.version(entry.charter_version) else { return Ok(true) };
        let case = match &entry.complaint {
            Some(complaint) => self.parts.applier.case(complaint)?,
            None => None,
        };
        let verdict = admit(entry, case.map(|case| &case.complaint), charter, now_millis());
        Ok(matches!(verdict, Verdict::Defer { .. }))
    }
}
