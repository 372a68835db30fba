//! The holdings: the auditing node's records about another agency. These are its receipts, its checkpoints, its entries, and the offers to it.
//!
//! Holdings are filled in one pass over the own records, in their order. They take about 120 bytes an entry and 90 bytes a receipt.
//!
//! Must not know what the agency answers.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message;

use super::own_checkpoints::{NoteRef, OwnCheckpoints};
use super::own_entries::{Kind, Number, OwnEntries};
use super::{ReceiptRef, Scope};
use crate::base::clock::HybridClock;
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::{Body, CaseAct, CustodyAct, Entry, Place};
use crate::receipt::{ItemOutcome, Receipt, receipt_id};
use crate::routing::route::Route;
use crate::transparency::evidence::HELD;
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
    /// The entries in the scope, with the leaves that the agency named for them.
    pub(super) entries: OwnEntries,
    /// The names by which the agency finds the entries, if only one complaint is audited.
    pub(super) names: HashMap<Number, wire::EntryName>,
    /// The entries that the agency answered and did not take, with its answers. Never iterated unsorted.
    untaken: HashMap<Number, Untaken>,
    /// The agency's checkpoints.
    pub(super) checkpoints: OwnCheckpoints,
    /// The agency's own entries, in the order of their places in its ledger once they are sorted.
    pub(super) authored: Vec<Authored>,
    /// Offers to the agency whose time to answer is over and that it has not answered, in the order of the own ledger.
    pub(super) offers: BTreeMap<Number, Offer>,
    /// The figures about held complaints that the agency published.
    pub(super) published: Vec<Publication>,
    /// The newest time at which the auditor put items of the agency off, in milliseconds since 1970. Until they come again, it lacks them.
    put_off: Option<u64>,
    /// The same, of any peer.
    put_off_of_any: Option<u64>,
    /// Entries that some peer delivered and the auditor refused or deferred.
    pub(super) turned_away: HashSet<EntryId>,
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
    /// The place in the agency's ledger.
    pub(super) place: Place,
    pub(super) clock: HybridClock,
    pub(super) charter_version: u64,
    pub(super) number: Number,
}

/// An offer to the agency.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) author: AgencyId,
    /// Whether the auditor sends it to the agency itself. A relay may have dropped an offer that goes another way.
    pub(super) is_direct: bool,
    /// The agency's `Arrived` about it, as a leaf of the own ledger.
    pub(super) arrived: Option<LedgerIndex>,
    /// Whether the agency has deferred it.
    pub(super) was_deferred: bool,
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
            entries: OwnEntries::default(),
            names: HashMap::new(),
            untaken: HashMap::new(),
            checkpoints: OwnCheckpoints::default(),
            authored: Vec::new(),
            offers: BTreeMap::new(),
            published: Vec::new(),
            put_off: None,
            put_off_of_any: None,
            turned_away: HashSet::new(),
        }
    }

    /// Makes room for this many more entries, so that as many take no more memory than they need.
    pub fn reserve(&mut self, entries: usize) {
        if self.assignment.scope.complaint.is_none() {
            self.entries.reserve(entries);
        }
    }

    /// Adds the entry of a leaf of the own ledger. It was written there at `at`, in milliseconds since 1970, and goes over these links.
    pub fn add_entry(&mut self, entry: &Entry, leaf: LedgerIndex, at: u64, routes: &[Route]) {
        let Assignment { agency, scope, now, .. } = &self.assignment;
        if scope.complaint.is_some() && entry.complaint != scope.complaint {
            return;
        }
        let is_disputed = self.charters.disputes_entry(&entry.author, entry.key_id, &entry.id);
        let is_authored = entry.author == *agency && !is_disputed;
        let kind = Kind { is_of_complaint: entry.complaint.is_some(), is_authored, is_disputed };
        let number = self.entries.add(entry, leaf, kind);
        if let Some(complaint) = &scope.complaint {
            let (complaint, clock, id) = (complaint.0.to_vec(), entry.clock.to_bits(), entry.id.0.to_vec());
            self.names.insert(number, wire::EntryName { complaint, clock, id });
        }
        if let Body::Custody { act, .. } = &entry.body
            && act.offers_to() == Some(agency)
            && act.answer_by().is_some_and(|answer_by| (scope.since..*now).contains(&answer_by))
        {
            let is_direct = routes.iter().any(|route| route.to == *agency);
            let (author, arrived) = (entry.author.clone(), None);
            self.offers.insert(number, Offer { author, is_direct, arrived, was_deferred: false });
        }
        if is_authored {
            self.add_authored(entry, leaf, number, at >= scope.since);
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
        let named = parsed.leaves().filter_map(|(entry, index)| Some((self.entries.number(&entry)?, index)));
        let counts = |number: &Number| is_in_scope || self.offers.contains_key(number);
        let leaves: Vec<_> = named.filter(|(number, _)| counts(number)).collect();
        if leaves.is_empty() && !is_in_scope {
            return;
        }
        let Some(epoch) = self.epoch_of(&parsed, receipt) else { return };
        for (number, index) in leaves {
            self.untaken.remove(&number);
            self.entries.claim(number, epoch, index, receipt);
        }
    }

    /// Adds a checkpoint note of the ledger of `agency` that some peer showed to the auditor.
    pub fn add_checkpoint(&mut self, agency: &AgencyId, note: &[u8]) {
        if *agency == self.assignment.agency
            && let Ok(checkpoint) = self.charters.reread_checkpoint(note, agency)
        {
            self.checkpoints.add(checkpoint, NoteRef::Note(note.into()));
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

    /// Sorts what came in the order of the own ledger by the order of the agency's.
    pub(super) fn sort(&mut self) {
        self.authored.sort_by_key(|authored| authored.place);
        self.checkpoints.sort();
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

    /// The entries of complaints that the agency acknowledged in other epochs than this one, and not in this one.
    pub(super) fn acknowledged_outside(&self, epoch: Epoch) -> impl Iterator<Item = Number> {
        self.entries.numbers().filter(move |number| {
            let mut claims = self.entries.claims(*number).peekable();
            let has_any = claims.peek().is_some();
            has_any && self.entries.kind(*number).is_of_complaint && claims.all(|claim| claim.epoch != epoch)
        })
    }

    /// The entries that the agency answered and took in no epoch, in the order of the own ledger.
    pub(super) fn never_taken(&self) -> Vec<(Number, &Untaken)> {
        let mut never: Vec<_> = self.untaken.iter().map(|(number, answers)| (*number, answers)).collect();
        never.sort_unstable_by_key(|(number, _)| *number);
        never
    }

    /// The leaves of the agency's ledger of this epoch and size that should be entries of the holdings: the acknowledged ones and its own.
    pub(super) fn expected(&self, epoch: Epoch, size: u64) -> impl Iterator<Item = LedgerIndex> {
        let claims = self.entries.numbers().flat_map(|number| self.entries.claims(number));
        let acknowledged = claims.filter(move |claim| claim.epoch == epoch).map(|claim| claim.index);
        let authored = self.authored.iter().map(|authored| authored.place);
        let authored = authored.filter(move |place| place.epoch == epoch).map(|place| place.index);
        acknowledged.chain(authored).filter(move |index| index.0 < size)
    }

    fn add_untaken(&mut self, receipt: &Receipt, reference: ReceiptRef, at: u64) {
        for result in &receipt.results {
            let Some(number) = self.entries.number(&result.entry) else { continue };
            if matches!(result.outcome, ItemOutcome::Leaf(_)) || self.entries.claims(number).next().is_some() {
                continue;
            }
            let untaken = self.untaken.entry(number).or_default();
            if let ItemOutcome::Deferred(_) = result.outcome {
                let now = (reference, at);
                untaken.deferred.get_or_insert([now; 2])[1] = now;
                // The agency may put an offer off for a while and say so.
                self.offers.entry(number).and_modify(|offer| offer.was_deferred = true);
            } else {
                untaken.refused.get_or_insert(reference);
            }
        }
    }

    fn add_authored(&mut self, entry: &Entry, leaf: LedgerIndex, number: Number, is_in_scope: bool) {
        match &entry.body {
            Body::Custody { basis, act: CustodyAct::Accepted | CustodyAct::Returned { .. } } => {
                // The offer comes before its answer, as every ancestor does.
                self.entries.number(basis).map(|offer| self.offers.remove(&offer));
            }
            Body::Case { basis, act: CaseAct::Arrived } => {
                let offer = self.entries.number(basis).and_then(|offer| self.offers.get_mut(&offer));
                offer.map(|offer| offer.arrived = Some(leaf));
            }
            Body::Node(body) => self.published.extend(publication(body, entry.place, leaf)),
            _ => {}
        }
        if is_in_scope {
            let (place, clock, charter_version) = (entry.place, entry.clock, entry.charter.version);
            self.authored.push(Authored { place, clock, charter_version, number });
        }
    }

    /// Takes the checkpoint in a receipt, and returns its epoch. A receipt that counts binds the agency to the tree, also if the key of the checkpoint
    /// was revoked since. Such a checkpoint proves nothing else.
    fn epoch_of(&mut self, receipt: &Receipt, reference: ReceiptRef) -> Option<Epoch> {
        let agency = &self.assignment.agency;
        if let Ok(checkpoint) = self.charters.reread_checkpoint(&receipt.checkpoint, agency) {
            let epoch = checkpoint.epoch;
            self.checkpoints.add(checkpoint, NoteRef::Receipt(reference));
            return Some(epoch);
        }
        self.charters.open_by_any_key(&receipt.checkpoint, agency).ok().map(|checkpoint| checkpoint.epoch)
    }
}

fn publication(body: &Wire, place: Place, leaf: LedgerIndex) -> Option<Publication> {
    let Wire::Published(figures) = body else { return None };
    let held = figures.figures.iter().find(|figure| figure.name == HELD)?.value;
    let size = figures.ledger_size.min(place.index.0);
    Some(Publication { leaf, epoch: place.epoch, size, held })
}
