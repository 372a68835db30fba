//! The entries of the agency that leave out an entry of the complaint which its ledger had before.
//!
//! Must not know how evidence is made.
//!
//! Invariant: a complaint costs at most as many steps as the product of its parents and of the agency's entries in it, and a few words for each of
//! its entries.

use std::collections::BTreeSet;

use super::holdings::Holdings;
use super::own_entries::{Claim, Number, OwnEntries};
use crate::base::ids::{Epoch, LedgerIndex};
use crate::base::limits;
use crate::entry::Place;

/// An entry of the agency that leaves out another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut {
    /// The entry of the agency.
    pub(super) by: Number,
    /// Whether it has as many parents as it has room for. Then its left-out entries may be in order.
    pub(super) is_full: bool,
    /// The entry that it leaves out.
    pub(super) other: Number,
    pub(super) known_by: KnownBy,
}

/// The reason why the agency's ledger had the left-out entry before.
#[derive(Clone, Copy, Debug)]
pub(super) enum KnownBy {
    /// The agency wrote it.
    Own,
    /// A receipt of the agency.
    Receipt(Claim),
    /// The leaf that the agency has shown.
    Leaf(LedgerIndex),
}

/// Most of them that are found, those of full entries apart.
const MOST: usize = 16_384;

/// The knowledge of where the agency's ledger has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// At this leaf of the audited epoch.
    Leaf(LedgerIndex),
    /// It does not have the entry.
    Nowhere,
    /// The agency was not asked.
    Unknown,
}

/// The result of the search.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The entries that leave out another one, those of full entries last, each in the order of the complaints and of the own ledger. One left-out entry
    /// is enough for each, except for an entry with as many parents as it has room for.
    pub(super) found: Vec<LeftOut>,
    /// Entries that some entry of the agency leaves out. It is not known whether the agency's ledger has them.
    pub(super) unknown: BTreeSet<Number>,
    /// Whether there were more.
    pub(super) is_cut: bool,
}

/// Searches all complaints. `epoch` is the audited one, and `whereabouts` says where the agency's ledger has an entry of somebody else.
pub(super) fn search(holdings: &Holdings, epoch: Option<Epoch>, whereabouts: impl Fn(Number) -> Whereabouts) -> Search {
    let entries = &holdings.entries;
    let authored = &holdings.authored;
    let mut by_number: Vec<u32> = (0..).take(authored.len()).collect();
    by_number.sort_unstable_by_key(|at| authored[*at as usize].number);
    let place_of = |number: Number| {
        let found = by_number.binary_search_by_key(&number, |at| authored[*at as usize].number).ok()?;
        Some(authored[by_number[found] as usize].place)
    };
    let sorted = entries.by_complaint();
    let of_one_complaint = sorted.chunk_by(|one, other| entries.is_same_complaint(*one, *other));
    let (mut found_of_full, mut search) = (Vec::new(), Search::default());
    for complaint in of_one_complaint.filter(|numbers| numbers.iter().any(|number| entries.kind(*number).is_authored)) {
        let mut past = Past::of(complaint, entries);
        let own_places: Vec<Option<Place>> = complaint.iter().map(|number| place_of(*number)).collect();
        for (at, place) in own_places.iter().enumerate().filter_map(|(at, place)| Some((at, (*place)?))) {
            let by = complaint[at];
            past.walk_from(at);
            let is_full = entries.parent_count(by) >= limits::PARENTS;
            let left_out = (0..complaint.len()).filter(|other| *other != at && !past.has[*other]);
            for (other, own_place) in left_out.map(|other| (complaint[other], own_places[other])) {
                // An earlier audit has compared two entries that it has looked at.
                let is_known = entries.kind(by).is_past && entries.kind(other).is_past;
                if is_known || entries.kind(other).is_disputed {
                    continue;
                }
                let known_by = match known_before(entries, other, own_place, place) {
                    None if own_place.is_none() && epoch == Some(place.epoch) => match whereabouts(other) {
                        Whereabouts::Leaf(index) if index < place.index => Some(KnownBy::Leaf(index)),
                        Whereabouts::Unknown => {
                            search.is_cut |= search.unknown.len() >= MOST && !search.unknown.contains(&other);
                            if !search.is_cut {
                                search.unknown.insert(other);
                            }
                            None
                        }
                        Whereabouts::Leaf(_) | Whereabouts::Nowhere => None,
                    },
                    known_by => known_by,
                };
                let Some(known_by) = known_by else { continue };
                let found = if is_full { &mut found_of_full } else { &mut search.found };
                if found.len() < MOST {
                    found.push(LeftOut { by, is_full, other, known_by });
                } else {
                    search.is_cut = true;
                }
                if !is_full {
                    break;
                }
            }
        }
    }
    search.found.extend(found_of_full);
    search
}

/// The agency's own word that its ledger had an entry before a place. `own_place` is that of the entry, if the agency wrote it.
fn known_before(entries: &OwnEntries, number: Number, own_place: Option<Place>, place: Place) -> Option<KnownBy> {
    if let Some(own) = own_place {
        return (own.epoch == place.epoch && own.index < place.index).then_some(KnownBy::Own);
    }
    let mut claims = entries.claims(number);
    claims.find(|claim| claim.epoch == place.epoch && claim.index < place.index).map(|claim| KnownBy::Receipt(*claim))
}

/// The ancestors of one entry of a complaint at a time. Entries are named by their position in the complaint.
struct Past {
    /// Where the parents of each entry begin in `parents`, and where those of the last one end.
    begin: Vec<usize>,
    parents: Vec<usize>,
    /// Whether an entry is an ancestor.
    has: Vec<bool>,
    next: Vec<usize>,
}

impl Past {
    fn of(complaint: &[Number], entries: &OwnEntries) -> Self {
        let (mut begin, mut parents) = (vec![0], Vec::new());
        for number in complaint {
            let here = entries.parents(*number).filter_map(|parent| complaint.binary_search(&parent).ok());
            parents.extend(here);
            begin.push(parents.len());
        }
        Self { begin, parents, has: vec![false; complaint.len()], next: Vec::new() }
    }

    fn walk_from(&mut self, at: usize) {
        self.has.fill(false);
        self.next.push(at);
        while let Some(entry) = self.next.pop() {
            for parent in &self.parents[self.begin[entry]..self.begin[entry + 1]] {
                if !std::mem::replace(&mut self.has[*parent], true) {
                    self.next.push(*parent);
                }
            }
        }
    }
}
