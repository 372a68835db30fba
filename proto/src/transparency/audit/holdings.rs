//! The holdings: the auditing node's records about another agency. These are its receipts, its checkpoints, its entries, and the offers to it.
//!
//! Holdings are filled in one pass over the own records, in their order. They take about 90 bytes an entry and 110 bytes a receipt.
//!
//! Must not know what the agency answers.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message;

use super::own_checkpoints::{NoteRef, OwnCheckpoints};
use super::own_entries::{Kind, Number, OwnEntries};
use super::resume::{Carried, RecordsUpTo, Resume, Untaken};
use super::{ReceiptRef, Records, Scope};
use crate::base::clock::HybridClock;
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::{Body, CaseAct, CharterName, CustodyAct, Entry, Place};
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
    /// The records of which the holdings are made.
    pub records: RecordsUpTo,
}

/// The records of the auditing node about one agency.
#[derive(Debug)]
pub struct Holdings {
    pub(super) assignment: Assignment,
    pub(super) federation: String,
    charters: Charters,
    /// The entries in the scope, with the leaves that the agency named for them.
    pub(super) entries: OwnEntries,
    /// The complaints and clocks by which the agency finds the entries, if it may be asked for them by name.
    names: HashMap<Number, (ComplaintId, HybridClock, EntryId)>,
    /// The point from which the audit goes on; `None` if it begins at the start.
    pub(super) resume: Option<Resume>,
    /// Whether a receipt answers an entry that is not here.
    pub(super) has_unknown_answers: bool,
    /// The complaints whose entries before the own records of `resume` were added.
    with_past: HashSet<ComplaintId>,
    /// The carried entries of `resume` that were not added yet.
    carried: BTreeMap<LedgerIndex, Carried>,
    /// The entries that the agency answered and did not take, with its answers. Never iterated unsorted.
    untaken: HashMap<Number, Untaken>,
    /// The agency's checkpoints.
    pub(super) checkpoints: OwnCheckpoints,
    /// The agency's own entries, in the order of their places in its ledger once they are sorted.
    pub(super) authored: Vec<Authored>,
    /// Offers to the agency that it has not answered, in the order of the own ledger.
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
    /// The end of the time to answer, in milliseconds since 1970.
    pub(super) answer_by: u64,
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
            resume: None,
            has_unknown_answers: false,
            with_past: HashSet::new(),
            carried: BTreeMap::new(),
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

    /// The holdings of an audit that goes on from this point. First add the entries that it [carries](Resume::carried), then the records from its
    /// end on.
    pub fn resumed(assignment: Assignment, charters: &Charters, resume: Resume) -> Self {
        let mut holdings = Self::new(assignment, charters);
        holdings.checkpoints.extend(&resume.checkpoints);
        [holdings.put_off, holdings.put_off_of_any] = resume.put_off;
        holdings.carried = resume.carried.iter().map(|carried| (carried.leaf, carried.clone())).collect();
        holdings.resume = Some(resume);
        holdings
    }

    /// Adds the checkpoints of an audit from which this one does not go on. Its own records must be the same as now up to its end.
    pub fn add_earlier(&mut self, resume: &Resume) {
        self.checkpoints.extend(&resume.checkpoints);
    }

    /// Adds the earlier entries of the complaint of a new or carried entry: an earlier audit has looked at them. Call it before [`Self::add_entry`].
    ///
    /// # Errors
    /// When the records cannot be read.
    pub fn add_past<R: Records>(&mut self, records: &R, entry: &Entry) -> Result<(), R::Error> {
        let (Some(complaint), Some(resume)) = (entry.complaint, &self.resume) else { return Ok(()) };
        let end = LedgerIndex(resume.records.leaves);
        if !self.with_past.insert(complaint) {
            return Ok(());
        }
        let agency = self.assignment.agency.clone();
        for (leaf, entry) in records.entries_before(&complaint, end)? {
            let kind = Kind { is_past: true, ..self.kind_of(&entry, &[]) };
            let number = self.entries.add(&entry, leaf, kind);
            self.names.insert(number, (complaint, entry.clock, entry.id));
            if kind.is_authored {
                let (place, clock, charter_version) = (entry.place, entry.clock, entry.charter.version);
                self.authored.push(Authored { place, clock, charter_version, number });
                continue;
            }
            for (receipt, ack) in records.receipts_for(&agency, leaf)? {
                self.add_past_receipt((number, entry.id), &ack, receipt);
            }
        }
        Ok(())
    }

    /// Makes room for this many more entries, so that as many take no more memory than they need.
    pub fn reserve(&mut self, entries: usize) {
        if self.assignment.scope.complaint.is_none() {
            self.entries.reserve(entries);
        }
    }

    /// Adds the entry of a leaf of the own ledger. It was written there at `at`, in milliseconds since 1970, and goes over these links.
    pub fn add_entry(&mut self, entry: &Entry, leaf: LedgerIndex, at: u64, routes: &[Route]) {
        let Assignment { agency, scope, .. } = &self.assignment;
        if scope.complaint.is_some() && entry.complaint != scope.complaint {
            return;
        }
        let kind = self.kind_of(entry, routes);
        let number = self.entries.add(entry, leaf, kind);
        if let Some(complaint) = entry.complaint.filter(|_| scope.complaint.is_some() || self.resume.is_some()) {
            self.names.insert(number, (complaint, entry.clock, entry.id));
        }
        let carried = self.carried.remove(&leaf);
        if let Body::Custody { act, .. } = &entry.body
            && act.offers_to() == Some(agency)
            && let Some(answer_by) = act.answer_by().filter(|answer_by| *answer_by >= scope.since)
            && carried.as_ref().is_none_or(|carried| carried.is_open_offer)
        {
            let (author, arrived) = (entry.author.clone(), None);
            let was_deferred = carried.as_ref().and_then(|carried| carried.untaken?.deferred).is_some();
            self.offers.insert(number, Offer { author, answer_by, arrived, was_deferred });
        }
        if let Some(Carried { untaken, claim, .. }) = carried {
            self.untaken.extend(untaken.map(|untaken| (number, untaken)));
            if let Some((epoch, index, receipt)) = claim {
                self.entries.claim(number, (epoch, index), receipt, false);
            }
        }
        if kind.is_authored {
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
        // An entry that is not here was sent later than it was written, or again. Only an audit from the start knows it.
        let is_here = |entry: &EntryId| self.entries.number(entry).is_some();
        self.has_unknown_answers |= !parsed.results.iter().all(|result| is_here(&result.entry));
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
            self.entries.claim(number, (epoch, index), receipt, false);
        }
    }

    /// Adds a checkpoint note of the ledger of `agency` that some peer showed to the auditor.
    pub fn add_checkpoint(&mut self, agency: &AgencyId, note: &[u8]) {
        if *agency == self.assignment.agency
            && let Ok(checkpoint) = self.charters.reread_checkpoint(note, agency)
        {
            self.checkpoints.add(checkpoint, NoteRef::Note(note.to_vec()));
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

    /// The entries that the next audit must look at again, if this one compared a tree of this epoch and size, and the next one goes on from the leaf
    /// `next`. `lost` are those that the agency acknowledged in earlier epochs and does not hold.
    pub(super) fn to_carry(&self, epoch: Epoch, size: u64, next: u64, lost: &[Number]) -> Vec<Carried> {
        let end = Place { epoch, index: LedgerIndex(size) };
        let is_unclaimed = |number: &Number| self.entries.claims(*number).next().is_none();
        let is_waiting = |number: &Number| {
            let kind = self.entries.kind(*number);
            kind.is_sent && !kind.is_authored && is_unclaimed(number)
        };
        let waiting = self.entries.numbers().filter(is_waiting);
        let later = self.authored.iter().filter(|authored| {
            authored.place >= Place { epoch, index: LedgerIndex(next) } && !self.entries.kind(authored.number).is_past
        });
        let later = later.map(|authored| authored.number);
        let is_claimed_later = |number: &Number| {
            self.entries.claims(*number).any(|claim| Place { epoch: claim.epoch, index: claim.index } >= end)
        };
        let claimed_later = self.entries.numbers().filter(is_claimed_later);
        let entries = waiting
            .chain(claimed_later)
            .chain(later)
            .chain(self.offers.keys().copied())
            .chain(self.untaken.keys().copied());
        let mut carried: BTreeMap<LedgerIndex, Carried> = BTreeMap::new();
        for number in entries.chain(lost.iter().copied()) {
            let leaf = self.entries.leaf(number);
            let untaken = self.untaken.get(&number).copied();
            let claim = self.entries.claims(number).next().map(|claim| (claim.epoch, claim.index, claim.receipt));
            let is_open_offer = self.offers.contains_key(&number);
            carried.insert(leaf, Carried { leaf, is_open_offer, untaken, claim });
        }
        let arrived = self.offers.values().filter_map(|offer| offer.arrived);
        let published = self.published.iter().filter(|publication| !self.has_all_of(publication));
        for leaf in arrived.chain(published.map(|publication| publication.leaf)) {
            carried.entry(leaf).or_insert(Carried { leaf, is_open_offer: false, untaken: None, claim: None });
        }
        carried.into_values().collect()
    }

    /// The charter by which the holdings were filled.
    pub(super) fn charter(&self) -> CharterName {
        self.charters.newest().name()
    }

    /// The times at which the auditor put items off.
    pub(super) fn put_off(&self) -> [Option<u64>; 2] {
        [self.put_off, self.put_off_of_any]
    }

    /// Whether the auditor has received every leaf from which a published number was computed. An entry that has not arrived could have ended a complaint
    /// or given it away.
    pub(super) fn has_all_of(&self, publication: &Publication) -> bool {
        let received = self.assignment.received;
        received.is_some_and(|had| had.epoch == publication.epoch && had.index.0 >= publication.size)
    }

    fn kind_of(&self, entry: &Entry, routes: &[Route]) -> Kind {
        let agency = &self.assignment.agency;
        let is_disputed = self.charters.disputes_entry(&entry.author, entry.key_id, &entry.id);
        Kind {
            is_of_complaint: entry.complaint.is_some(),
            is_authored: entry.author == *agency && !is_disputed,
            is_disputed,
            is_sent: routes.iter().any(|route| route.to == *agency),
            is_past: false,
        }
    }

    /// Adds the leaf that a receipt names for an entry that an earlier audit has looked at.
    fn add_past_receipt(&mut self, (number, id): (Number, EntryId), ack: &[u8], receipt: ReceiptRef) {
        let Some(ack) = wire::Ack::decode(ack).ok() else { return };
        let Ok(parsed) = Receipt::parse(&ack) else { return };
        let agency = &self.assignment.agency;
        if self.charters.disputes_receipt(agency, parsed.key_id, &receipt_id(&ack.receipt)) {
            return;
        }
        let named = parsed.leaves().find(|(entry, _)| *entry == id).map(|(_, index)| index);
        if let Some(index) = named
            && let Ok(checkpoint) = self.charters.open_by_any_key(&parsed.checkpoint, agency)
        {
            let is_compared = |resume: &Resume| {
                receipt.0 < resume.records.end && checkpoint.epoch == resume.epoch && index.0 < resume.size
            };
            let is_shown = self.resume.as_ref().is_some_and(is_compared);
            self.entries.claim(number, (checkpoint.epoch, index), receipt, is_shown);
        }
    }

    /// The name by which the agency finds an entry; `None` if it is not asked for it by name.
    pub(super) fn name_of(&self, number: Number) -> Option<wire::EntryName> {
        let (complaint, clock, id) = self.names.get(&number)?;
        Some(wire::EntryName { complaint: complaint.0.to_vec(), clock: clock.to_bits(), id: id.0.to_vec() })
    }

    /// The id of an entry that has a [name](Self::name_of).
    pub(super) fn named_id(&self, number: Number) -> Option<&EntryId> {
        self.names.get(&number).map(|(_, _, id)| id)
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
                if let Some(offer) = self.entries.number(basis).and_then(|offer| self.offers.get_mut(&offer)) {
                    offer.arrived = Some(leaf);
                }
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
