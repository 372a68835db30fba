//! The overlay over the view: facts of batches that are decided and not applied yet.
//!
//! The [`View`](super::View) does not show these facts yet. Because the engine keeps them here, it never waits for the commit thread.
//!
//! Invariants:
//! - a fact stays until its batch is applied;
//! - the open batch always has a layer.

use std::collections::{HashMap, VecDeque};

use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::entry::content::Content;

use super::batch::BatchNumber;
use super::record::External;

/// One layer per batch that is not applied, the oldest first. The last layer is the open batch's.
#[derive(Debug)]
pub(super) struct Pending(VecDeque<Layer>);

/// The facts of one batch. The maps are never iterated, so their order does not matter.
#[derive(Debug, Default)]
struct Layer {
    batch: BatchNumber,
    /// The first leaf of the batch.
    first: LedgerIndex,
    imported: HashMap<External, ComplaintId>,
    node_entries: HashMap<EntryId, LedgerIndex>,
    contents: HashMap<LedgerIndex, Vec<Content>>,
    epochs: HashMap<AgencyId, Epoch>,
}

impl Pending {
    pub(super) fn new(open: BatchNumber, first: LedgerIndex) -> Self {
        Self(VecDeque::from([Layer { batch: open, first, ..Layer::default() }]))
    }

    /// Adds the layer of the next open batch, whose first leaf is `first`.
    pub(super) fn open_next(&mut self, batch: BatchNumber, first: LedgerIndex) {
        match self.0.back_mut() {
            // A batch without records needs no layer.
            Some(last) if last.first == first && last.is_empty() => last.batch = batch,
            _ => self.0.push_back(Layer { batch, first, ..Layer::default() }),
        }
    }

    /// Forgets this batch and all before it: the view shows them now.
    pub(super) fn applied(&mut self, batch: BatchNumber) {
        while self.0.len() > 1 && self.0.front().is_some_and(|layer| layer.batch <= batch) {
            self.0.pop_front();
        }
    }

    /// The first leaf that the view does not show.
    pub(super) fn unapplied_from(&self) -> LedgerIndex {
        self.0.front().map(|layer| layer.first).unwrap_or_default()
    }

    /// The first leaf of the open batch.
    pub(super) fn open_from(&self) -> LedgerIndex {
        self.0.back().map(|layer| layer.first).unwrap_or_default()
    }

    pub(super) fn imported(&self, external: &External) -> Option<ComplaintId> {
        self.find(|layer| layer.imported.get(external).copied())
    }

    pub(super) fn node_entry(&self, entry: &EntryId) -> Option<LedgerIndex> {
        self.find(|layer| layer.node_entries.get(entry).copied())
    }

    pub(super) fn declared_epoch(&self, agency: &AgencyId) -> Option<Epoch> {
        self.0.iter().filter_map(|layer| layer.epochs.get(agency).copied()).max()
    }

    /// The contents of a leaf.
    pub(super) fn contents(&self, leaf: LedgerIndex) -> impl Iterator<Item = &Content> {
        self.0.iter().filter_map(move |layer| layer.contents.get(&leaf)).flatten()
    }

    pub(super) fn add_imported(&mut self, external: External, complaint: ComplaintId) {
        self.open().imported.insert(external, complaint);
    }

    pub(super) fn add_node_entry(&mut self, entry: EntryId, leaf: LedgerIndex) {
        self.open().node_entries.insert(entry, leaf);
    }

    pub(super) fn add_epoch(&mut self, agency: AgencyId, epoch: Epoch) {
        let newest = self.open().epochs.entry(agency).or_insert(epoch);
        *newest = epoch.max(*newest);
    }

    pub(super) fn add_content(&mut self, leaf: LedgerIndex, content: Content) {
        self.open().contents.entry(leaf).or_default().push(content);
    }

    fn open(&mut self) -> &mut Layer {
        self.0.back_mut().expect("a batch is always open")
    }

    fn find<T>(&self, of: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(of)
    }
}

impl Layer {
    fn is_empty(&self) -> bool {
        self.imported.is_empty() && self.node_entries.is_empty() && self.contents.is_empty() && self.epochs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external(id: &str) -> External {
        External { source: "lapor".to_owned(), id: id.to_owned() }
    }

    #[test]
    fn the_facts_of_a_batch_are_kept_until_it_is_applied() {
        let complaint = ComplaintId([1; 32]);
        let mut pending = Pending::new(BatchNumber(1), LedgerIndex(5));
        pending.add_imported(external("1"), complaint);
        pending.open_next(BatchNumber(2), LedgerIndex(7));
        pending.add_imported(external("2"), complaint);
        let known = |pending: &Pending| [external("1"), external("2")].map(|id| pending.imported(&id).is_some());
        assert_eq!(
            (known(&pending), pending.unapplied_from(), pending.open_from()),
            ([true, true], LedgerIndex(5), LedgerIndex(7))
        );
        pending.applied(BatchNumber(1));
        assert_eq!((known(&pending), pending.unapplied_from()), ([false, true], LedgerIndex(7)));
    }

    #[test]
    fn the_open_batch_is_never_forgotten() {
        let mut pending = Pending::new(BatchNumber(1), LedgerIndex(0));
        pending.add_node_entry(EntryId([1; 32]), LedgerIndex(0));
        pending.applied(BatchNumber(1));
        assert_eq!(pending.node_entry(&EntryId([1; 32])), Some(LedgerIndex(0)));
    }

    #[test]
    fn batches_without_records_add_no_layer() {
        let mut pending = Pending::new(BatchNumber(1), LedgerIndex(3));
        for number in 2..1000 {
            pending.open_next(BatchNumber(number), LedgerIndex(3));
        }
        assert_eq!(pending.0.len(), 1);
    }
}
