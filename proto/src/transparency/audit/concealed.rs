//! The entries of the agency that leave out an entry of the complaint which its ledger had before.
//!
//! Must not know how evidence is made.
//!
//! Invariant: a complaint costs at most as many steps as the product of its parents and of the agency's entries in it, and a few words for each of
//! its entries.

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

/// Most of them that are found, those of full entries apart. Further ones say nothing new.
const MOST: usize = 1024;

/// Those that an audit states, in the order of the complaints and of the own ledger. One left-out entry is enough for each, except for an entry with as many parents
/// as it has room for. `epoch` is that of the leaves that the agency has shown.
pub(super) fn left_out(holdings: &Holdings, epoch: Option<Epoch>) -> Vec<LeftOut> {
    let entries = &holdings.entries;
    let mut places: Vec<(Number, Place)> =
        holdings.authored.iter().map(|authored| (authored.number, authored.place)).collect();
    places.sort_unstable_by_key(|(number, _)| *number);
    let place_of = |number: Number| {
        let found = places.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(places[found].1)
    };
    let sorted = entries.by_complaint();
    let of_one_complaint = sorted.chunk_by(|one, other| entries.is_same_complaint(*one, *other));
    let mut found: Vec<LeftOut> = Vec::new();
    let mut found_of_full: Vec<LeftOut> = Vec::new();
    for complaint in of_one_complaint.filter(|numbers| numbers.iter().any(|number| entries.kind(*number).is_authored)) {
        let mut past = Past::of(complaint, entries);
        let own_places: Vec<Option<Place>> = complaint.iter().map(|number| place_of(*number)).collect();
        for (at, place) in own_places.iter().enumerate().filter_map(|(at, place)| Some((at, (*place)?))) {
            let by = complaint[at];
            past.walk_from(at);
            let is_full = entries.parent_count(by) >= limits::PARENTS;
            let left_out = complaint
                .iter()
                .enumerate()
                .filter(|(other, number)| *other != at && !past.has[*other] && !entries.kind(**number).is_disputed);
            let known = left_out.filter_map(|(position, other)| {
                let known_by = known_before(entries, *other, own_places[position], place, epoch)?;
                Some(LeftOut { by, is_full, other: *other, known_by })
            });
            match is_full {
                true => found_of_full.extend(known.take(MOST - found_of_full.len())),
                false if found.len() < MOST => found.extend(known.take(1)),
                false => {}
            }
        }
    }
    found.extend(found_of_full);
    found
}

/// Why the agency's ledger had an entry before a place. `own_place` is that of the entry, if the agency wrote it.
fn known_before(
    entries: &OwnEntries,
    number: Number,
    own_place: Option<Place>,
    place: Place,
    epoch: Option<Epoch>,
) -> Option<KnownBy> {
    if let Some(own) = own_place {
        return (own.epoch == place.epoch && own.index < place.index).then_some(KnownBy::Own);
    }
    let mut claims = entries.claims(number);
    if let Some(claim) = claims.find(|claim| claim.epoch == place.epoch && claim.index < place.index) {
        return Some(KnownBy::Receipt(*claim));
    }
    let shown_at = entries.shown_at(number).filter(|index| epoch == Some(place.epoch) && *index < place.index);
    shown_at.map(KnownBy::Leaf)
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
