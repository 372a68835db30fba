//! Items that wait: for a parent, for a charter, for their time. Durable as `Deferred` records; indexed here by what they wait for.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use prost::Message;
use sinergi_proto::admission::{Verdict, signing_key};
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::{AgencyId, EntryId};
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::refusal::Refusal;
use sinergi_proto::wire;

use super::{Authentic, Received, Writer, WriterError};
use crate::apply::Applier;
use crate::case::CaseError;
use crate::headers::{self, DeferredDoneHeader, DeferredHeader};
use crate::ledger::{Group, RecordKind};

/// What waits.
#[derive(Default)]
pub(super) struct Waiting {
    items: BTreeMap<EntryId, WaitingItem>,
    by_parent: HashMap<EntryId, HashSet<EntryId>>,
    by_peer: HashMap<AgencyId, usize>,
}

struct WaitingItem {
    peer: AgencyId,
    item: wire::Item,
    parents: Vec<EntryId>,
}

impl Waiting {
    /// Loads what waits from the store and the ledger.
    pub(super) fn load(applier: &Applier, federation: &str) -> Result<Self, WriterError> {
        let mut waiting = Self::default();
        for item in applier.store().deferred() {
            let (entry, position) = item?;
            let record = applier.reader().record(position).map_err(CaseError::Ledger)?;
            let index = Default::default();
            let header: DeferredHeader =
                headers::decode(&record.header).map_err(|source| CaseError::Header { index, source })?;
            if let Ok(item) = wire::Item::decode(Bytes::from(record.body)) {
                waiting.add(entry, header.peer, item, federation);
            }
        }
        Ok(waiting)
    }

    pub(super) fn contains(&self, entry: &EntryId) -> bool {
        self.items.contains_key(entry)
    }

    pub(super) fn of_peer(&self, peer: &AgencyId) -> usize {
        self.by_peer.get(peer).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, entry: EntryId, peer: AgencyId, item: wire::Item, federation: &str) {
        let parents =
            Entry::parse(item.signed_entry.clone(), federation).map(|entry| entry.parents).unwrap_or_default();
        for parent in &parents {
            self.by_parent.entry(*parent).or_default().insert(entry);
        }
        *self.by_peer.entry(peer.clone()).or_default() += 1;
        self.items.insert(entry, WaitingItem { peer, item, parents });
    }

    fn remove(&mut self, entry: &EntryId) -> Option<(AgencyId, wire::Item)> {
        let WaitingItem { peer, item, parents } = self.items.remove(entry)?;
        for parent in &parents {
            if let Some(children) = self.by_parent.get_mut(parent) {
                children.remove(entry);
                if children.is_empty() {
                    self.by_parent.remove(parent);
                }
            }
        }
        if let Some(count) = self.by_peer.get_mut(&peer) {
            *count = count.saturating_sub(1);
        }
        Some((peer, item))
    }

    fn children(&self, parent: &EntryId) -> Vec<EntryId> {
        self.by_parent.get(parent).map(|children| children.iter().copied().collect()).unwrap_or_default()
    }

    fn all(&self) -> Vec<EntryId> {
        self.items.keys().copied().collect()
    }
}

impl Writer {
    /// Judges again what waited for this entry, and what waited for that, and so on.
    pub(super) fn retry_children(&mut self, group: &mut Group, parent: EntryId) -> Result<(), WriterError> {
        let mut arrived = vec![parent];
        while let Some(parent) = arrived.pop() {
            for child in self.waiting.children(&parent) {
                if self.retry(group, child)? {
                    arrived.push(child);
                }
            }
        }
        Ok(())
    }

    /// Judges again everything that waits.
    pub(super) fn retry_waiting(&mut self, group: &mut Group) -> Result<(), WriterError> {
        for entry in self.waiting.all() {
            if self.waiting.contains(&entry) && self.retry(group, entry)? {
                self.retry_children(group, entry)?;
            }
        }
        Ok(())
    }

    /// Judges one item again; `true` if it is in the ledger now.
    fn retry(&mut self, group: &mut Group, entry_id: EntryId) -> Result<bool, WriterError> {
        let Some(waiting) = self.waiting.items.get(&entry_id) else { return Ok(false) };
        let received = authenticate_again(&waiting.item, entry_id, &self.parts.federation, &self.parts.directory);
        if let Received::Authentic(authentic) = &received
            && self.still_waits(&authentic.entry)?
        {
            return Ok(false);
        }
        if matches!(received, Received::Deferred { .. }) {
            return Ok(false);
        }
        let Some((peer, _)) = self.waiting.remove(&entry_id) else { return Ok(false) };
        let header = headers::encode(&DeferredDoneHeader { entry: entry_id });
        self.record(group, RecordKind::DeferredDone, &header, &[])?;
        let result = self.receive(group, &peer, received)?;
        Ok(matches!(result.outcome, ItemOutcome::Leaf(_)))
    }

    fn still_waits(&mut self, entry: &Entry) -> Result<bool, WriterError> {
        let charters = self.parts.directory.charters();
        let Some(charter) = charters.version(entry.charter_version).cloned() else { return Ok(true) };
        let now = crate::time::now_millis();
        let case = self.case_of(entry)?;
        let verdict = sinergi_proto::admission::admit(entry, case.map(|case| &case.complaint), &charter, now);
        Ok(matches!(verdict, Verdict::Defer { .. }))
    }
}

/// A waiting item may have been kept before its author's key was known.
fn authenticate_again(
    item: &wire::Item,
    entry: EntryId,
    federation: &str,
    directory: &crate::directory::Directory,
) -> Received {
    let bytes = item.signed_entry.clone();
    let refused = |refusal: Refusal| Received::Refused { entry, refusal, bytes: item.signed_entry.clone() };
    let parsed = match Entry::parse(bytes, federation) {
        Ok(parsed) => parsed,
        Err(refusal) => return refused(refusal),
    };
    match signing_key(&parsed, &directory.charters()) {
        Ok(key) if parsed.verify(&key.public) => {
            Received::Authentic(Box::new(Authentic { entry: parsed, item: item.clone() }))
        }
        Ok(key) => {
            let detail = format!("the signature does not verify under key {:08x} of {}", key.id, parsed.author);
            refused(Refusal::new(sinergi_proto::refusal::RefusalCode::BadSignature, detail))
        }
        Err(Verdict::Refuse(refusal)) => refused(refusal),
        Err(Verdict::Defer { code, detail }) => {
            Received::Deferred { entry, code: code.number(), detail, item: item.clone() }
        }
        Err(Verdict::Admit) => unreachable!("no key, no admission"),
    }
}
