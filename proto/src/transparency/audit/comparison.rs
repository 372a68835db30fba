//! The comparison of the agency's tree with the holdings, one range of leaf hashes after the other.
//!
//! ```text
//! range of hashes -> do they give the root that the agency proved for the end of the range?
//!                      no   the answer proves nothing
//!                      yes  each hash of an entry that is here: note its leaf; otherwise the leaf is lacking
//!                           each older checkpoint within the range: is its root that of the agency's leaves?
//!                           each entry that the agency wrote: is it in its place?
//! ```
//!
//! Must not know how hashes travel, nor which difference is suspicious.
//!
//! Invariant: memory is bounded by the holdings and one range, whatever the agency shows.

use tlog_tiles::Hash;

use super::answer::NoProof;
use super::holdings::Holdings;
use crate::base::ids::{EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::entry::Place;
use crate::tlog::frontier::Frontier;

/// The ranges so far.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    frontier: Frontier,
    /// Number of leaves that an earlier audit has compared.
    begin: u64,
    /// The size from which the next audit goes on, and the frontier there as soon as it is reached.
    next_begin: (u64, Option<Frontier>),
    /// The sizes of older checkpoints whose root is not that of the agency's leaves, ascending.
    pub(super) other_roots: Vec<u64>,
    /// The leaves that are other entries than those with which the agency claims these places, ascending.
    pub(super) displaced: Vec<u64>,
    /// Number of the agency's own entries of the holdings that were looked at.
    authored: usize,
}

impl Comparison {
    /// The comparison of the leaves after this frontier. The next audit will go on from `next_begin`.
    pub(super) fn after(frontier: Frontier, next_begin: u64) -> Self {
        let reached = (frontier.size() == next_begin).then(|| frontier.clone());
        Self { begin: frontier.size(), frontier, next_begin: (next_begin, reached), ..Self::default() }
    }

    /// The frontier from which the next audit goes on; `None` if this audit did not reach it.
    pub(super) fn next_begin(&self) -> Option<&Frontier> {
        self.next_begin.1.as_ref()
    }

    /// Number of leaves that this audit has compared.
    pub(super) fn compared_now(&self) -> u64 {
        self.frontier.size() - self.begin
    }

    /// The root of the leaves that were compared.
    pub(super) fn root(&self) -> [u8; 32] {
        self.frontier.root().0
    }

    /// Number of leaves that were compared, by this audit or an earlier one.
    pub(super) fn compared(&self) -> u64 {
        self.frontier.size()
    }

    /// The number of leaves after the next range, in a ledger of `size` leaves.
    pub(super) fn end_of_next(&self, size: u64) -> u64 {
        self.compared().saturating_add(limits::PROVE_HASHES as u64).min(size)
    }

    /// Takes the hashes of the next leaves, up to the leaf `end`. `root` is the root of the leaves before `end`, as the agency has proved it. Returns
    /// the leaves whose entries are not in the holdings.
    ///
    /// # Errors
    /// When these are not the hashes of the agency's tree. Then nothing has changed.
    pub(super) fn take(
        &mut self,
        hashes: &[u8],
        end: u64,
        root: Option<[u8; 32]>,
        epoch: Epoch,
        holdings: &mut Holdings,
    ) -> Result<Vec<u64>, NoProof> {
        let first = self.compared();
        let (asked, found) = ((end - first) * 32, hashes.len() as u64);
        if asked != found {
            return Err(NoProof::Hashes { asked, found });
        }
        let (hashes, _) = hashes.as_chunks::<32>();
        let mut frontier = self.frontier.clone();
        let mut checkpoints = holdings.checkpoints.between(epoch, first, end).iter().peekable();
        let (mut other_roots, mut next_begin) = (Vec::new(), None);
        for hash in hashes {
            frontier.push(Hash(*hash));
            if frontier.size() == self.next_begin.0 {
                next_begin = Some(frontier.clone());
            }
            while let Some(known) = checkpoints.next_if(|known| known.checkpoint.size == frontier.size()) {
                if known.checkpoint.root != frontier.root().0 {
                    other_roots.push(known.checkpoint.size);
                }
            }
        }
        if Some(frontier.root().0) != root {
            return Err(NoProof::OtherHashes { end });
        }
        self.frontier = frontier;
        self.next_begin.1 = self.next_begin.1.take().or(next_begin);
        self.other_roots.extend(other_roots);
        self.compare_places(hashes, first, epoch, holdings);
        let is_lacking =
            |(index, hash): &(u64, &[u8; 32])| !holdings.entries.show(&EntryId(**hash), epoch, LedgerIndex(*index));
        Ok((first..).zip(hashes).filter(is_lacking).map(|(index, _)| index).collect())
    }

    fn compare_places(&mut self, hashes: &[[u8; 32]], first: u64, epoch: Epoch, holdings: &Holdings) {
        let begin = Place { epoch, index: LedgerIndex(first) };
        while let Some(authored) = holdings.authored.get(self.authored) {
            let Place { epoch: of, index } = authored.place;
            let at = index.0.checked_sub(first).filter(|_| of == epoch).and_then(|at| usize::try_from(at).ok());
            let within = at.and_then(|at| hashes.get(at));
            if authored.place >= begin && (of != epoch || within.is_none()) {
                return;
            }
            if within.is_some_and(|hash| !holdings.entries.is(authored.number, *hash)) {
                self.displaced.push(index.0);
            }
            self.authored += 1;
        }
    }
}
