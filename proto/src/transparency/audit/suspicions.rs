//! The comparison of the holdings with the shown ledger. Everything that looks wrong becomes a suspicion.
//!
//! Must not know the exact rules of the findings: it may suspect too much, because the judge drops every suspicion that does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message;

use super::holdings::{Holdings, Linked, Publication};
use super::shown::Shown;
use super::{FINDINGS_OF_A_KIND, ReceiptRef, Records};
use crate::admission::signing_key;
use crate::base::cursor::Cursor;
use crate::base::ids::{ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::{Charter, Charters};
use crate::entry::{Entry, Place};
use crate::receipt::{Receipt, item_receipt};
use crate::transparency::evidence::{HELD, counts_as_held};
use crate::transparency::watch::{VerifiedCheckpoint, two_trees};
use crate::wire::{self, accusation::Finding, concealed::KnownBy, unanswered::ReachedBy};

/// Both sides of the comparison.
pub(super) struct Suspicions<'a, R> {
    pub(super) holdings: &'a Holdings,
    pub(super) shown: &'a Shown,
    /// The records that evidence quotes.
    pub(super) records: &'a R,
    /// The charters of now.
    pub(super) charters: &'a Charters,
}

type Found<R> = Result<Vec<Finding>, <R as Records>::Error>;

impl<R: Records> Suspicions<'_, R> {
    /// All suspicions.
    pub(super) fn all(&self) -> Found<R> {
        let mut found = self.doubled()?;
        found.extend(self.checkpoints());
        found.extend(self.undeclared());
        found.extend(self.omitted()?);
        found.extend(self.displaced()?);
        found.extend(self.back_dated()?);
        found.extend(self.concealed()?);
        found.extend(self.untaken()?);
        found.extend(self.withheld());
        found.extend(self.unsigned());
        found.extend(self.offers()?);
        found.extend(self.misreported()?);
        Ok(found)
    }

    /// Two entries of the agency claim one place.
    fn doubled(&self) -> Found<R> {
        let mut found = Vec::new();
        for (one, other) in &self.holdings.doubled {
            let (one, other) = (self.records.entry(*one)?, self.records.entry(*other)?);
            found.push(Finding::ForkedEntries(wire::TwoEntries { one, other }));
        }
        Ok(found)
    }

    /// All checkpoints, those of the holdings and those shown in this audit, in the order of epoch, size and time.
    fn all_checkpoints(&self) -> Vec<&VerifiedCheckpoint> {
        let now = self.shown.trees.iter().map(AsRef::as_ref);
        let mut all: Vec<&VerifiedCheckpoint> = self.holdings.checkpoints.values().flatten().chain(now).collect();
        all.sort_by_key(|noted| (noted.extent(), noted.checkpoint.seconds));
        all
    }

    /// The checkpoints are not of one ledger that grows with time. At most one contradiction of each kind, because further ones say nothing new.
    fn checkpoints(&self) -> Vec<Finding> {
        let all = self.all_checkpoints();
        [two_of_one_size(&all), self.other_beginning(&all), set_back(&all)].into_iter().flatten().collect()
    }

    /// A tree shown in this audit begins with other leaves than the agency signed before.
    fn other_beginning(&self, all: &[&VerifiedCheckpoint]) -> Option<Finding> {
        self.shown.beginnings.iter().find_map(|(beginning, tree)| {
            let extent = (tree.checkpoint.epoch, beginning.size);
            let other = all.iter().find(|other| other.extent() == extent && other.checkpoint.root != beginning.root)?;
            Some(two_trees(&other.note, &tree.note, beginning.root, &beginning.proof))
        })
    }

    /// A later epoch may lack its declaration. The judge reads the first leaf.
    fn undeclared(&self) -> Option<Finding> {
        let (first, epoch) = (self.shown.first.clone()?, self.shown.epoch()?);
        let leaf = self.shown.leaf_proof(epoch, Default::default());
        Some(Finding::UndeclaredEpoch(wire::Undeclared { first, leaf }))
    }

    /// The tree holds another leaf where a receipt of the agency names one.
    fn omitted(&self) -> Found<R> {
        let mut found = Vec::new();
        for (acknowledged, receipt) in &self.holdings.acknowledged {
            let shown = self.shown.leaf_hash(acknowledged.epoch, acknowledged.index);
            if shown.is_some_and(|hash| hash != acknowledged.entry.0)
                && let Some(leaf) = self.holdings.leaf_of(&acknowledged.entry)
            {
                let (entry, receipt) = (self.records.entry(leaf)?, self.records.receipt(*receipt)?);
                let leaf = self.shown.leaf_proof(acknowledged.epoch, acknowledged.index);
                found.push(Finding::Omitted(wire::Omitted { entry, receipt, leaf }));
            }
        }
        Ok(found)
    }

    /// The tree holds another leaf in the place that an entry of the agency claims.
    fn displaced(&self) -> Found<R> {
        let mut found = Vec::new();
        for (place, authored) in &self.holdings.authored {
            if self.shown.leaf_hash(place.epoch, place.index).is_some_and(|hash| hash != authored.id.0) {
                let entry = self.records.entry(authored.leaf)?;
                let leaf = self.shown.leaf_proof(place.epoch, place.index);
                found.push(Finding::ForkedLeaf(wire::Displaced { entry, leaf }));
            }
        }
        Ok(found)
    }

    /// Entries after a cosigned size that are dated before the cosigned time.
    fn back_dated(&self) -> Found<R> {
        let mut found = Vec::new();
        // The latest cosigned time at which the ledger did not reach the place yet.
        let mut latest: Option<(Epoch, u64, &Vec<u8>)> = None;
        let mut next = self.all_checkpoints().into_iter().peekable();
        for (place, authored) in &self.holdings.authored {
            while let Some(VerifiedCheckpoint { checkpoint, note }) =
                next.next_if(|of| of.extent() <= (place.epoch, place.index.0))
            {
                let seconds = checkpoint.seconds.unwrap_or_default();
                if latest.is_none_or(|(epoch, known, _)| epoch != checkpoint.epoch || known <= seconds) {
                    latest = Some((checkpoint.epoch, seconds, note));
                }
            }
            let Some((epoch, seconds, note)) = latest else { continue };
            if epoch == place.epoch && authored.clock.millis() < seconds.saturating_mul(1000) {
                let entry = self.records.entry(authored.leaf)?;
                found.push(Finding::BackDated(wire::BackDated { entry, checkpoint: note.clone() }));
            }
        }
        Ok(found)
    }

    /// Entries of the agency that leave out an entry of the complaint which its ledger had before. One left-out entry is enough for each, except
    /// for an entry with as many parents as it has room for, which may leave out some.
    fn concealed(&self) -> Found<R> {
        let mut of_complaint: BTreeMap<ComplaintId, Vec<(EntryId, &Linked)>> = BTreeMap::new();
        let mut acted: BTreeSet<ComplaintId> = BTreeSet::new();
        for (id, linked) in &self.holdings.entries {
            of_complaint.entry(linked.complaint).or_default().push((*id, linked));
            if linked.own_place.is_some() {
                acted.insert(linked.complaint);
            }
        }
        let mut found = Vec::new();
        for complaint in acted {
            let entries = &of_complaint[&complaint];
            for (linked, place) in entries.iter().filter_map(|(_, linked)| Some((linked, linked.own_place?))) {
                let past = self.past(linked);
                let is_full = linked.parents.len() >= limits::PARENTS;
                let counts = |(other, left_out): &&(EntryId, &Linked)| !past.contains(other) && !left_out.is_disputed;
                for (other, left_out) in entries.iter().filter(counts) {
                    let Some(known_by) = self.known_before(other, left_out, place)? else { continue };
                    let left_out_ancestors = if is_full { self.entries_of(&self.past(left_out))? } else { Vec::new() };
                    found.push(Finding::Concealed(wire::Concealed {
                        entry: self.records.entry(linked.leaf)?,
                        ancestors: self.entries_of(&past)?,
                        left_out: self.records.entry(left_out.leaf)?,
                        left_out_ancestors,
                        known_by: Some(known_by),
                    }));
                    if !is_full {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Whether the auditor may lack an answer by its own fault, whoever brought it.
    fn may_lack_answers(&self) -> bool {
        self.holdings.may_lack_answers(self.shown.newest().and_then(|tree| tree.checkpoint.seconds))
    }

    /// Whether the auditor may lack entries by its own fault.
    fn may_lack_entries(&self) -> bool {
        self.holdings.may_lack_entries(self.shown.newest().and_then(|tree| tree.checkpoint.seconds))
    }

    /// Entries that the agency refused, or deferred for a long time, and never took.
    fn untaken(&self) -> Found<R> {
        let (mut found, mut refusals, mut deferrals) = (Vec::new(), 0, 0);
        for (id, leaf, answers) in self.holdings.never_taken() {
            let entry = || self.records.entry(leaf);
            // Each quotes all ancestors, and a liar may refuse everything.
            if let Some(refused) = answers.refused.filter(|_| refusals < FINDINGS_OF_A_KIND) {
                refusals += 1;
                let ancestors = match self.holdings.entries.get(id) {
                    Some(linked) => self.in_order(&self.past(linked))?,
                    None => Vec::new(),
                };
                let refusal = self.item_receipt(refused, id)?;
                found.push(Finding::RefusedWrongly(wire::RefusedWrongly { entry: entry()?, ancestors, refusal }));
            }
            if let Some([(first, began), (last, ended)]) = answers.deferred
                && ended.saturating_sub(began) >= limits::DEFERRED_TOO_LONG.as_millis() as u64
                && deferrals < FINDINGS_OF_A_KIND
            {
                deferrals += 1;
                let parents = self.holdings.entries.get(id).map(|linked| linked.parents.as_slice()).unwrap_or_default();
                let parent_entries = self.entries_of(&parents.iter().copied().collect())?;
                let taken =
                    parents.iter().filter_map(|parent| Some((parent, self.holdings.receipts_for(parent).next()?)));
                let receipts = taken.map(|(parent, (_, receipt))| self.item_receipt(*receipt, parent));
                let parents = receipts.filter_map(Result::transpose).collect::<Result<_, _>>()?;
                let (first, last) = (self.item_receipt(first, id)?, self.item_receipt(last, id)?);
                let deferral = wire::EndlessDeferral { entry: entry()?, first, last, parents, parent_entries };
                found.push(Finding::EndlessDeferral(deferral));
            }
        }
        Ok(found)
    }

    /// The part of a receipt that is about this entry.
    fn item_receipt(&self, receipt: ReceiptRef, entry: &EntryId) -> Result<Option<wire::ItemReceipt>, R::Error> {
        let ack = wire::Ack::decode(self.records.receipt(receipt)?.as_slice()).ok();
        Ok(ack.and_then(|ack| {
            let parsed = Receipt::parse(&ack).ok()?;
            item_receipt(&ack, parsed.results.iter().position(|result| result.entry == *entry)?)
        }))
    }

    /// Like [`Self::entries_of`], parents before children.
    fn in_order(&self, ids: &BTreeSet<EntryId>) -> Result<Vec<Vec<u8>>, R::Error> {
        let mut known: Vec<&Linked> = ids.iter().filter_map(|id| self.holdings.entries.get(id)).collect();
        known.sort_by_key(|known| known.clock);
        known.into_iter().map(|known| self.records.entry(known.leaf)).collect()
    }

    /// The entries with these ids, as far as they are here.
    fn entries_of(&self, ids: &BTreeSet<EntryId>) -> Result<Vec<Vec<u8>>, R::Error> {
        let known = ids.iter().filter_map(|id| self.holdings.entries.get(id));
        known.map(|known| self.records.entry(known.leaf)).collect()
    }

    /// The ancestors of an entry.
    fn past(&self, of: &Linked) -> BTreeSet<EntryId> {
        let (mut past, mut next) = (BTreeSet::new(), of.parents.clone());
        while let Some(id) = next.pop() {
            if past.insert(id)
                && let Some(known) = self.holdings.entries.get(&id)
            {
                next.extend(&known.parents);
            }
        }
        past
    }

    /// The proof that the agency's ledger had an entry before a place.
    fn known_before(&self, id: &EntryId, linked: &Linked, place: Place) -> Result<Option<KnownBy>, R::Error> {
        if let Some(own) = linked.own_place {
            return Ok((own.epoch == place.epoch && own.index < place.index).then_some(KnownBy::Own(true)));
        }
        let mut receipts = self.holdings.receipts_for(id).peekable();
        if receipts.peek().is_some() {
            let before = receipts.find(|(named, _)| named.epoch == place.epoch && named.index < place.index);
            return before.map(|(_, receipt)| Ok(KnownBy::Receipt(self.records.receipt(*receipt)?))).transpose();
        }
        let Some((index, _)) = self.shown.whole.get(id).filter(|(index, _)| *index < place.index) else {
            return Ok(None);
        };
        Ok(self.shown.leaf_proof(place.epoch, *index).map(KnownBy::Leaf))
    }

    /// Entries that the auditor lacks, although the agency has sent later leaves.
    fn withheld(&self) -> Vec<Finding> {
        let received = self.holdings.assignment.received;
        let is_whole = |cursor: &Cursor| Some(cursor.epoch) == self.shown.epoch() && !self.may_lack_entries();
        let Some(received) = received.filter(is_whole) else {
            return Vec::new();
        };
        let lacked = self.shown.whole.iter().filter_map(|(id, (index, signed))| {
            let is_passed = *index < received.index && !self.holdings.turned_away.contains(id);
            let entry = Entry::parse(signed.as_ref().filter(|_| is_passed)?.clone().into(), &self.holdings.federation);
            Some((*index, entry.ok()?))
        });
        let lacked: BTreeMap<LedgerIndex, Entry> = lacked.collect();
        let begin = Place { epoch: received.epoch, index: LedgerIndex::default() };
        let held = self.holdings.authored.range(begin..).map(|(place, authored)| (place, authored.charter_version));
        let mut held = held.peekable();
        // The newest charter version that the agency's own entries before the leaf name: the agency had adopted it. Somebody else's entry may
        // name an older one, and so cannot hide itself from a new overseer.
        let mut adopted = 0;
        let mut found = Vec::new();
        for (index, entry) in &lacked {
            let place = Place { epoch: received.epoch, index: *index };
            while let Some((_, version)) = held.next_if(|(before, _)| **before < place) {
                adopted = adopted.max(version);
            }
            // Node entries are not routed.
            if entry.complaint.is_some()
                && self.is_overseer_since(adopted.max(entry.charter.version))
                && let Some(leaf) = self.shown.leaf_proof(received.epoch, *index)
            {
                found.push(Finding::Withheld(wire::Withheld { entry: entry.signed().to_vec(), leaf: Some(leaf) }));
            }
            if entry.author == self.holdings.assignment.agency {
                adopted = adopted.max(entry.charter.version);
            }
        }
        found
    }

    /// Entries that the auditor lacks, and that the agency shows without their author's signature.
    fn unsigned(&self) -> Vec<Finding> {
        let Some(epoch) = self.shown.epoch() else { return Vec::new() };
        let lacked = self.shown.whole.values().filter_map(|(index, signed)| Some((*index, signed.as_ref()?)));
        let is_signed = |signed: &Vec<u8>| {
            let entry = Entry::parse(signed.clone().into(), &self.holdings.federation).ok()?;
            Some(signing_key(&entry, self.charters).is_ok_and(|key| entry.verify(&key.public)))
        };
        let unsigned = lacked.filter(|(_, signed)| is_signed(signed) == Some(false));
        let found = unsigned.map(|(index, signed)| {
            let leaf = self.shown.leaf_proof(epoch, index);
            Finding::Unsigned(wire::Unsigned { entry: signed.clone(), leaf })
        });
        found.collect()
    }

    /// Whether the auditor oversees the agencies by this charter version and by all later ones. The agency may have routed the entry by any of
    /// them.
    fn is_overseer_since(&self, version: u64) -> bool {
        let oversees = |charter: &Arc<Charter>| charter.is_oversight(&self.holdings.assignment.auditor);
        self.charters.version(version).is_some_and(oversees) && self.charters.after(version).all(oversees)
    }

    /// Offers to the agency whose time to answer is over and that it did not answer.
    fn offers(&self) -> Found<R> {
        let mut found = Vec::new();
        let unanswered = |id: &EntryId| !self.holdings.answered.contains(id);
        for (id, offer) in self.holdings.offers.iter().filter(|(id, _)| unanswered(id)) {
            let reached_by = if let Some((_, receipt)) = self.holdings.receipts_for(id).next() {
                Some(ReachedBy::Receipt(self.records.receipt(*receipt)?))
            } else if let Some(leaf) = self.holdings.arrived.get(id) {
                Some(ReachedBy::Arrived(self.records.entry(*leaf)?))
            } else {
                None
            };
            let entry = self.records.entry(offer.leaf)?;
            // The auditor may have put the answer off, and the agency may have put the offer off.
            let was_put_off = self.holdings.untaken.get(id).is_some_and(|answers| answers.deferred.is_some());
            if reached_by.is_some() && self.may_lack_answers() {
                continue;
            }
            if reached_by.is_some() {
                found.push(Finding::Unanswered(wire::Unanswered { offer: entry, reached_by }));
            } else if offer.author == self.holdings.assignment.auditor && offer.is_direct && !was_put_off {
                found.push(Finding::Undelivered(wire::Undelivered { offer: entry }));
            }
        }
        Ok(found)
    }

    /// Published numbers, compared with the complaints that the agency holds by its own entries.
    fn misreported(&self) -> Found<R> {
        let mut found = Vec::new();
        for publication in &self.holdings.published {
            // An entry before the publication that has not arrived here could have ended a complaint or given it away.
            let received = self.holdings.assignment.received;
            let has_all = received.is_some_and(|had| had.epoch == publication.epoch && had.index.0 >= publication.size)
                && !self.may_lack_entries();
            if !has_all {
                continue;
            }
            let cases = self.held(publication)?;
            if cases.len() as u64 > publication.held {
                let (published, figure) = (self.records.entry(publication.leaf)?, HELD.to_owned());
                found.push(Finding::Misreported(wire::Misreported { published, figure, cases }));
            }
        }
        Ok(found)
    }

    /// Complaints that count as held. It stops at one more than were published, because that is enough.
    fn held(&self, publication: &Publication) -> Result<Vec<wire::CaseHistory>, R::Error> {
        let agency = &self.holdings.assignment.agency;
        let mut cases = Vec::new();
        for complaint in self.records.held_by(agency)? {
            if cases.len() as u64 > publication.held {
                break;
            }
            let Some(case) = self.records.case(&complaint)? else { continue };
            if counts_as_held(&case.complaint, &case.entries, agency, publication.epoch, publication.size) {
                let entries = case.entries.into_iter().map(|entry| entry.signed().to_vec()).collect();
                cases.push(wire::CaseHistory { entries });
            }
        }
        Ok(cases)
    }
}

/// Two different trees of one size.
fn two_of_one_size(all: &[&VerifiedCheckpoint]) -> Option<Finding> {
    let mut pairs = all.iter().zip(all.iter().skip(1));
    let is_fork = |(one, other): &(&&VerifiedCheckpoint, &&VerifiedCheckpoint)| {
        one.extent() == other.extent() && one.checkpoint.root != other.checkpoint.root
    };
    pairs.find(is_fork).map(|(one, other)| two_trees(&one.note, &other.note, other.checkpoint.root, &[]))
}

/// A checkpoint over fewer leaves that was signed later.
fn set_back(all: &[&VerifiedCheckpoint]) -> Option<Finding> {
    let mut latest: Option<&VerifiedCheckpoint> = None;
    for one in all {
        let before = latest.filter(|latest| latest.checkpoint.epoch == one.checkpoint.epoch);
        if let Some(later) = before.filter(|later| one.checkpoint.is_surely_before(&later.checkpoint)) {
            let (earlier, later) = (one.note.clone(), later.note.clone());
            return Some(Finding::RolledBack(wire::RolledBack { earlier, later }));
        }
        if before.is_none_or(|before| before.checkpoint.seconds < one.checkpoint.seconds) {
            latest = Some(one);
        }
    }
    None
}
