//! A cache of the newest leaves of the own ledger, so that links need not read back, check and parse leaves that were just written.
//!
//! Must not know links or frames. The ledger holds everything that is here: without the cache the links send the same, only slower.
//!
//! Invariants:
//! - every leaf here is durable: a group is published after its commit;
//! - the leaves follow each other without a gap. A group that does not follow the newest leaf replaces all of them;
//! - a cached leaf has the contents that came with it. When a content comes later, or one is erased, all older leaves are dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::base::limits;
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::outbox::{CachedLeaf, OwnLeaf};

/// Largest number of cached leaves: several windows of a link.
const LEAVES: usize = 4096;
/// Largest size of all cached leaves together, in bytes.
const BYTES: usize = 8 * 1024 * 1024;

/// The newest leaves. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LeafCache(Arc<RwLock<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    /// Index of the first leaf.
    first: u64,
    /// A leaf that is `None` must be read from the ledger.
    leaves: VecDeque<Option<CachedLeaf>>,
    bytes: usize,
    /// The ledger's count of erased contents when the ring began.
    erasures: u64,
}

impl LeafCache {
    /// Adds the leaves of a durable group. A leaf that is `None` must be read from the ledger. `first` is the index of the first leaf,
    /// `erasures` the ledger's count of erased contents.
    pub fn publish(&self, first: LedgerIndex, leaves: Vec<Option<CachedLeaf>>, erasures: u64) {
        let mut ring = self.0.write();
        if first.0 != ring.end() || erasures != ring.erasures {
            *ring = Ring { first: first.0, erasures, ..Ring::default() };
        }
        for leaf in leaves {
            ring.bytes += weight(leaf.as_ref());
            ring.leaves.push_back(leaf);
        }
        while (ring.leaves.len() > LEAVES || ring.bytes > BYTES)
            && let Some(oldest) = ring.leaves.pop_front()
        {
            ring.bytes -= weight(oldest.as_ref());
            ring.first += 1;
        }
    }

    /// Drops all leaves.
    pub fn clear(&self) {
        *self.0.write() = Ring::default();
    }

    /// The cached leaves from `from` up to `end`, at most the number that fits a frame. They end before the first leaf that must be read.
    /// Empty if `erasures`, the ledger's present count of erased contents, differs from the one at publication.
    pub fn run(&self, from: LedgerIndex, end: LedgerIndex, erasures: u64) -> Vec<CachedLeaf> {
        let ring = self.ring();
        let Some(start) = ring.position(from, erasures) else { return Vec::new() };
        let most = end.0.saturating_sub(from.0).min(limits::FRAME_ITEMS as u64) as usize;
        ring.leaves.iter().skip(start).take(most).map_while(Clone::clone).collect()
    }

    /// One leaf of this agency; `None` if it must be read from the ledger.
    pub fn leaf(&self, index: LedgerIndex, erasures: u64) -> Option<Arc<OwnLeaf>> {
        let ring = self.ring();
        match ring.leaves.get(ring.position(index, erasures)?) {
            Some(Some(CachedLeaf::Own(leaf))) => Some(Arc::clone(leaf)),
            _ => None,
        }
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.0.read()
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.leaves.len() as u64
    }

    fn position(&self, index: LedgerIndex, erasures: u64) -> Option<usize> {
        let position = index.0.checked_sub(self.first).filter(|_| self.erasures == erasures)?;
        usize::try_from(position).ok()
    }
}

/// About how many bytes of memory a leaf takes.
fn weight(leaf: Option<&CachedLeaf>) -> usize {
    let Some(CachedLeaf::Own(leaf)) = leaf else { return size_of::<CachedLeaf>() };
    let contents: usize = leaf.contents.iter().map(|content| size_of::<Content>() + content.data.len()).sum();
    size_of::<OwnLeaf>() + 2 * leaf.entry.bytes.len() + contents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere(count: usize) -> Vec<Option<CachedLeaf>> {
        vec![Some(CachedLeaf::NotRouted); count]
    }

    fn length(leaf_cache: &LeafCache, from: u64, end: u64) -> usize {
        leaf_cache.run(LedgerIndex(from), LedgerIndex(end), 0).len()
    }

    #[test]
    fn leaves_are_given_from_any_index_up_to_one_that_must_be_read() {
        let leaf_cache = LeafCache::default();
        leaf_cache.publish(LedgerIndex(10), nowhere(3), 0);
        leaf_cache.publish(LedgerIndex(13), vec![None, Some(CachedLeaf::NotRouted)], 0);
        assert_eq!([10, 12, 13, 14, 15, 9].map(|from| length(&leaf_cache, from, 15)), [3, 1, 0, 1, 0, 0]);
        assert_eq!(length(&leaf_cache, 10, 12), 2, "no further than was asked for");
    }

    #[test]
    fn a_gap_or_an_erasure_drops_all_leaves_before_it() {
        let leaf_cache = LeafCache::default();
        leaf_cache.publish(LedgerIndex(0), nowhere(3), 0);
        leaf_cache.publish(LedgerIndex(4), nowhere(2), 0);
        assert_eq!([0, 4].map(|from| length(&leaf_cache, from, 9)), [0, 2]);
        assert_eq!(leaf_cache.run(LedgerIndex(4), LedgerIndex(9), 1).len(), 0, "one was erased");
        leaf_cache.publish(LedgerIndex(6), nowhere(1), 1);
        assert_eq!([4, 6].map(|from| leaf_cache.run(LedgerIndex(from), LedgerIndex(9), 1).len()), [0, 1]);
        leaf_cache.clear();
        assert_eq!(leaf_cache.run(LedgerIndex(6), LedgerIndex(9), 1).len(), 0);
    }

    #[test]
    fn the_oldest_leaves_are_dropped_when_the_cache_is_full() {
        let leaf_cache = LeafCache::default();
        leaf_cache.publish(LedgerIndex(0), nowhere(LEAVES), 0);
        leaf_cache.publish(LedgerIndex(LEAVES as u64), nowhere(2), 0);
        assert_eq!([0, 1, 2].map(|from| length(&leaf_cache, from, 9)), [0, 0, 7]);
    }
}
