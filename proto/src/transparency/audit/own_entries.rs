//! The entries of the auditing node's ledger, in a form that takes little memory: an audit looks at each of them, and a ledger may have millions.
//!
//! ```text
//! rows     32 bytes an entry, in the order of the own ledger; an entry is named by its number in this list
//! parents   4 bytes a parent
//! claims   25 bytes for each leaf that the audited agency named in a receipt
//! table     5 to 10 bytes an entry, from the id to the number
//! ```
//!
//! Instead of an id of 32 bytes, a row holds a keyed hash of 8 bytes (SipHash). The key is drawn for each audit, so nobody can make an id that is taken
//! for another one. By chance this happens in one of some million audits of a million entries. Then a difference may be missed, until the next audit.
//!
//! Must not know what the agency answers, nor what is suspicious.
//!
//! Invariant: parents come before children, as in every ledger.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::ReceiptRef;
use crate::base::ids::{EntryId, Epoch, LedgerIndex};
use crate::entry::Entry;

/// The number of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number(u32);

/// Stands for no entry, no claim, or an entry that is not here.
const NONE: u32 = u32::MAX;
/// Stands for no leaf.
const NO_LEAF: u64 = u64::MAX;

/// The entries.
#[derive(Debug, Default)]
pub(super) struct OwnEntries {
    rows: Vec<Row>,
    parents: Vec<u32>,
    /// The numbers at which a leaf of the own ledger does not follow the one of the number before, with these leaves.
    leaves: Vec<(u32, LedgerIndex)>,
    claims: Vec<Claim>,
    /// Whether the agency has shown the leaf of each claim to be the entry, now or in an earlier audit.
    is_shown: Vec<bool>,
    /// From the id to the number. Never iterated, so its order cannot be seen.
    table: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// The keyed hash of its id.
    hash: u64,
    /// The leaf in the agency's ledger, as far as the agency has shown it.
    shown_at: u64,
    /// Where its parents begin. They end where those of the next entry begin.
    parents: u32,
    /// The first entry of its complaint.
    root: u32,
    /// The newest claim.
    claim: u32,
    /// [`Kind::to_bits`].
    kind: u8,
}

/// The properties of an entry that an audit needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whether it belongs to a complaint.
    pub(super) is_of_complaint: bool,
    /// Whether the audited agency wrote it, under a key that is not revoked.
    pub(super) is_authored: bool,
    /// Whether it was signed under a revoked key, so that it proves nothing.
    pub(super) is_disputed: bool,
    /// Whether the auditing node sends it to the agency itself.
    pub(super) is_sent: bool,
    /// Whether an earlier audit has looked at it. It is here because a new entry descends from it.
    pub(super) is_past: bool,
}

impl Kind {
    fn to_bits(self) -> u8 {
        let Self { is_of_complaint, is_authored, is_disputed, is_sent, is_past } = self;
        let bits = [is_of_complaint, is_authored, is_disputed, is_sent, is_past];
        bits.into_iter().rev().fold(0, |bits, bit| bits << 1 | u8::from(bit))
    }

    fn of_bits(bits: u8) -> Self {
        let has = |bit: u8| bits >> bit & 1 == 1;
        Self { is_of_complaint: has(0), is_authored: has(1), is_disputed: has(2), is_sent: has(3), is_past: has(4) }
    }
}

/// A leaf that the agency named for an entry in a receipt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The epoch of the agency's ledger.
    pub(super) epoch: Epoch,
    /// The leaf.
    pub(super) index: LedgerIndex,
    /// The first receipt that names it.
    pub(super) receipt: ReceiptRef,
    /// The claim before, about the same entry.
    older: u32,
}

impl OwnEntries {
    /// Makes room for this many more entries.
    pub(super) fn reserve(&mut self, entries: usize) {
        self.rows.reserve_exact(entries);
        self.parents.reserve_exact(entries);
        let Self { table, rows, .. } = self;
        table.reserve(entries, |number| rows[*number as usize].hash);
    }

    /// Adds an entry, which is the leaf `leaf` of the own ledger. The same entry again is not added, but is no longer one of the past.
    pub(super) fn add(&mut self, entry: &Entry, leaf: LedgerIndex, kind: Kind) -> Number {
        if let Some(number) = self.number(&entry.id) {
            let row = &mut self.rows[number.0 as usize];
            if !kind.is_past {
                row.kind = kind.to_bits();
            }
            return number;
        }
        let number = u32::try_from(self.rows.len()).expect("the entries of a ledger that fit into memory");
        let first_parent = u32::try_from(self.parents.len()).expect("32 parents of each entry at most");
        let mut root = NONE;
        for parent in &entry.parents {
            let parent = self.number(parent).map_or(NONE, |parent| parent.0);
            if root == NONE && parent != NONE {
                root = self.rows[parent as usize].root;
            }
            self.parents.push(parent);
        }
        let root = if root == NONE { number } else { root };
        if self.rows.is_empty() || self.leaf(Number(number - 1)).next() != leaf {
            self.leaves.push((number, leaf));
        }
        let (hash, kind) = (self.hasher.hash_one(entry.id), kind.to_bits());
        self.rows.push(Row { hash, shown_at: NO_LEAF, parents: first_parent, root, claim: NONE, kind });
        let Self { table, rows, .. } = self;
        table.insert_unique(hash, number, |number| rows[*number as usize].hash);
        Number(number)
    }

    /// The number of an entry; `None` if it is not here.
    pub(super) fn number(&self, id: &EntryId) -> Option<Number> {
        let hash = self.hasher.hash_one(id);
        self.table.find(hash, |number| self.rows[*number as usize].hash == hash).copied().map(Number)
    }

    /// Whether an entry has this id.
    pub(super) fn is(&self, number: Number, id: [u8; 32]) -> bool {
        self.row(number).hash == self.hasher.hash_one(EntryId(id))
    }

    /// The leaf of an entry in the own ledger.
    pub(super) fn leaf(&self, number: Number) -> LedgerIndex {
        let run = self.leaves.partition_point(|(first, _)| *first <= number.0).saturating_sub(1);
        let (first, leaf) = self.leaves[run];
        LedgerIndex(leaf.0 + u64::from(number.0 - first))
    }

    /// The properties of an entry.
    pub(super) fn kind(&self, number: Number) -> Kind {
        Kind::of_bits(self.row(number).kind)
    }

    /// The leaf that the agency has shown to be this entry.
    pub(super) fn shown_at(&self, number: Number) -> Option<LedgerIndex> {
        Some(self.row(number).shown_at).filter(|index| *index != NO_LEAF).map(LedgerIndex)
    }

    /// Notes that the agency has shown this leaf of this epoch to be an entry. Returns `false` if the entry is not here.
    pub(super) fn show(&mut self, id: &EntryId, epoch: Epoch, index: LedgerIndex) -> bool {
        let Some(number) = self.number(id) else { return false };
        let row = &mut self.rows[number.0 as usize];
        row.shown_at = row.shown_at.min(index.0);
        let mut next = row.claim;
        while let Some(claim) = self.claims.get(next as usize) {
            if (claim.epoch, claim.index) == (epoch, index) {
                self.is_shown[next as usize] = true;
            }
            next = claim.older;
        }
        true
    }

    /// The leaves of this epoch that the agency named for entries and has not shown to be these entries. An entry under a revoked key proves nothing, so
    /// its leaves are left out.
    pub(super) fn unshown_claims(&self, epoch: Epoch) -> impl Iterator<Item = LedgerIndex> {
        let undisputed = self.numbers().filter(|number| !self.kind(*number).is_disputed);
        let claims = undisputed.flat_map(|number| self.claim_numbers(number));
        let unshown = claims.filter(|claim| !self.is_shown[*claim as usize]).map(|claim| self.claims[claim as usize]);
        unshown.filter(move |claim| claim.epoch == epoch).map(|claim| claim.index)
    }

    /// Number of parents of an entry, those that are not here included.
    pub(super) fn parent_count(&self, number: Number) -> usize {
        self.parent_numbers(number).len()
    }

    /// The parents of an entry that are here.
    pub(super) fn parents(&self, number: Number) -> impl Iterator<Item = Number> + '_ {
        self.parent_numbers(number).iter().filter(|parent| **parent != NONE).copied().map(Number)
    }

    /// The ancestors of an entry that are here, in the order of the own ledger: parents before children.
    pub(super) fn ancestors(&self, number: Number) -> Vec<Number> {
        let mut found: Vec<Number> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut next: Vec<Number> = self.parents(number).collect();
        while let Some(ancestor) = next.pop() {
            if seen.insert(ancestor.0) {
                found.push(ancestor);
                next.extend(self.parents(ancestor));
            }
        }
        found.sort_unstable();
        found
    }

    /// The leaves that the agency named for an entry, newest first.
    pub(super) fn claims(&self, number: Number) -> impl Iterator<Item = &Claim> {
        self.claim_numbers(number).map(|claim| &self.claims[claim as usize])
    }

    fn claim_numbers(&self, number: Number) -> impl Iterator<Item = u32> + '_ {
        let is_claim = |claim: &u32| *claim != NONE;
        let newest = Some(self.row(number).claim).filter(is_claim);
        std::iter::successors(newest, move |newer| Some(self.claims[*newer as usize].older).filter(is_claim))
    }

    /// Notes that a receipt names this leaf for an entry. The first receipt that names the leaf counts.
    /// `is_shown`: an earlier audit has compared the leaf.
    pub(super) fn claim(
        &mut self,
        number: Number,
        (epoch, index): (Epoch, LedgerIndex),
        receipt: ReceiptRef,
        is_shown: bool,
    ) {
        let mut next = self.row(number).claim;
        while let Some(known) = self.claims.get(next as usize) {
            if (known.epoch, known.index) == (epoch, index) {
                self.is_shown[next as usize] &= is_shown;
                return;
            }
            next = known.older;
        }
        let row = &mut self.rows[number.0 as usize];
        let newest = u32::try_from(self.claims.len()).expect("the receipts of a ledger that fit into memory");
        self.claims.push(Claim { epoch, index, receipt, older: row.claim });
        self.is_shown.push(is_shown);
        row.claim = newest;
    }

    /// All entries, in the order of the own ledger.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Number> + use<> {
        let count = u32::try_from(self.rows.len()).expect("each entry has a number");
        (0..count).map(Number)
    }

    /// The entries of complaints, those of one complaint next to each other and in the order of the own ledger.
    pub(super) fn by_complaint(&self) -> Vec<Number> {
        let mut sorted: Vec<Number> = self.numbers().filter(|number| self.kind(*number).is_of_complaint).collect();
        sorted.sort_unstable_by_key(|number| (self.row(*number).root, *number));
        sorted
    }

    /// Whether two entries belong to the same complaint.
    pub(super) fn is_same_complaint(&self, one: Number, other: Number) -> bool {
        self.row(one).root == self.row(other).root
    }

    fn row(&self, number: Number) -> &Row {
        &self.rows[number.0 as usize]
    }

    fn parent_numbers(&self, number: Number) -> &[u32] {
        let end = self.rows.get(number.0 as usize + 1).map_or(self.parents.len(), |next| next.parents as usize);
        &self.parents[self.row(number).parents as usize..end]
    }
}
