//! The comparison of the holdings with the shown ledger. Everything that looks wrong becomes a suspicion.
//!
//! Must not know the exact rules of the findings: it may suspect too much, because the judge drops every suspicion that does not hold.

use prost::Message;

use super::concealed::{self, KnownBy as Knowledge, Whereabouts};
use super::holdings::{Holdings, Publication};
use super::lacking::Lacking;
use super::own_checkpoints::{NoteRef, OwnCheckpoint};
use super::own_entries::Number;
use super::plan::Plan;
use super::shown::Shown;
use super::{FINDINGS_OF_A_KIND, ReceiptRef, Records};
use crate::base::ids::{Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::id_in;
use crate::receipt::{Receipt, item_receipt};
use crate::tlog::checkpoint::Checkpoint;
use crate::transparency::evidence::{HELD, counts_as_held};
use crate::transparency::watch::two_trees;
use crate::wire::{self, accusation::Finding, concealed::KnownBy, unanswered::ReachedBy};

/// Both sides of the comparison.
pub(super) struct Suspicions<'a, R> {
    pub(super) holdings: &'a Holdings,
    pub(super) shown: &'a Shown,
    pub(super) lacking: &'a Lacking,
    pub(super) plan: &'a Plan,
    /// The records that evidence quotes.
    pub(super) records: &'a R,
    /// The charters of now.
    pub(super) charters: &'a Charters,
}

type Found<R> = Result<Vec<Finding>, <R as Records>::Error>;

/// A checkpoint of the holdings, or one that was shown in this audit.
#[derive(Clone, Copy)]
struct Sighted<'a> {
    /// Its time may be false, if it is of the holdings: a note may have a time line under a key that was listed only later, and was not verified.
    checkpoint: &'a Checkpoint,
    note: SightedNote<'a>,
}

#[derive(Clone, Copy)]
enum SightedNote<'a> {
    Receipt(ReceiptRef),
    Note(&'a [u8]),
}

impl<R: Records> Suspicions<'_, R> {
    /// All suspicions.
    pub(super) fn all(&self) -> Found<R> {
        let checkpoints = self.all_checkpoints();
        let mut found = self.doubled()?;
        found.extend(self.checkpoints(&checkpoints)?);
        found.extend(self.undeclared());
        found.extend(self.omitted()?);
        found.extend(self.displaced()?);
        found.extend(self.back_dated(&checkpoints)?);
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
        let authored = &self.holdings.authored;
        let pairs = authored.iter().zip(authored.iter().skip(1));
        let doubled = pairs.filter(|(one, other)| one.place == other.place && one.number != other.number);
        let evidence = doubled.map(|(one, other)| {
            let (one, other) = (self.entry(one.number)?, self.entry(other.number)?);
            Ok(Finding::ForkedEntries(wire::TwoEntries { one, other }))
        });
        evidence.collect()
    }

    /// All checkpoints, those of the holdings and those shown in this audit, in the order of epoch, size and time.
    fn all_checkpoints(&self) -> Vec<Sighted<'_>> {
        let held = self.holdings.checkpoints.all().iter().map(|OwnCheckpoint { checkpoint, note, .. }| {
            let note = match note {
                NoteRef::Receipt(receipt) => SightedNote::Receipt(*receipt),
                NoteRef::Note(note) => SightedNote::Note(note),
            };
            Sighted { checkpoint, note }
        });
        let now = self.shown.trees.iter();
        let now = now.map(|tree| Sighted { checkpoint: &tree.checkpoint, note: SightedNote::Note(&tree.note) });
        let mut all: Vec<Sighted<'_>> = held.chain(now).collect();
        all.sort_by_key(|sighted| (sighted.extent(), sighted.checkpoint.seconds));
        all
    }

    /// The signed note of a checkpoint.
    fn note(&self, sighted: &Sighted<'_>) -> Result<Vec<u8>, R::Error> {
        Ok(match sighted.note {
            SightedNote::Note(note) => note.to_vec(),
            SightedNote::Receipt(receipt) => {
                let ack = wire::Ack::decode(self.records.receipt(receipt)?.as_slice()).ok();
                ack.and_then(|ack| Receipt::parse(&ack).ok()).map(|receipt| receipt.checkpoint).unwrap_or_default()
            }
        })
    }

    /// Whether the agency has cosigned the time of a checkpoint.
    fn is_cosigned(&self, sighted: &Sighted<'_>) -> Result<bool, R::Error> {
        let opened = self.charters.open_checkpoint(&self.note(sighted)?, &self.holdings.assignment.agency);
        Ok(opened.is_ok_and(|opened| opened.seconds == sighted.checkpoint.seconds))
    }

    /// The checkpoints are not of one ledger that grows with time. At most one contradiction of each kind, because further ones say nothing new.
    fn checkpoints(&self, all: &[Sighted<'_>]) -> Found<R> {
        let found = [self.two_of_one_size(all)?, self.other_beginning(all)?, self.set_back(all)?];
        Ok(found.into_iter().flatten().collect())
    }

    /// Two different trees of one size.
    fn two_of_one_size(&self, all: &[Sighted<'_>]) -> Result<Option<Finding>, R::Error> {
        let mut pairs = all.iter().zip(all.iter().skip(1));
        let fork =
            pairs.find(|(one, other)| one.extent() == other.extent() && one.checkpoint.root != other.checkpoint.root);
        let evidence =
            fork.map(|(one, other)| Ok(two_trees(&self.note(one)?, &self.note(other)?, other.checkpoint.root, &[])));
        evidence.transpose()
    }

    /// A tree shown in this audit begins with other leaves than the agency signed before.
    fn other_beginning(&self, all: &[Sighted<'_>]) -> Result<Option<Finding>, R::Error> {
        let found = self.shown.beginnings.iter().find_map(|(beginning, tree)| {
            let extent = (tree.checkpoint.epoch, beginning.size);
            let from = all.partition_point(|other| other.extent() < extent);
            let mut of_size = all[from..].iter().take_while(|other| other.extent() == extent);
            Some((beginning, tree, of_size.find(|other| other.checkpoint.root != beginning.root)?))
        });
        let evidence = found.map(|(beginning, tree, other)| {
            Ok(two_trees(&self.note(other)?, &tree.note, beginning.root, &beginning.proof))
        });
        evidence.transpose()
    }

    /// A checkpoint over fewer leaves that was signed later.
    fn set_back(&self, all: &[Sighted<'_>]) -> Result<Option<Finding>, R::Error> {
        let mut before = Vec::new();
        for one in all {
            let is_later =
                |later: &Checkpoint| later.epoch == one.checkpoint.epoch && one.checkpoint.is_surely_before(later);
            if let Some(later) = self.latest(&mut before, is_later)?
                && self.is_cosigned(one)?
            {
                let (earlier, later) = (self.note(one)?, self.note(later)?);
                return Ok(Some(Finding::RolledBack(wire::RolledBack { earlier, later })));
            }
            note_latest(&mut before, one);
        }
        Ok(None)
    }

    /// The latest of these checkpoints, if it fits and the agency has cosigned its time. One with a false time is dropped, so that it hides no true one.
    fn latest<'s>(
        &self,
        before: &mut Vec<&'s Sighted<'s>>,
        fits: impl Fn(&Checkpoint) -> bool,
    ) -> Result<Option<&'s Sighted<'s>>, R::Error> {
        while let Some(latest) = before.last().copied().filter(|latest| fits(latest.checkpoint)) {
            if self.is_cosigned(latest)? {
                return Ok(Some(latest));
            }
            before.pop();
        }
        Ok(None)
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
        for number in self.holdings.entries.numbers() {
            for claim in self.holdings.entries.claims(number) {
                let shown = self.shown.leaf_hash(claim.epoch, claim.index);
                if shown.is_some_and(|hash| !self.holdings.entries.is(number, hash)) {
                    let (entry, receipt) = (self.entry(number)?, self.records.receipt(claim.receipt)?);
                    let leaf = self.shown.leaf_proof(claim.epoch, claim.index);
                    found.push(Finding::Omitted(wire::Omitted { entry, receipt, leaf }));
                }
            }
        }
        Ok(found)
    }

    /// The tree holds another leaf in the place that an entry of the agency claims.
    fn displaced(&self) -> Found<R> {
        let mut found = Vec::new();
        for authored in &self.holdings.authored {
            let place = authored.place;
            let shown = self.shown.leaf_hash(place.epoch, place.index);
            if shown.is_some_and(|hash| !self.holdings.entries.is(authored.number, hash)) {
                let entry = self.entry(authored.number)?;
                let leaf = self.shown.leaf_proof(place.epoch, place.index);
                found.push(Finding::ForkedLeaf(wire::Displaced { entry, leaf }));
            }
        }
        Ok(found)
    }

    /// Entries after a cosigned size that are dated before the cosigned time.
    fn back_dated(&self, all: &[Sighted<'_>]) -> Found<R> {
        let mut found = Vec::new();
        // The checkpoints at which the ledger did not reach the place yet.
        let mut before = Vec::new();
        let mut next = all.iter().peekable();
        for authored in &self.holdings.authored {
            let place = authored.place;
            while let Some(sighted) = next.next_if(|sighted| sighted.extent() <= (place.epoch, place.index.0)) {
                note_latest(&mut before, sighted);
            }
            let dated = authored.clock.millis().saturating_add(limits::BACK_DATED_BY.as_millis() as u64);
            let is_later = |checkpoint: &Checkpoint| {
                let cosigned = checkpoint.seconds.unwrap_or_default().saturating_mul(1000);
                checkpoint.epoch == place.epoch && dated < cosigned
            };
            if found.len() < FINDINGS_OF_A_KIND
                && let Some(latest) = self.latest(&mut before, is_later)?
            {
                let (entry, checkpoint) = (self.entry(authored.number)?, self.note(latest)?);
                found.push(Finding::BackDated(wire::BackDated { entry, checkpoint }));
            }
        }
        Ok(found)
    }

    /// Entries of the agency that leave out an entry of the complaint which its ledger had before.
    fn concealed(&self) -> Found<R> {
        let entries = &self.holdings.entries;
        let mut found = Vec::new();
        let whereabouts = |number| match self.plan.whereabouts(self.holdings, number) {
            Whereabouts::Unknown => match self.located(number) {
                Some(index) => Whereabouts::Leaf(index),
                None => Whereabouts::Nowhere,
            },
            known => known,
        };
        for left_out in concealed::search(self.holdings, self.shown.epoch(), whereabouts).found {
            let known_by = match left_out.known_by {
                Knowledge::Own => KnownBy::Own(true),
                Knowledge::Receipt(claim) => KnownBy::Receipt(self.records.receipt(claim.receipt)?),
                Knowledge::Leaf(index) => {
                    let proof = self.shown.epoch().and_then(|epoch| self.shown.leaf_proof(epoch, index));
                    let Some(proof) = proof else { continue };
                    KnownBy::Leaf(proof)
                }
            };
            let left_out_ancestors = match left_out.is_full {
                true => self.entries_of(&entries.ancestors(left_out.other))?,
                false => Vec::new(),
            };
            found.push(Finding::Concealed(wire::Concealed {
                entry: self.entry(left_out.by)?,
                ancestors: self.entries_of(&entries.ancestors(left_out.by))?,
                left_out: self.entry(left_out.other)?,
                left_out_ancestors,
                known_by: Some(known_by),
            }));
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
        let entries = &self.holdings.entries;
        let (mut found, mut refusals, mut deferrals) = (Vec::new(), 0, 0);
        for (number, answers) in self.holdings.never_taken() {
            // Each quotes all ancestors, and a liar may refuse everything.
            if let Some(refused) = answers.refused.filter(|_| refusals < FINDINGS_OF_A_KIND) {
                refusals += 1;
                let ancestors = self.entries_of(&entries.ancestors(number))?;
                let entry = self.entry(number)?;
                let refusal = self.item_receipt(refused, &entry)?;
                found.push(Finding::RefusedWrongly(wire::RefusedWrongly { entry, ancestors, refusal }));
            }
            if let Some([(first, began), (last, ended)]) = answers.deferred
                && ended.saturating_sub(began) >= limits::DEFERRED_TOO_LONG.as_millis() as u64
                && deferrals < FINDINGS_OF_A_KIND
            {
                deferrals += 1;
                let parent_numbers: Vec<Number> = entries.parents(number).collect();
                let parent_entries = self.entries_of(&parent_numbers)?;
                let mut parents = Vec::new();
                for parent in parent_numbers {
                    if let Some(claim) = entries.claims(parent).last() {
                        parents.extend(self.item_receipt(claim.receipt, &self.entry(parent)?)?);
                    }
                }
                let entry = self.entry(number)?;
                let (first, last) = (self.item_receipt(first, &entry)?, self.item_receipt(last, &entry)?);
                let deferral = wire::EndlessDeferral { entry, first, last, parents, parent_entries };
                found.push(Finding::EndlessDeferral(deferral));
            }
        }
        Ok(found)
    }

    /// The leaf of an entry that the agency was asked for by name.
    fn located(&self, number: Number) -> Option<LedgerIndex> {
        self.shown.named.get(self.holdings.named_id(number)?).copied().flatten()
    }

    /// The `SignedEntry` bytes of an entry.
    fn entry(&self, number: Number) -> Result<Vec<u8>, R::Error> {
        self.records.entry(self.holdings.entries.leaf(number))
    }

    /// The part of a receipt that is about this entry.
    fn item_receipt(&self, receipt: ReceiptRef, signed: &[u8]) -> Result<Option<wire::ItemReceipt>, R::Error> {
        let Some(entry) = id_in(signed) else { return Ok(None) };
        let ack = wire::Ack::decode(self.records.receipt(receipt)?.as_slice()).ok();
        Ok(ack.and_then(|ack| {
            let parsed = Receipt::parse(&ack).ok()?;
            item_receipt(&ack, parsed.results.iter().position(|result| result.entry == entry)?)
        }))
    }

    /// The `SignedEntry` bytes of these entries.
    fn entries_of(&self, numbers: &[Number]) -> Result<Vec<Vec<u8>>, R::Error> {
        numbers.iter().map(|number| self.entry(*number)).collect()
    }

    /// Entries that the auditor lacks, although the agency has sent later leaves.
    fn withheld(&self) -> Vec<Finding> {
        let Some(epoch) = self.shown.epoch().filter(|_| !self.may_lack_entries()) else { return Vec::new() };
        let evidence = self.lacking.withheld.iter().map(|(index, signed)| {
            let leaf = self.shown.leaf_proof(epoch, *index);
            Finding::Withheld(wire::Withheld { entry: signed.clone(), leaf })
        });
        evidence.collect()
    }

    /// Entries that the auditor lacks, and that the agency shows without their author's signature.
    fn unsigned(&self) -> Vec<Finding> {
        let Some(epoch) = self.shown.epoch() else { return Vec::new() };
        let evidence = self.lacking.unsigned.iter().map(|(index, signed)| {
            let leaf = self.shown.leaf_proof(epoch, *index);
            Finding::Unsigned(wire::Unsigned { entry: signed.clone(), leaf })
        });
        evidence.collect()
    }

    /// Offers to the agency whose time to answer is over and that it did not answer.
    fn offers(&self) -> Found<R> {
        let mut found = Vec::new();
        let now = self.holdings.assignment.now;
        for (number, offered) in self.holdings.offers.iter().filter(|(_, offered)| offered.answer_by < now) {
            let reached_by = if let Some(claim) = self.holdings.entries.claims(*number).last() {
                Some(ReachedBy::Receipt(self.records.receipt(claim.receipt)?))
            } else if let Some(leaf) = offered.arrived {
                Some(ReachedBy::Arrived(self.records.entry(leaf)?))
            } else {
                None
            };
            let offer = self.entry(*number)?;
            // A relay may have dropped an offer that goes another way.
            let is_direct = self.holdings.entries.kind(*number).is_sent;
            // The auditor may have put the answer off.
            if reached_by.is_some() && self.may_lack_answers() {
                continue;
            }
            if reached_by.is_some() {
                found.push(Finding::Unanswered(wire::Unanswered { offer, reached_by }));
            } else if offered.author == self.holdings.assignment.auditor && is_direct && !offered.was_deferred {
                found.push(Finding::Undelivered(wire::Undelivered { offer }));
            }
        }
        Ok(found)
    }

    /// Published numbers, compared with the complaints that the agency holds by its own entries.
    fn misreported(&self) -> Found<R> {
        let mut found = Vec::new();
        for publication in &self.holdings.published {
            if !self.holdings.has_all_of(publication) || self.may_lack_entries() {
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

/// Adds a checkpoint to those of its epoch, if it claims no earlier time than the last of them: so they are in the order of size and time.
fn note_latest<'s>(before: &mut Vec<&'s Sighted<'s>>, sighted: &'s Sighted<'s>) {
    if before.last().is_some_and(|latest| latest.checkpoint.epoch != sighted.checkpoint.epoch) {
        before.clear();
    }
    if before.last().is_none_or(|latest| latest.checkpoint.seconds <= sighted.checkpoint.seconds) {
        before.push(sighted);
    }
}

impl Sighted<'_> {
    fn extent(&self) -> (Epoch, u64) {
        (self.checkpoint.epoch, self.checkpoint.size)
    }
}
