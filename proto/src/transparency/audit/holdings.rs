//! The holdings: the auditing node's records about another agency. These are its receipts, its checkpoints, its entries, and the offers to it.
//!
//! Holdings are filled in one pass over the own records, in their order. They keep positions instead of bytes, so they take much less memory than
//! the ledger.
//!
//! Must not know what the agency answers.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::{ReceiptRef, Scope};
use crate::base::clock::HybridClock;
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::{Body, CaseAct, CustodyAct, Entry, Place};
use crate::receipt::{ItemOutcome, Receipt, receipt_id};
use crate::routing::route::Route;
use crate::transparency::evidence::HELD;
use crate::transparency::watch::VerifiedCheckpoint;
use crate::wire::{self, entry::Body as Wire};

/// The assignment of an audit.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The agency that audits. The records are its own.
    pub auditor: AgencyId,
    /// The agency that is audited.
    pub agency: AgencyId,
    /// The scope of the audit.
    pub scope: Scope,
    /// The cursor up to which the auditor has received the agency's ledger. Read it before the records. Otherwise an entry that arrives
    /// meanwhile looks withheld.
    pub received: Option<Cursor>,
    /// Time at which the records are read, in milliseconds since 1970.
    pub now: u64,
}

/// The records of the auditing node about one agency.
#[derive(Debug)]
pub struct Holdings {
    pub(super) assignment: Assignment,
    pub(super) federation: String,
    charters: Charters,
    /// The leaves that the agency named in receipts, each with the first receipt that names it. An honest agency names one leaf for an entry in each
    /// epoch.
    pub(super) acknowledged: BTreeMap<Acknowledged, ReceiptRef>,
    /// The entries that the agency answered and did not take, with its answers.
    pub(super) untaken: BTreeMap<EntryId, Untaken>,
    /// The agency's checkpoints by epoch and size. Different trees of one size are all kept.
    pub(super) checkpoints: BTreeMap<(Epoch, u64), Vec<VerifiedCheckpoint>>,
    /// The agency's own entries, by their place in its ledger.
    pub(super) authored: BTreeMap<Place, Authored>,
    /// Pairs of the agency's entries that claim one place, as their leaves in the own ledger.
    pub(super) doubled: Vec<(LedgerIndex, LedgerIndex)>,
    /// The entries of complaints, with their parents.
    pub(super) entries: BTreeMap<EntryId, Linked>,
    /// The entries of nodes, which belong to no complaint, as their leaves in the own ledger.
    node_entries: BTreeMap<EntryId, LedgerIndex>,
    /// Offers to the agency whose time to answer is over, by entry.
    pub(super) offers: BTreeMap<EntryId, Offer>,
    /// Offers that the agency answered.
    pub(super) answered: BTreeSet<EntryId>,
    /// The agency's `Arrived` entries, by offer, as their leaves in the own ledger.
    pub(super) arrived: BTreeMap<EntryId, LedgerIndex>,
    /// The figures about held complaints that the agency published.
    pub(super) published: Vec<Publication>,
    /// The newest time at which the auditor put items of the agency off, in milliseconds since 1970. Until they come again, it lacks them.
    put_off: Option<u64>,
    /// The same, of any peer.
    put_off_of_any: Option<u64>,
    /// Entries that some peer delivered and the auditor refused or deferred.
    pub(super) turned_away: BTreeSet<EntryId>,
}

/// A leaf that the agency named in a receipt, in the order of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Acknowledged {
    pub(super) entry: EntryId,
    pub(super) epoch: Epoch,
    pub(super) index: LedgerIndex,
}

/// The agency's answers to an entry that it did not take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Untaken {
    /// The first receipt that refuses it.
    pub(super) refused: Option<ReceiptRef>,
    /// The first and the last receipt that defers it, each with the time at which it came, in milliseconds since 1970.
    pub(super) deferred: Option<[(ReceiptRef, u64); 2]>,
}

/// An entry that the agency wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authored {
    /// The leaf in the own ledger.
    pub(super) leaf: LedgerIndex,
    pub(super) id: EntryId,
    pub(super) clock: HybridClock,
    pub(super) charter_version: u64,
}

/// An entry of a complaint, with its parents.
#[derive(Debug)]
pub(super) struct Linked {
    /// The leaf in the own ledger.
    pub(super) leaf: LedgerIndex,
    pub(super) complaint: ComplaintId,
    pub(super) clock: HybridClock,
    pub(super) parents: Vec<EntryId>,
    /// The place in the agency's ledger, if the agency wrote the entry.
    pub(super) own_place: Option<Place>,
    /// Whether it was signed under a revoked key, so that it proves nothing.
    pub(super) is_disputed: bool,
}

/// An offer to the agency.
#[derive(Debug)]
pub(super) struct Offer {
    /// The leaf in the own ledger.
    pub(super) leaf: LedgerIndex,
    pub(super) author: AgencyId,
    /// Whether the auditor sends it to the agency itself. A relay may have dropped an offer that goes another way.
    pub(super) is_direct: bool,
}

/// The number of held complaints that the agency published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publication {
    /// The leaf of the publication in the own ledger.
    pub(super) leaf: LedgerIndex,
    /// The epoch of the agency's ledger.
    pub(super) epoch: Epoch,
    /// Number of leaves of the agency's ledger from which the number was computed.
    pub(super) size: u64,
    /// The number of held complaints.
    pub(super) held: u64,
}

impl Holdings {
    /// Empty holdings. The agency's checkpoints verify under the keys of these charters.
    pub fn new(assignment: Assignment, charters: &Charters) -> Self {
        Self {
            federation: charters.newest().federation.clone(),
            charters: charters.clone(),
            assignment,
            acknowledged: BTreeMap::new(),
            untaken: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            authored: BTreeMap::new(),
            doubled: Vec::new(),
            entries: BTreeMap::new(),
            node_entries: BTreeMap::new(),
            offers: BTreeMap::new(),
            answered: BTreeSet::new(),
            arrived: BTreeMap::new(),
            published: Vec::new(),
            put_off: None,
            put_off_of_any: None,
            turned_away: BTreeSet::new(),
        }
    }

    /// Adds the entry of a leaf of the own ledger. It was written there at `at`, in milliseconds since 1970, and goes over these links.
    pub fn add_entry(&mut self, entry: &Entry, leaf: LedgerIndex, at: u64, routes: &[Route]) {
        let Assignment { agency, scope, now, .. } = &self.assignment;
        if scope.complaint.is_some() && entry.complaint != scope.complaint {
            return;
        }
        let is_disputed = self.charters.disputes_entry(&entry.author, entry.key_id, &entry.id);
        let is_own = entry.author == *agency && !is_disputed;
        let is_in_scope = at >= scope.since;
        if let Some(complaint) = entry.complaint {
            let (parents, own_place) = (entry.parents.clone(), is_own.then_some(entry.place));
            let linked = Linked { leaf, complaint, clock: entry.clock, parents, own_place, is_disputed };
            self.entries.insert(entry.id, linked);
        } else {
            self.node_entries.insert(entry.id, leaf);
        }
        if let Body::Custody { act, .. } = &entry.body
            && act.offers_to() == Some(agency)
            && act.answer_by().is_some_and(|answer_by| (scope.since..*now).contains(&answer_by))
        {
            let is_direct = routes.iter().any(|route| route.to == *agency);
            self.offers.insert(entry.id, Offer { leaf, author: entry.author.clone(), is_direct });
        }
        if is_own {
            self.add_authored(entry, leaf, is_in_scope);
        }
    }

    /// Adds a receipt (a serialised `Ack`) that the auditor got from `peer` at `at`, in milliseconds since 1970. Its signature was checked when
    /// it came. A receipt that cannot be parsed is skipped.
    pub fn add_receipt(&mut self, peer: &AgencyId, ack: &[u8], receipt: ReceiptRef, at: u64) {
        let is_in_scope = at >= self.assignment.scope.since;
        if *peer != self.assignment.agency || !is_in_scope && self.offers.is_empty() {
            return;
        }
        let Ok(ack) = wire::Ack::decode(ack) else { return };
        let Ok(parsed) = Receipt::parse(&ack) else { return };
        if self.charters.disputes_receipt(peer, parsed.key_id, &receipt_id(&ack.receipt)) {
            return;
        }
        if is_in_scope {
            self.add_untaken(&parsed, receipt, at);
        }
        // Receipts from before the scope count for offers only. Without them an offer would look undelivered.
        let counts = |entry: &EntryId| is_in_scope || self.offers.contains_key(entry);
        let leaves: Vec<_> = parsed.leaves().filter(|(entry, _)| counts(entry)).collect();
        if leaves.is_empty() && !is_in_scope {
            return;
        }
        let Some(epoch) = self.epoch_of(&parsed) else { return };
        for (entry, index) in leaves {
            self.acknowledged.entry(Acknowledged { entry, epoch, index }).or_insert(receipt);
        }
    }

    /// Adds a checkpoint note of the ledger of `agency` that some peer showed to the auditor.
    pub fn add_checkpoint(&mut self, agency: &AgencyId, note: &[u8]) {
        if *agency == self.assignment.agency {
            self.checkpoint(note);
        }
    }

    /// Adds an entry that was delivered to the auditor, and that the auditor refused or deferred.
    pub fn add_turned_away(&mut self, entry: EntryId) {
        self.turned_away.insert(entry);
    }

    /// Notes that the auditor put items of a peer off at `at`, in milliseconds since 1970.
    pub fn add_put_off(&mut self, peer: &AgencyId, at: u64) {
        self.put_off_of_any = self.put_off_of_any.max(Some(at));
        if *peer == self.assignment.agency {
            self.put_off = self.put_off.max(Some(at));
        }
    }

    /// Like [`Self::may_lack_entries`], for entries that any peer may have brought.
    pub(super) fn may_lack_answers(&self, shown_at: Option<u64>) -> bool {
        self.is_excused(self.put_off_of_any, shown_at)
    }

    /// Whether the auditor may lack entries that it put off itself. A time that is ahead is of a clock that was wrong.
    ///
    /// `shown_at` is the time that the agency cosigned in this audit, in seconds since 1970. The own clock may be ahead.
    pub(super) fn may_lack_entries(&self, shown_at: Option<u64>) -> bool {
        self.is_excused(self.put_off, shown_at)
    }

    fn is_excused(&self, put_off: Option<u64>, shown_at: Option<u64>) -> bool {
        let pause = limits::PUT_OFF_EXCUSED.as_millis() as u64;
        let shown_at = shown_at.map_or(u64::MAX, |seconds| seconds.saturating_mul(1000));
        put_off.is_some_and(|at| self.assignment.now.min(shown_at) < at.saturating_add(pause))
    }

    /// The leaves that the agency named for an entry, with the receipts.
    pub(super) fn receipts_for(&self, entry: &EntryId) -> impl Iterator<Item = (&Acknowledged, &ReceiptRef)> {
        let start = Acknowledged { entry: *entry, epoch: Epoch(0), index: LedgerIndex::default() };
        self.acknowledged.range(start..).take_while(move |(named, _)| named.entry == start.entry)
    }

    /// The entries of complaints that the agency acknowledged in other epochs than this one, and not in this one.
    pub(super) fn acknowledged_outside(&self, epoch: Epoch) -> Vec<EntryId> {
        let mut entries: Vec<EntryId> = self.acknowledged.keys().map(|named| named.entry).collect();
        entries.dedup();
        let is_outside = |entry: &EntryId| self.receipts_for(entry).all(|(named, _)| named.epoch != epoch);
        entries.retain(|entry| self.entries.contains_key(entry) && is_outside(entry));
        entries
    }

    /// The entries that the agency answered and took in no epoch, with their leaves in the own ledger.
    pub(super) fn never_taken(&self) -> impl Iterator<Item = (&EntryId, LedgerIndex, &Untaken)> {
        let untaken = self.untaken.iter().filter(|(entry, _)| self.receipts_for(entry).next().is_none());
        untaken.filter_map(|(entry, answers)| Some((entry, self.leaf_of(entry)?, answers)))
    }

    /// The leaf of an entry in the own ledger.
    pub(super) fn leaf_of(&self, entry: &EntryId) -> Option<LedgerIndex> {
        self.entries.get(entry).map(|linked| linked.leaf).or_else(|| self.node_entries.get(entry).copied())
    }

    /// The name by which the agency finds an entry.
    pub(super) fn name_of(&self, entry: &EntryId) -> Option<wire::EntryName> {
        let Linked { complaint, clock, .. } = self.entries.get(entry)?;
        Some(wire::EntryName { complaint: complaint.0.to_vec(), clock: clock.to_bits(), id: entry.0.to_vec() })
    }

    /// The leaves that the agency's ledger of this size must hold: the acknowledged entries and its own. Ascending.
    pub(super) fn leaves_within(&self, epoch: Epoch, size: u64) -> Vec<u64> {
        let acknowledged = self.acknowledged.keys().filter(|acknowledged| acknowledged.epoch == epoch);
        let authored = self.authored.keys().filter(|place| place.epoch == epoch);
        let indexes = acknowledged.map(|acknowledged| acknowledged.index.0).chain(authored.map(|place| place.index.0));
        let mut leaves: Vec<u64> = indexes.filter(|index| *index < size).collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves
    }

    /// The sizes of older checkpoints with which the agency's ledger of this size must begin. Ascending.
    pub(super) fn sizes_within(&self, epoch: Epoch, size: u64) -> Vec<u64> {
        self.checkpoints.range((epoch, 0)..=(epoch, size)).map(|((_, size), _)| *size).collect()
    }

    fn add_untaken(&mut self, receipt: &Receipt, reference: ReceiptRef, at: u64) {
        for result in &receipt.results {
            match result.outcome {
                ItemOutcome::Leaf(_) => {}
                ItemOutcome::Refused(_) => {
                    self.untaken.entry(result.entry).or_default().refused.get_or_insert(reference);
                }
                ItemOutcome::Deferred(_) => {
                    let now = (reference, at);
                    self.untaken.entry(result.entry).or_default().deferred.get_or_insert([now; 2])[1] = now;
                }
            }
        }
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
            let charter_version = entry.charter.version;
            let authored = Authored { leaf, id: entry.id, clock: entry.clock, charter_version };
            if let Some(other) = self.authored.insert(entry.place, authored) {
                self.doubled.push((other.leaf, leaf));
            }
        }
    }

    /// Takes the checkpoint in a receipt, and returns its epoch. A receipt that counts binds the agency to the tree, also if the key of the checkpoint
    /// was revoked since. Such a checkpoint proves nothing else.
    fn epoch_of(&mut self, receipt: &Receipt) -> Option<Epoch> {
        self.checkpoint(&receipt.checkpoint).or_else(|| {
            let opened = self.charters.open_by_any_key(&receipt.checkpoint, &self.assignment.agency);
            opened.ok().map(|checkpoint| checkpoint.epoch)
        })
    }

    /// Takes a checkpoint of the agency. Returns its epoch, or `None` if the note does not count.
    fn checkpoint(&mut self, note: &[u8]) -> Option<Epoch> {
        let checkpoint = self.charters.open_checkpoint(note, &self.assignment.agency).ok()?;
        let epoch = checkpoint.epoch;
        let noted = VerifiedCheckpoint { checkpoint, note: note.to_vec() };
        let same_size = self.checkpoints.entry(noted.extent()).or_default();
        // Of one tree the first and the last checkpoint are enough: their times enclose the times of all others.
        let is_same = |other: &VerifiedCheckpoint| other.checkpoint.root == noted.checkpoint.root;
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
