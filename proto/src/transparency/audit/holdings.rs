//! What the auditing node's own ledger says about another agency: its receipts, its checkpoints, its entries, the offers to it.
//!
//! Filled in one pass over the own records, in their order. Keeps places instead of bytes, so that its memory is a small part of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::{ReceiptRef, Scope};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::entry::{Body, CaseAct, CustodyAct, Entry, Place};
use crate::routing::cursor::Cursor;
use crate::tlog::checkpoint::{Checkpoint, CheckpointKeys};
use crate::tlog::tree::leaf_hash;
use crate::transparency::evidence::HELD;
use crate::transparency::receipt::Receipt;
use crate::transparency::watch::Noted;
use crate::wire::{self, entry::Body as Wire};

/// Who audits whom.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The agency that audits: whose records are added.
    pub auditor: AgencyId,
    /// The agency that is audited.
    pub agency: AgencyId,
    /// What is audited.
    pub scope: Scope,
    /// How far the auditor has received the agency's ledger. Read it before the records: what it covers must be among them, or an entry that
    /// arrives meanwhile looks withheld.
    pub received: Option<Cursor>,
    /// When the records are read, in milliseconds since 1970.
    pub now: u64,
}

/// What the auditing node holds of an agency.
#[derive(Debug)]
pub struct Holdings {
    pub(super) assignment: Assignment,
    pub(super) federation: String,
    keys: Option<CheckpointKeys>,
    /// What the agency acknowledged, by entry: the newest receipt.
    pub(super) acknowledged: BTreeMap<EntryId, Acknowledged>,
    /// Its checkpoints by epoch and size. Two trees of one size are both kept.
    pub(super) checkpoints: BTreeMap<(Epoch, u64), Vec<Noted>>,
    /// Its own entries, by their place in its ledger.
    pub(super) authored: BTreeMap<Place, Authored>,
    /// Pairs of its entries that claim one place: their leaves in the own ledger.
    pub(super) doubled: Vec<(LedgerIndex, LedgerIndex)>,
    /// The entries of complaints, with their parents.
    pub(super) entries: BTreeMap<EntryId, Linked>,
    /// Offers to it whose time to answer is over, by entry.
    pub(super) offers: BTreeMap<EntryId, Offer>,
    /// Offers that it answered.
    pub(super) answered: BTreeSet<EntryId>,
    /// Its notices of arrival, by offer: the leaf in the own ledger.
    pub(super) arrived: BTreeMap<EntryId, LedgerIndex>,
    /// Numbers of complaints that it published.
    pub(super) published: Vec<Publication>,
    /// Entries that were delivered, by anybody, and that the auditor refused or made wait.
    pub(super) turned_away: BTreeSet<EntryId>,
}

/// A leaf of the agency's ledger, by its receipt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) epoch: Epoch,
    pub(super) index: LedgerIndex,
    pub(super) hash: [u8; 32],
    pub(super) receipt: ReceiptRef,
}

/// An entry that the agency wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authored {
    /// Where it lies in the own ledger.
    pub(super) leaf: LedgerIndex,
    pub(super) hash: [u8; 32],
    pub(super) clock: HybridClock,
}

/// An entry of a complaint, with its parents.
#[derive(Debug)]
pub(super) struct Linked {
    /// Where it lies in the own ledger.
    pub(super) leaf: LedgerIndex,
    pub(super) complaint: ComplaintId,
    pub(super) parents: Vec<EntryId>,
    pub(super) is_custody: bool,
    /// Its place, if the agency wrote it.
    pub(super) own_place: Option<Place>,
}

/// An offer to the agency.
#[derive(Debug)]
pub(super) struct Offer {
    /// Where it lies in the own ledger.
    pub(super) leaf: LedgerIndex,
    pub(super) author: AgencyId,
}

/// How many complaints the agency said that it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publication {
    /// Where the publication lies in the own ledger.
    pub(super) leaf: LedgerIndex,
    /// The epoch of the agency's ledger.
    pub(super) epoch: Epoch,
    /// Leaves of the agency's ledger that the number is made of.
    pub(super) size: u64,
    /// The number.
    pub(super) held: u64,
}

impl Holdings {
    /// Nothing is held yet. The agency's checkpoints verify under the keys of these charters.
    pub fn new(assignment: Assignment, charters: &Charters) -> Self {
        Self {
            federation: charters.newest().federation.clone(),
            keys: charters.checkpoint_keys(&assignment.agency),
            assignment,
            acknowledged: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            authored: BTreeMap::new(),
            doubled: Vec::new(),
            entries: BTreeMap::new(),
            offers: BTreeMap::new(),
            answered: BTreeSet::new(),
            arrived: BTreeMap::new(),
            published: Vec::new(),
            turned_away: BTreeSet::new(),
        }
    }

    /// Adds an entry of the own ledger that was written there at `at`, in milliseconds since 1970.
    pub fn add_entry(&mut self, entry: &Entry, leaf: LedgerIndex, at: u64) {
        let Assignment { agency, scope, now, .. } = &self.assignment;
        if scope.complaint.is_some() && entry.complaint != scope.complaint {
            return;
        }
        let is_own = entry.author == *agency;
        let is_in_scope = at >= scope.since;
        if let Some(complaint) = entry.complaint {
            let linked = Linked {
                leaf,
                complaint,
                parents: entry.parents.clone(),
                is_custody: matches!(entry.body, Body::Lodged(_) | Body::Custody { .. }),
                own_place: is_own.then_some(entry.place),
            };
            self.entries.insert(entry.id, linked);
        }
        if let Body::Custody { act, .. } = &entry.body
            && act.offers_to() == Some(agency)
            && act.answer_by().is_some_and(|answer_by| (scope.since..*now).contains(&answer_by))
        {
            self.offers.insert(entry.id, Offer { leaf, author: entry.author.clone() });
        }
        if is_own {
            self.add_authored(entry, leaf, is_in_scope);
        }
    }

    /// Adds a receipt (a serialised `Ack`) that the auditor got from `peer` at `at`, in milliseconds since 1970. Its signature was checked when
    /// it came; one that cannot be read proves nothing.
    pub fn add_receipt(&mut self, peer: &AgencyId, ack: &[u8], receipt: ReceiptRef, at: u64) {
        let is_in_scope = at >= self.assignment.scope.since;
        if *peer != self.assignment.agency || !is_in_scope && self.offers.is_empty() {
            return;
        }
        let parsed = wire::Ack::decode(ack).ok().and_then(|ack| Receipt::parse(&ack).ok());
        let Some(parsed) = parsed else { return };
        // Before the scope begins only the receipts of offers count: without them an offer looks undelivered.
        let counts = |entry: &EntryId| is_in_scope || self.offers.contains_key(entry);
        let leaves = parsed.leaves().zip(&parsed.leaf_hashes);
        let leaves: Vec<_> = leaves.filter(|((entry, _), _)| counts(entry)).collect();
        if leaves.is_empty() && !is_in_scope {
            return;
        }
        let Some(epoch) = self.checkpoint(&parsed.checkpoint) else { return };
        for ((entry, index), hash) in leaves {
            self.acknowledged.insert(entry, Acknowledged { epoch, index, hash: *hash, receipt });
        }
    }

    /// Adds a checkpoint note that the auditor has seen, from anybody, of the ledger of `agency`.
    pub fn add_checkpoint(&mut self, agency: &AgencyId, note: &[u8]) {
        if *agency == self.assignment.agency {
            self.checkpoint(note);
        }
    }

    /// Adds an entry that was delivered to the auditor, and that it refused or made wait.
    pub fn add_turned_away(&mut self, entry: EntryId) {
        self.turned_away.insert(entry);
    }

    /// How many entries the agency acknowledged in other epochs than this one.
    pub(super) fn acknowledged_outside(&self, epoch: Epoch) -> u64 {
        self.acknowledged.values().filter(|acknowledged| acknowledged.epoch != epoch).count() as u64
    }

    /// The leaves that a ledger of this size must hold: what it acknowledged, and its own entries. Ascending.
    pub(super) fn leaves_within(&self, epoch: Epoch, size: u64) -> Vec<u64> {
        let acknowledged = self.acknowledged.values().filter(|acknowledged| acknowledged.epoch == epoch);
        let authored = self.authored.keys().filter(|place| place.epoch == epoch);
        let indexes = acknowledged.map(|acknowledged| acknowledged.index.0).chain(authored.map(|place| place.index.0));
        let mut leaves: Vec<u64> = indexes.filter(|index| *index < size).collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves
    }

    /// The sizes of checkpoints that a ledger of this size must begin with. Ascending.
    pub(super) fn sizes_within(&self, epoch: Epoch, size: u64) -> Vec<u64> {
        self.checkpoints.range((epoch, 0)..=(epoch, size)).map(|((_, size), _)| *size).collect()
    }

    fn add_authored(&mut self, entry: &Entry, leaf: LedgerIndex, is_in_scope: bool) {
        match &entry.body {
            Body::Custody { basis, act: CustodyAct::Accepted | CustodyAct::Returned { .. } } => {
                self.answered.insert(*basis);
            }
            Body::Case { basis, act: CaseAct::Arrived } => {
                self.arrived.insert(*basis, leaf);
            }
            Body::Node(body) => self.published.extend(publication(body, entry.place, leaf)),
            _ => {}
        }
        if is_in_scope {
            let authored = Authored { leaf, hash: leaf_hash(&entry.signed), clock: entry.clock };
            if let Some(other) = self.authored.insert(entry.place, authored) {
                self.doubled.push((other.leaf, leaf));
            }
        }
    }

    /// Takes a checkpoint of the agency, if it is one; its epoch.
    fn checkpoint(&mut self, note: &[u8]) -> Option<Epoch> {
        let keys = self.keys.as_ref()?;
        let checkpoint = Checkpoint::open(note, &self.federation, &self.assignment.agency, keys).ok()?;
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

fn publication(body: &Wire, place: Place, leaf: LedgerIndex) -> Option<Publication> {
    let Wire::Published(figures) = body else { return None };
    let held = figures.figures.iter().find(|figure| figure.name == HELD)?.value;
    let size = figures.ledger_size.min(place.index.0);
    Some(Publication { leaf, epoch: place.epoch, size, held })
}
