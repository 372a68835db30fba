//! A view in memory that shows the applied batches. A test can make its reads fail.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;

use super::super::*;
use crate::base::ids::EntryId;
use crate::charter::Charters;
use crate::entry::content::Content;
use crate::routing::route::reset_of;
use crate::routing::unsettled::Unsettled;

/// A read that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The facts of the applied batches.
#[derive(Clone)]
pub(super) struct Memory {
    charters: Charters,
    pub(super) size: u64,
    cases: BTreeMap<ComplaintId, Case>,
    imported: BTreeMap<External, ComplaintId>,
    node_entries: BTreeMap<EntryId, LedgerIndex>,
    pub(super) contents: BTreeMap<LedgerIndex, Vec<Content>>,
    epochs: BTreeMap<AgencyId, Epoch>,
    deferred: BTreeMap<ItemKey, (DeferredHeader, Vec<u8>)>,
    backfilled: BTreeSet<AgencyId>,
    seen: BTreeMap<AgencyId, Vec<u8>>,
    receipts: Vec<(ReceiptHeader, Bytes)>,
    unsettled: BTreeMap<(AgencyId, LedgerIndex), Unsettled>,
    /// How often receipts were asked for.
    pub(super) receipts_asked: usize,
    /// A complaint that cannot be read.
    pub(super) damaged: Option<ComplaintId>,
    /// The latest time that may have been cosigned, in seconds since 1970.
    pub(super) ceiling: u64,
    judged: Option<JudgedHeader>,
    /// Whether contents can be read.
    pub(super) shows_contents: bool,
}

impl Memory {
    pub(super) fn new(charters: &Charters) -> Self {
        Self {
            charters: charters.clone(),
            size: 0,
            cases: BTreeMap::new(),
            imported: BTreeMap::new(),
            node_entries: BTreeMap::new(),
            contents: BTreeMap::new(),
            epochs: BTreeMap::new(),
            deferred: BTreeMap::new(),
            backfilled: BTreeSet::new(),
            seen: BTreeMap::new(),
            receipts: Vec::new(),
            unsettled: BTreeMap::new(),
            receipts_asked: 0,
            damaged: None,
            ceiling: 0,
            judged: None,
            shows_contents: true,
        }
    }

    /// Learns newer charters.
    pub(super) fn learn(&mut self, charters: &Charters) {
        self.charters = charters.clone();
        for case in self.cases.values_mut() {
            case.judge_again(charters);
        }
    }

    pub(super) fn snapshot(&self, config: &EngineConfig) -> Snapshot {
        Snapshot {
            epoch: Epoch::FIRST,
            size: LedgerIndex(self.size),
            clock: HybridClock::default(),
            ceiling: self.ceiling,
            judged: self.judged,
            deferred: self.deferred.values().cloned().collect(),
            duties: self.cases.iter().filter(|(_, case)| case.duties(&config.own).any()).map(|(id, _)| *id).collect(),
            new_peers: config.adjacent.difference(&self.backfilled).cloned().collect(),
            seen: self.seen.clone(),
        }
    }

    pub(super) fn apply(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Leaf { header, entry } => self.apply_leaf(&header, &entry),
                Record::Content { leaf, content, .. } => self.contents.entry(leaf).or_default().push(content),
                Record::Deferred { header, item } => {
                    self.deferred.insert(header.item, (header, item.to_vec()));
                }
                Record::DeferredDone(header) => drop(self.deferred.remove(&header.item)),
                Record::Receipt { header, ack } => {
                    for leaf in &header.settled {
                        self.unsettled.remove(&(header.peer.clone(), *leaf));
                    }
                    for item in &header.unsettled {
                        let key = (header.peer.clone(), item.leaf);
                        let unsettled = Unsettled::answered(self.unsettled.get(&key), *item, header.at);
                        self.unsettled.insert(key, unsettled);
                    }
                    self.receipts.push((header, ack));
                }
                Record::Routing(RoutingHeader::Again { leaf, route, number }) => {
                    if let Some(unsettled) = self.unsettled.get_mut(&(route.to, leaf)) {
                        *unsettled = unsettled.sent_again(number);
                    }
                }
                Record::Seen { header, note } => drop(self.seen.insert(header.peer, note.to_vec())),
                Record::Ceiling(header) => self.ceiling = header.seconds,
                Record::Judged(header) => self.judged = Some(header),
                Record::Routing(RoutingHeader::BackfillDone { peer }) => drop(self.backfilled.insert(peer)),
                _ => {}
            }
        }
    }

    fn apply_leaf(&mut self, header: &LeafHeader, entry: &crate::entry::Entry) {
        let index = LedgerIndex(self.size);
        self.size += 1;
        if reset_of(entry).is_some() {
            self.epochs.insert(entry.author.clone(), entry.place.epoch);
        }
        let Some(id) = entry.complaint else {
            self.node_entries.insert(entry.id, index);
            return;
        };
        self.imported.extend(header.external.clone().map(|external| (external, id)));
        let charters = &self.charters;
        match self.cases.get_mut(&id) {
            Some(case) => drop(case.fold(entry, charters)),
            None => drop(self.cases.insert(id, Case::lodge(entry, charters).expect("Lodged"))),
        }
        self.cases.get_mut(&id).expect("just added").place(index, entry, header);
    }

    pub(super) fn destroy(&mut self, destroy: &BTreeSet<Destroy>) {
        for what in destroy {
            if let Destroy::Contents(leaf) = what {
                self.contents.remove(leaf);
            }
        }
    }
}

impl View for Memory {
    type Error = Unreadable;

    fn case(&mut self, id: &ComplaintId) -> Result<Option<Box<Case>>, Unreadable> {
        if self.damaged == Some(*id) {
            return Err(Unreadable);
        }
        Ok(self.cases.get(id).cloned().map(Box::new))
    }

    fn imported(&mut self, external: &External) -> Result<Option<ComplaintId>, Unreadable> {
        Ok(self.imported.get(external).copied())
    }

    fn node_entry(&mut self, _: HybridClock, id: &EntryId) -> Result<Option<LedgerIndex>, Unreadable> {
        Ok(self.node_entries.get(id).copied())
    }

    fn contents(&mut self, leaf: LedgerIndex) -> Result<Vec<Content>, Unreadable> {
        if !self.shows_contents {
            return Err(Unreadable);
        }
        Ok(self.contents.get(&leaf).cloned().unwrap_or_default())
    }

    fn declared_epoch(&mut self, agency: &AgencyId) -> Result<Option<Epoch>, Unreadable> {
        Ok(self.epochs.get(agency).copied())
    }

    fn receipts(&mut self, peer: &AgencyId, leaf: LedgerIndex, most: usize) -> Result<Vec<wire::Ack>, Unreadable> {
        self.receipts_asked += 1;
        let after = self.receipts.iter().filter(|(header, _)| header.peer == *peer && header.cursor.index > leaf);
        Ok(after.take(most).filter_map(|(_, ack)| wire::Ack::decode(ack.as_ref()).ok()).collect())
    }

    fn deferred(&mut self, key: &ItemKey) -> Result<Option<wire::Item>, Unreadable> {
        Ok(self.deferred.get(key).and_then(|(_, item)| wire::Item::decode(item.as_slice()).ok()))
    }

    fn unsettled(&mut self, peer: &AgencyId, now: u64, most: usize) -> Result<Vec<Unsettled>, Unreadable> {
        let due = self.unsettled.iter().filter(|((of, _), unsettled)| of == peer && unsettled.is_due(now));
        Ok(due.map(|(_, unsettled)| *unsettled).take(most).collect())
    }

    fn complaints_after(&mut self, after: Option<ComplaintId>, most: usize) -> Result<Vec<ComplaintId>, Unreadable> {
        let is_after = |id: &&ComplaintId| after.is_none_or(|after| **id > after);
        Ok(self.cases.keys().filter(is_after).copied().take(most).collect())
    }
}
