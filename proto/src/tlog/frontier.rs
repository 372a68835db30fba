//! The frontier of a growing Merkle tree (RFC 6962): as many hashes as it takes to add leaves and to compute the root.
//!
//! Must not know where leaves or nodes are stored.
//!
//! Invariant: the root is that of all leaves that were added, in their order.

use tlog_tiles::{EMPTY_HASH, Error as TreeError, Hash, HashReader, stored_hash_index};

/// The frontier of a tree.
#[derive(Clone, Debug)]
pub struct Frontier {
    size: u64,
    edge: Edge,
}

/// The newest complete node of each level.
#[derive(Clone, Debug)]
struct Edge([Hash; 64]);

impl Default for Frontier {
    /// The frontier of the tree without leaves.
    fn default() -> Self {
        Self { size: 0, edge: Edge([EMPTY_HASH; 64]) }
    }
}

impl Frontier {
    /// The frontier of the tree of `size` leaves. `node` reads the node with a number, as in `tlog_tiles::stored_hash_index`.
    ///
    /// # Errors
    /// When `node` fails.
    pub fn load<E>(size: u64, mut node: impl FnMut(u64) -> Result<Hash, E>) -> Result<Self, E> {
        let mut frontier = Self { size, ..Self::default() };
        for level in (0..63u8).filter(|level| size >> level & 1 == 1) {
            frontier.edge.0[usize::from(level)] = node(stored_hash_index(level, (size >> level) - 1))?;
        }
        Ok(frontier)
    }

    /// The frontier of the tree of `size` leaves with these [peaks](Self::peaks). `None` if their number is wrong.
    pub fn from_peaks(size: u64, peaks: &[[u8; 32]]) -> Option<Self> {
        let mut rest = peaks.iter();
        let frontier = Self::load(size, |_| rest.next().map(|peak| Hash(*peak)).ok_or(())).ok()?;
        rest.next().is_none().then_some(frontier)
    }

    /// The roots of the complete subtrees side by side, smallest first: all that later leaves and roots need.
    pub fn peaks(&self) -> Vec<[u8; 32]> {
        let levels = (0..63u8).filter(|level| self.size >> level & 1 == 1);
        levels.map(|level| self.edge.0[usize::from(level)].0).collect()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root hash.
    pub fn root(&self) -> Hash {
        tlog_tiles::tree_hash(self.size, &self.edge).expect("the edge answers for every index")
    }

    /// Adds the hash of a leaf. Returns the nodes that it completes, itself first, in the order in which they are stored.
    pub fn push(&mut self, leaf: Hash) -> Vec<Hash> {
        let nodes = tlog_tiles::stored_hashes_for_record_hash(self.size, leaf, &self.edge)
            .expect("the edge answers for every index");
        self.edge.0[..nodes.len()].copy_from_slice(&nodes);
        self.size += 1;
        nodes
    }
}

impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        // Adding a leaf and the root only ever need the newest complete node of a level.
        let newest = |index: &u64| self.0[usize::from(tlog_tiles::split_stored_hash_index(*index).0)];
        Ok(indexes.iter().map(newest).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct All(Vec<Hash>);

    impl HashReader for All {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
            Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).expect("small")]).collect())
        }
    }

    #[test]
    fn the_frontier_gives_the_roots_that_all_stored_hashes_give() {
        let (mut frontier, mut all) = (Frontier::default(), All(Vec::new()));
        for size in 1..=130u64 {
            all.0.extend(frontier.push(tlog_tiles::record_hash(&size.to_le_bytes())));
            assert_eq!(frontier.root(), tlog_tiles::tree_hash(size, &all).expect("a root"));
            let node = |number: u64| Ok::<_, TreeError>(all.read_hashes(&[number])?[0]);
            assert_eq!(Frontier::load(size, node).expect("a frontier").root(), frontier.root());
            let peaks = frontier.peaks();
            let mut again = Frontier::from_peaks(size, &peaks).expect("as many peaks");
            assert_eq!(again.root(), frontier.root());
            let (leaf, mut grown) = (tlog_tiles::record_hash(b"later"), frontier.clone());
            assert_eq!((again.push(leaf), again.root()), (grown.push(leaf), grown.root()));
            assert!(Frontier::from_peaks(size, &peaks[1..]).is_none());
            assert!(Frontier::from_peaks(size, &[peaks.as_slice(), &[[0; 32]]].concat()).is_none());
        }
    }
}
