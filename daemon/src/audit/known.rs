//! What this node's own ledger says about another agency: its receipts, its checkpoints, its entries, the offers to it.
//!
//! One pass; blocks, so never in an async task.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use prost::Message;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::clock::HybridClock;
use sinergi_proto::entry::{Body, CaseAct, CustodyAct, Entry, Place};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::receipt::Receipt;
use sinergi_proto::tree::leaf_hash;
use sinergi_proto::watch::Noted;
use sinergi_proto::wire::{self, entry::Body as Wire};

use super::Scope;
use crate::case::CaseError;
use crate::headers::{self, LeafHeader, ReceiptHeader, SeenHeader};
use crate::ledger::{Position, Record, RecordKind};
use crate::link::Links;

/// What this node knows about an agency.
#[derive(Default)]
pub(super) struct Known {
    pub(super) agency: Option<AgencyId>,
    /// What it acknowledged, by entry: the newest receipt.
    pub(super) acknowledged: HashMap<EntryId, Acknowledged>,
    /// Its checkpoints by (epoch, size): each with its note. Two of one size are both kept.
    pub(super) checkpoints: BTreeMap<(Epoch, u64), Vec<Noted>>,
    /// Its own entries, by place.
    pub(super) authored: BTreeMap<Place, Authored>,
    /// Pairs of its entries that have one place: their leaves here.
    pub(super) doubled: Vec<(LedgerIndex, LedgerIndex)>,
    /// The custody entries, and what lies between them, of complaints in which it wrote a custody entry or acknowledged one.
    pub(super) entries: HashMap<EntryId, Linked>,
    /// Offers to it whose time is over.
    pub(super) offers: Vec<Offer>,
    /// Offers that it answered.
    pub(super) answered: HashSet<EntryId>,
    /// Its notices of arrival, by offer: the leaf here.
    pub(super) arrived: HashMap<EntryId, LedgerIndex>,
    /// What it published: the leaves here.
    pub(super) published: Vec<LedgerIndex>,
    /// What was delivered, by whomever, and this node refused or made wait.
    pub(super) turned_away: HashSet<EntryId>,
}

/// A leaf of the agency, by its receipt.
#[derive(Clone, Copy)]
pub(super) struct Acknowledged {
    pub(super) epoch: Epoch,
    pub(super) index: LedgerIndex,
    pub(super) hash: [u8; 32],
    /// The receipt in our ledger.
    pub(super) receipt: Position,
}

/// An entry of the agency.
#[derive(Clone, Copy)]
pub(super) struct Authored {
    pub(super) leaf: LedgerIndex,
    pub(super) hash: [u8; 32],
    pub(super) clock: HybridClock,
}

/// An entry with what it descends from.
pub(super) struct Linked {
    pub(super) leaf: LedgerIndex,
    pub(super) complaint: ComplaintId,
    pub(super) parents: Vec<EntryId>,
    pub(super) is_custody: bool,
    /// Its place, if the agency wrote it.
    pub(super) own_place: Option<Place>,
}

/// An offer to the agency.
pub(super) struct Offer {
    pub(super) entry: EntryId,
    pub(super) leaf: LedgerIndex,
    pub(super) author: AgencyId,
}

impl Known {
    /// Reads what this node knows about an agency.
    ///
    /// # Errors
    /// When the own ledger cannot be read.
    pub(super) fn gather(links: &Links, agency: &AgencyId, scope: &Scope) -> Result<Self, CaseError> {
        let mut known = Self { agency: Some(agency.clone()), ..Self::default() };
        let reader = links.outbox.reader();
        let now = crate::time::now_millis();
        for record in reader.records_from(reader.start()) {
            let record = record?;
            match record.kind {
                RecordKind::Leaf => known.leaf(record, links, scope, now)?,
                RecordKind::Receipt => known.receipt(&record, links, scope)?,
                RecordKind::Seen => known.seen(&record, links)?,
                RecordKind::Refused => {
                    let header: headers::RefusedHeader = headers::decode(&record.header).map_err(malformed)?;
                    known.turned_away.insert(header.entry);
                }
                RecordKind::Deferred => {
                    let header: headers::DeferredHeader = headers::decode(&record.header).map_err(malformed)?;
                    known.turned_away.insert(header.entry);
                }
                _ => {}
            }
        }
        Ok(known)
    }

    /// The agency.
    pub(super) fn agency(&self) -> &AgencyId {
        self.agency.as_ref().expect("it is set when this is gathered")
    }

    /// How much it acknowledged in other epochs than this one.
    pub(super) fn of_other_epochs(&self, epoch: Epoch) -> u64 {
        self.acknowledged.values().filter(|known| known.epoch != epoch).count() as u64
    }

    fn leaf(&mut self, record: Record, links: &Links, scope: &Scope, now: u64) -> Result<(), CaseError> {
        let leaf = record.leaf().unwrap_or_default();
        let header: LeafHeader =
            headers::decode(&record.header).map_err(|source| CaseError::Header { index: leaf, source })?;
        let entry = Entry::parse(Bytes::from(record.body), links.outbox.federation())
            .map_err(|source| CaseError::Entry { index: leaf, source })?;
        if scope.complaint.is_some() && entry.complaint != scope.complaint {
            return Ok(());
        }
        let is_own = entry.author == *self.agency();
        if let Some(complaint) = entry.complaint {
            self.entries.insert(
                entry.id,
                Linked {
                    leaf,
                    complaint,
                    parents: entry.parents.clone(),
                    is_custody: matches!(entry.body, Body::Lodged(_) | Body::Custody { .. }),
                    own_place: is_own.then_some(entry.place),
                },
            );
        }
        if let Body::Custody { act, .. } = &entry.body
            && act.offers_to() == Some(self.agency())
            && act.answer_by().is_some_and(|answer_by| (scope.since..now).contains(&answer_by))
        {
            self.offers.push(Offer { entry: entry.id, leaf, author: entry.author.clone() });
        }
        if is_own {
            self.own_entry(&entry, leaf, header.at >= scope.since);
        }
        Ok(())
    }

    fn own_entry(&mut self, entry: &Entry, leaf: LedgerIndex, is_in_scope: bool) {
        match &entry.body {
            Body::Custody { basis, act: CustodyAct::Accepted | CustodyAct::Returned { .. } } => {
                self.answered.insert(*basis);
            }
            Body::Case { basis, act: CaseAct::Arrived } => {
                self.arrived.insert(*basis, leaf);
            }
            Body::Node(body) if matches!(**body, Wire::Published(_)) => self.published.push(leaf),
            _ => {}
        }
        if is_in_scope {
            let authored = Authored { leaf, hash: leaf_hash(&entry.signed), clock: entry.clock };
            if let Some(other) = self.authored.insert(entry.place, authored) {
                self.doubled.push((other.leaf, leaf));
            }
        }
    }

    fn receipt(&mut self, record: &Record, links: &Links, scope: &Scope) -> Result<(), CaseError> {
        let header: ReceiptHeader = headers::decode(&record.header).map_err(malformed)?;
        if header.peer != *self.agency() || header.at < scope.since {
            return Ok(());
        }
        // It was checked when it came; one that cannot be read proves nothing.
        let Some(receipt) = wire::Ack::decode(record.body.as_slice()).ok().and_then(|ack| Receipt::parse(&ack).ok())
        else {
            return Ok(());
        };
        let Some(epoch) = self.checkpoint(&receipt.checkpoint, links) else { return Ok(()) };
        for ((entry, index), hash) in receipt.leaves().zip(&receipt.leaf_hashes) {
            let acknowledged = Acknowledged { epoch, index, hash: *hash, receipt: record.position };
            self.acknowledged.insert(entry, acknowledged);
        }
        Ok(())
    }

    fn seen(&mut self, record: &Record, links: &Links) -> Result<(), CaseError> {
        let header: SeenHeader = headers::decode(&record.header).map_err(malformed)?;
        if header.peer == *self.agency() {
            self.checkpoint(&record.body, links);
        }
        Ok(())
    }

    /// Takes a checkpoint of the agency, if it is one; its epoch.
    fn checkpoint(&mut self, note: &[u8], links: &Links) -> Option<Epoch> {
        let agency = self.agency().clone();
        let keys = links.directory.charters().checkpoint_keys(&agency)?;
        let checkpoint = Checkpoint::open(note, links.federation.as_str(), &agency, &keys).ok()?;
        let epoch = checkpoint.epoch;
        let noted = Noted { checkpoint, note: note.to_vec() };
        let same_size = self.checkpoints.entry(noted.extent()).or_default();
        // The first and the last time of one tree bound everything that was signed between.
        let is_same = |other: &Noted| other.checkpoint.root == noted.checkpoint.root;
        let of_this_root = same_size.iter().filter(|other| is_same(other)).count();
        match same_size.iter_mut().rfind(|other| is_same(other)) {
            Some(last) if of_this_root >= 2 => *last = noted,
            _ => same_size.push(noted),
        }
        Some(epoch)
    }
}

fn malformed(source: headers::HeaderError) -> CaseError {
    CaseError::Header { index: LedgerIndex::default(), source }
}
