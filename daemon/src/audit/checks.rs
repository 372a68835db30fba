//! What becomes an accusation: what is known beside what was shown. The judge has the last word.

use std::collections::{BTreeSet, HashMap};

use sinergi_proto::entry::{Body, Entry, Place};
use sinergi_proto::evidence::{HELD, counts_as_held};
use sinergi_proto::ids::{ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::watch::{Noted, two_trees};
use sinergi_proto::wire::{self, accusation::Finding, concealed::KnownBy, entry::Body as Wire, unanswered::ReachedBy};

use super::known::{Known, Linked};
use super::shown::Shown;
use crate::case::{self, CaseError, Leaf};
use crate::link::Links;
use crate::store::PeerCursor;

/// Everything that looks wrong.
pub(super) fn find(links: &Links, known: &Known, shown: &Shown) -> Result<Vec<Finding>, CaseError> {
    let check = Check { links, known, shown };
    let mut found = check.doubled()?;
    found.extend(check.checkpoints());
    found.extend(check.undeclared());
    found.extend(check.leaves()?);
    found.extend(check.dates()?);
    found.extend(check.concealed()?);
    found.extend(check.withheld()?);
    found.extend(check.offers()?);
    found.extend(check.published()?);
    Ok(found)
}

struct Check<'a> {
    links: &'a Links,
    known: &'a Known,
    shown: &'a Shown,
}

impl Check<'_> {
    fn signed(&self, leaf: LedgerIndex) -> Result<Vec<u8>, CaseError> {
        Ok(self.links.outbox.reader().leaf(leaf)?.body)
    }

    fn epoch(&self) -> Option<Epoch> {
        self.shown.newest().map(|tree| tree.checkpoint.epoch)
    }

    /// Two entries with one place.
    fn doubled(&self) -> Result<Vec<Finding>, CaseError> {
        let pair = |(one, other): &(LedgerIndex, LedgerIndex)| {
            Ok(Finding::ForkedEntries(wire::TwoEntries { one: self.signed(*one)?, other: self.signed(*other)? }))
        };
        self.known.doubled.iter().map(pair).collect()
    }

    /// Every checkpoint that was ever seen, with those that were shown now, in the order of epoch, size and time.
    fn all_checkpoints(&self) -> Vec<&Noted> {
        let now = self.shown.trees.iter().map(AsRef::as_ref);
        let mut all: Vec<&Noted> = self.known.checkpoints.values().flatten().chain(now).collect();
        all.sort_by_key(|noted| (noted.extent(), noted.checkpoint.seconds));
        all
    }

    /// They are of one past, and grow with time. One contradiction of each kind: the others say no more.
    fn checkpoints(&self) -> Vec<Finding> {
        let all = self.all_checkpoints();
        [two_of_one_size(&all), self.other_beginning(&all), set_back(&all)].into_iter().flatten().collect()
    }

    /// A tree that was shown now begins with other leaves than were signed before.
    fn other_beginning(&self, all: &[&Noted]) -> Option<Finding> {
        self.shown.beginnings.iter().find_map(|(beginning, tree)| {
            let extent = (tree.checkpoint.epoch, beginning.size);
            let other = all.iter().find(|other| other.extent() == extent && other.checkpoint.root != beginning.root)?;
            Some(two_trees(&other.note, &tree.note, beginning.root, &beginning.proof))
        })
    }

    /// A later epoch that does not begin with its declaration.
    fn undeclared(&self) -> Option<Finding> {
        let (first, leaf) = (self.shown.first.clone()?, self.shown.leaf_proof(LedgerIndex(0)));
        Some(Finding::UndeclaredEpoch(wire::Undeclared { first, leaf }))
    }

    /// What it acknowledged, and its own entries, where its tree has them.
    fn leaves(&self) -> Result<Vec<Finding>, CaseError> {
        let mut found = Vec::new();
        let Some(epoch) = self.epoch() else { return Ok(found) };
        for (id, acknowledged) in self.known.acknowledged.iter().filter(|(_, known)| known.epoch == epoch) {
            if self.shown.leaf_hash(acknowledged.index).is_some_and(|hash| hash != acknowledged.hash)
                && let Some(linked) = self.known.entries.get(id)
            {
                let receipt = self.links.outbox.reader().record(acknowledged.receipt)?.body;
                let entry = self.signed(linked.leaf)?;
                found.push(Finding::Omitted(wire::Omitted {
                    entry,
                    receipt,
                    leaf: self.shown.leaf_proof(acknowledged.index),
                }));
            }
        }
        for (place, authored) in self.known.authored.iter().filter(|(place, _)| place.epoch == epoch) {
            if self.shown.leaf_hash(place.index).is_some_and(|hash| hash != authored.hash) {
                let entry = self.signed(authored.leaf)?;
                found.push(Finding::ForkedLeaf(wire::Displaced { entry, leaf: self.shown.leaf_proof(place.index) }));
            }
        }
        Ok(found)
    }

    /// Entries behind a cosigned size that pretend to be from before it.
    fn dates(&self) -> Result<Vec<Finding>, CaseError> {
        let mut found = Vec::new();
        let times = self.all_checkpoints();
        // The latest time at which its ledger did not reach a place yet.
        let mut latest: Option<(Epoch, u64, &Vec<u8>)> = None;
        let mut next = times.into_iter().peekable();
        for (place, authored) in &self.known.authored {
            while let Some(Noted { checkpoint, note }) = next.next_if(|of| of.extent() <= (place.epoch, place.index.0))
            {
                let seconds = checkpoint.seconds.unwrap_or_default();
                if latest.is_none_or(|(epoch, known, _)| epoch != checkpoint.epoch || known <= seconds) {
                    latest = Some((checkpoint.epoch, seconds, note));
                }
            }
            let Some((epoch, seconds, note)) = latest else { continue };
            if epoch == place.epoch && authored.clock.millis() < seconds.saturating_mul(1000) {
                let entry = self.signed(authored.leaf)?;
                found.push(Finding::BackDated(wire::BackDated { entry, checkpoint: note.clone() }));
            }
        }
        Ok(found)
    }

    /// Custody entries of the agency that leave out one that its ledger had.
    fn concealed(&self) -> Result<Vec<Finding>, CaseError> {
        let mut of_complaint: HashMap<ComplaintId, Vec<(EntryId, &Linked)>> = HashMap::new();
        let mut acted: BTreeSet<ComplaintId> = BTreeSet::new();
        for (id, linked) in self.known.entries.iter().filter(|(_, linked)| linked.is_custody) {
            of_complaint.entry(linked.complaint).or_default().push((*id, linked));
            if linked.own_place.is_some() {
                acted.insert(linked.complaint);
            }
        }
        let mut found = Vec::new();
        for complaint in acted {
            let custody = &of_complaint[&complaint];
            for (id, linked, place) in custody.iter().filter_map(|(id, linked)| Some((id, linked, linked.own_place?))) {
                let past = self.past(linked);
                for (other, left_out) in custody.iter().filter(|(other, _)| other != id && !past.contains(other)) {
                    if let Some(known_by) = self.known_before(other, left_out, place)? {
                        let ancestors = past.iter().filter_map(|id| self.known.entries.get(id));
                        let ancestors = ancestors.map(|known| self.signed(known.leaf)).collect::<Result<_, _>>()?;
                        let (entry, left_out) = (self.signed(linked.leaf)?, self.signed(left_out.leaf)?);
                        let known_by = Some(known_by);
                        found.push(Finding::Concealed(wire::Concealed { entry, ancestors, left_out, known_by }));
                    }
                }
            }
        }
        Ok(found)
    }

    fn past(&self, of: &Linked) -> BTreeSet<EntryId> {
        let (mut past, mut next) = (BTreeSet::new(), of.parents.clone());
        while let Some(id) = next.pop() {
            if past.insert(id)
                && let Some(known) = self.known.entries.get(&id)
            {
                next.extend(&known.parents);
            }
        }
        past
    }

    /// What shows that the agency's ledger had an entry before a place.
    fn known_before(&self, id: &EntryId, linked: &Linked, place: Place) -> Result<Option<KnownBy>, CaseError> {
        if let Some(own) = linked.own_place {
            return Ok((own.epoch == place.epoch && own.index < place.index).then_some(KnownBy::Own(true)));
        }
        if let Some(known) = self.known.acknowledged.get(id) {
            if known.epoch == place.epoch && known.index < place.index {
                return Ok(Some(KnownBy::Receipt(self.links.outbox.reader().record(known.receipt)?.body)));
            }
            return Ok(None);
        }
        let Some((index, _)) = self.shown.whole.get(id) else { return Ok(None) };
        let before = self.epoch() == Some(place.epoch) && *index < place.index;
        Ok(Some(*index).filter(|_| before).and_then(|index| self.shown.leaf_proof(index)).map(KnownBy::Leaf))
    }

    /// Entries in whole leaves that this oversight agency should have got: it was told that nothing more was before where they lie.
    fn withheld(&self) -> Result<Vec<Finding>, CaseError> {
        let (store, agency) = (self.links.outbox.store(), self.known.agency());
        let received = store.cursor(PeerCursor::Received, agency)?;
        let Some(received) = received.filter(|cursor| Some(cursor.epoch) == self.epoch()) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (id, (index, signed)) in &self.shown.whole {
            let is_passed = *index < received.index;
            let Some(signed) = signed.as_ref().filter(|_| is_passed && !self.known.turned_away.contains(id)) else {
                continue;
            };
            let entry = Entry::parse(signed.clone().into(), self.links.outbox.federation());
            if entry.is_ok_and(|entry| entry.complaint.is_some()) {
                let leaf = self.shown.leaf_proof(*index);
                found.push(Finding::Withheld(wire::Withheld { entry: signed.clone(), leaf }));
            }
        }
        Ok(found)
    }

    /// Offers whose time is over.
    fn offers(&self) -> Result<Vec<Finding>, CaseError> {
        let mut found = Vec::new();
        for offer in self.known.offers.iter().filter(|offer| !self.known.answered.contains(&offer.entry)) {
            let entry = self.signed(offer.leaf)?;
            let reached_by = if let Some(known) = self.known.acknowledged.get(&offer.entry) {
                Some(ReachedBy::Receipt(self.links.outbox.reader().record(known.receipt)?.body))
            } else if let Some(leaf) = self.known.arrived.get(&offer.entry) {
                Some(ReachedBy::Arrived(self.signed(*leaf)?))
            } else {
                None
            };
            if reached_by.is_some() {
                found.push(Finding::Unanswered(wire::Unanswered { offer: entry, reached_by }));
            } else if offer.author == self.links.own {
                found.push(Finding::Undelivered(wire::Undelivered { offer: entry }));
            }
        }
        Ok(found)
    }

    /// Published figures, beside the complaints that the agency holds by its own entries.
    fn published(&self) -> Result<Vec<Finding>, CaseError> {
        let mut found = Vec::new();
        for leaf in &self.known.published {
            let outbox = &self.links.outbox;
            let published = Leaf::parse(outbox.reader().leaf(*leaf)?, outbox.federation())?;
            let Body::Node(body) = &published.entry.body else { continue };
            let Wire::Published(figures) = body.as_ref() else { continue };
            let Some(said) = figures.figures.iter().find(|figure| figure.name == HELD).map(|figure| figure.value)
            else {
                continue;
            };
            let size = figures.ledger_size.min(published.entry.place.index.0);
            let received = outbox.store().cursor(PeerCursor::Received, self.known.agency())?;
            // What it wrote before the publication and has not sent yet could have ended or given up any of them.
            let has_all = received.is_some_and(|had| had.epoch == published.entry.place.epoch && had.index.0 >= size);
            if !has_all {
                continue;
            }
            let cases = self.held(published.entry.place.epoch, size, said)?;
            if cases.len() as u64 > said {
                let (figure, published) = (HELD.to_owned(), self.signed(*leaf)?);
                found.push(Finding::Misreported(wire::Misreported { published, figure, cases }));
            }
        }
        Ok(found)
    }

    /// Complaints that count as held, one more than were published if there are so many.
    fn held(&self, epoch: Epoch, size: u64, said: u64) -> Result<Vec<wire::CaseHistory>, CaseError> {
        let outbox = &self.links.outbox;
        let charters = self.links.directory.charters();
        let mut cases = Vec::new();
        for (complaint, _) in outbox.store().held_by(self.known.agency())? {
            if cases.len() as u64 > said {
                break;
            }
            let Some(case) = case::load(&complaint, outbox.store(), outbox.reader(), outbox.federation(), &charters)?
            else {
                continue;
            };
            let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().collect();
            leaves.sort_unstable();
            let mut entries = Vec::with_capacity(leaves.len());
            for leaf in leaves {
                entries.push(Leaf::parse(outbox.reader().leaf(leaf)?, outbox.federation())?.entry);
            }
            if counts_as_held(&case.complaint, &entries, self.known.agency(), epoch, size) {
                let entries = entries.into_iter().map(|entry| entry.signed.to_vec()).collect();
                cases.push(wire::CaseHistory { entries });
            }
        }
        Ok(cases)
    }
}

/// Two trees with as many leaves, but others.
fn two_of_one_size(all: &[&Noted]) -> Option<Finding> {
    let mut pairs = all.iter().zip(all.iter().skip(1));
    let is_fork = |(one, other): &(&&Noted, &&Noted)| {
        one.extent() == other.extent() && one.checkpoint.root != other.checkpoint.root
    };
    pairs.find(is_fork).map(|(one, other)| two_trees(&one.note, &other.note, other.checkpoint.root, &[]))
}

/// Fewer leaves at a later time.
fn set_back(all: &[&Noted]) -> Option<Finding> {
    let mut latest: Option<&Noted> = None;
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
