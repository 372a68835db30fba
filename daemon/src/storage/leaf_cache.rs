//! The newest own leaves in memory, as links send them: what was just written need not be read back, checked and parsed for them.
//!
//! Must not know links or frames. It holds nothing that the ledger does not hold: without it everything is the same, only slower.
//!
//! Invariants:
//! - what is here is durable: a group is put in when it is committed;
//! - leaves follow each other without a gap; what cannot follow on the newest leaf begins anew;
//! - contents are those that came with their leaf: when others come later, or any is erased, nothing from before is given out.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::base::limits;
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::outbox::{CachedLeaf, OwnLeaf};

/// Leaves that are kept: some windows of a link.
const LEAVES: usize = 4096;
/// What the kept ones may take together, in bytes.
const BYTES: usize = 8 * 1024 * 1024;

/// The newest leaves. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<RwLock<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    first: u64,
    /// `None`: it must be read.
    leaves: VecDeque<Option<CachedLeaf>>,
    bytes: usize,
    /// How many contents had been erased when the ring began.
    erasures: u64,
}

impl Recent {
    /// Takes the leaves of a group that is durable (`None`: it must be read); `first` is the index of the first of them.
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

    /// Forgets everything.
    pub fn clear(&self) {
        *self.0.write() = Ring::default();
    }

    /// The leaves from `from` on that need not be read, up to `end`, and no more than fill a frame. `erasures` is how many contents have been
    /// erased until now.
    pub fn run(&self, from: LedgerIndex, end: LedgerIndex, erasures: u64) -> Vec<CachedLeaf> {
        let ring = self.ring();
        let Some(start) = ring.position(from, erasures) else { return Vec::new() };
        let most = end.0.saturating_sub(from.0).min(limits::FRAME_ITEMS as u64) as usize;
        ring.leaves.iter().skip(start).take(most).map_while(Clone::clone).collect()
    }

    /// One leaf, if all of it is here.
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

/// About what a leaf takes in memory.
fn weight(leaf: Option<&CachedLeaf>) -> usize {
    let Some(CachedLeaf::Own(leaf)) = leaf else { return size_of::<CachedLeaf>() };
    let contents: usize = leaf.contents.iter().map(|content| size_of::<Content>() + content.data.len()).sum();
    size_of::<OwnLeaf>() + 2 * leaf.entry.signed.len() + contents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere(count: usize) -> Vec<Option<CachedLeaf>> {
        vec![Some(CachedLeaf::NotRouted); count]
    }

    fn length(recent: &Recent, from: u64, end: u64) -> usize {
        recent.run(LedgerIndex(from), LedgerIndex(end), 0).len()
    }

    #[test]
    fn leaves_are_known_from_any_of_them_on_until_one_that_must_be_read() {
        let recent = Recent::default();
        recent.publish(LedgerIndex(10), nowhere(3), 0);
        recent.publish(LedgerIndex(13), vec![None, Some(CachedLeaf::NotRouted)], 0);
        assert_eq!([10, 12, 13, 14, 15, 9].map(|from| length(&recent, from, 15)), [3, 1, 0, 1, 0, 0]);
        assert_eq!(length(&recent, 10, 12), 2, "no further than was asked for");
    }

    #[test]
    fn a_gap_or_an_erasure_makes_everything_before_it_unknown() {
        let recent = Recent::default();
        recent.publish(LedgerIndex(0), nowhere(3), 0);
        recent.publish(LedgerIndex(4), nowhere(2), 0);
        assert_eq!([0, 4].map(|from| length(&recent, from, 9)), [0, 2]);
        assert_eq!(recent.run(LedgerIndex(4), LedgerIndex(9), 1).len(), 0, "one was erased");
        recent.publish(LedgerIndex(6), nowhere(1), 1);
        assert_eq!([4, 6].map(|from| recent.run(LedgerIndex(from), LedgerIndex(9), 1).len()), [0, 1]);
        recent.clear();
        assert_eq!(recent.run(LedgerIndex(6), LedgerIndex(9), 1).len(), 0);
    }

    #[test]
    fn only_so_many_leaves_are_kept() {
        let recent = Recent::default();
        recent.publish(LedgerIndex(0), nowhere(LEAVES), 0);
        recent.publish(LedgerIndex(LEAVES as u64), nowhere(2), 0);
        assert_eq!([0, 1, 2].map(|from| length(&recent, from, 9)), [0, 0, 7]);
    }
}
