//! The two index files of the ledger: `hashes` (the tree) and `positions` (of leaves and contents).
//!
//! It must not know how they are checked or rebuilt (derive.rs), nor what leaves mean.
//!
//! ```text
//! hashes     32 bytes a node in tlog stored-hash order: leaf 0, leaf 1, node(0,1), leaf 2, leaf 3, node(2,3), node(0..3), …
//! positions  24 bytes a leaf: u64 position of its record, u64 position of the newest content of its entry (0: none), u64 position of this node's
//!            signature over it (0: none, its envelope is in its record)
//! ```
//!
//! Invariants:
//! - both follow from the segments; neither is synced with a group, so after a power failure anything may be in them above the
//!   first leaf of the newest segment;
//! - memory holds the right edge of the tree and one batch, never a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::tlog::frontier::Frontier;
use tlog_tiles::{HASH_SIZE, Hash};

use super::{Fatal, Position, ReadError};

/// Bytes a leaf in `positions`.
pub(super) const PLACE_BYTES: u64 = 24;
const HASH_BYTES: u64 = HASH_SIZE as u64;

/// The two files, open.
pub(super) struct Derived {
    pub(super) hashes: File,
    pub(super) hashes_path: PathBuf,
    pub(super) positions: File,
    pub(super) positions_path: PathBuf,
}

/// The positions of a leaf's record, of the newest content of its entry, and of this node's signature over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) leaf: Option<Position>,
    pub(super) content: Option<Position>,
    pub(super) signature: Option<Position>,
}

impl Derived {
    /// Opens both, empty ones if they are missing.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let open = |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let (hashes_path, positions_path) = (dir.join("hashes"), dir.join("positions"));
        let (hashes, positions) = (open(&hashes_path)?, open(&positions_path)?);
        Ok(Self { hashes, hashes_path, positions, positions_path })
    }

    /// Lengths of `hashes` and `positions` in bytes.
    pub(super) fn lengths(&self) -> Result<(u64, u64), ReadError> {
        let length = |file: &File, path: &Path| {
            let failed = |source| ReadError::Io { path: path.into(), offset: 0, source };
            file.metadata().map(|metadata| metadata.len()).map_err(failed)
        };
        Ok((length(&self.hashes, &self.hashes_path)?, length(&self.positions, &self.positions_path)?))
    }

    /// The node of the tree with this stored-hash index.
    pub(super) fn hash(&self, index: u64) -> Result<Hash, ReadError> {
        let (offset, mut hash) = (index * HASH_BYTES, [0; HASH_SIZE]);
        let failed = |source| ReadError::Io { path: self.hashes_path.clone(), offset, source };
        self.hashes.read_exact_at(&mut hash, offset).map_err(failed)?;
        Ok(Hash(hash))
    }

    /// The hashes of leaves that follow each other, with one read: between them lie few other nodes of the tree.
    pub(super) fn leaf_hashes(&self, leaves: Range<u64>) -> Result<Vec<Hash>, ReadError> {
        let Some(last) = leaves.end.checked_sub(1).filter(|_| !leaves.is_empty()) else { return Ok(Vec::new()) };
        let node = |leaf| tlog_tiles::stored_hash_index(0, leaf);
        let first = node(leaves.start);
        let offset = first * HASH_BYTES;
        let mut bytes = vec![0; (node(last) + 1 - first) as usize * HASH_SIZE];
        let failed = |source| ReadError::Io { path: self.hashes_path.clone(), offset, source };
        self.hashes.read_exact_at(&mut bytes, offset).map_err(failed)?;
        let (nodes, _) = bytes.as_chunks::<HASH_SIZE>();
        Ok(leaves.map(|leaf| Hash(nodes[(node(leaf) - first) as usize])).collect())
    }

    /// The entry of a leaf in `positions`.
    pub(super) fn places(&self, index: LedgerIndex) -> Result<Places, ReadError> {
        let (offset, mut bytes) = (index.0 * PLACE_BYTES, [0; PLACE_BYTES as usize]);
        let failed = |source| ReadError::Io { path: self.positions_path.clone(), offset, source };
        self.positions.read_exact_at(&mut bytes, offset).map_err(failed)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let position = |number: usize| Position::from_bits(u64::from_le_bytes(numbers[number]));
        Ok(Places { leaf: position(0), content: position(1), signature: position(2) })
    }

    /// Cuts both to this many leaves.
    pub(super) fn truncate(&self, leaves: u64) -> Result<(), Fatal> {
        let cut = |file: &File, path: &Path, offset| {
            let failed = |source| Fatal::Io { action: "cut", path: path.into(), offset, source };
            file.set_len(offset).map_err(failed)
        };
        cut(&self.hashes, &self.hashes_path, tlog_tiles::stored_hash_count(leaves) * HASH_BYTES)?;
        cut(&self.positions, &self.positions_path, leaves * PLACE_BYTES)
    }

    /// Makes both durable.
    pub(super) fn sync(&self) -> Result<(), Fatal> {
        let sync = |file: &File, path: &Path| {
            let failed = |source| Fatal::Io { action: "sync", path: path.into(), offset: 0, source };
            file.sync_data().map_err(failed)
        };
        sync(&self.hashes, &self.hashes_path)?;
        sync(&self.positions, &self.positions_path)
    }

    fn write(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<(), Fatal> {
        let failed = |source| Fatal::Io { action: "write", path: path.into(), offset, source };
        file.write_all_at(bytes, offset).map_err(failed)
    }
}

/// Bytes that `hashes` has for this many leaves.
pub(super) fn hashes_length(leaves: u64) -> u64 {
    tlog_tiles::stored_hash_count(leaves) * HASH_BYTES
}

/// What a group, or a stretch of the ledger, adds to the derived files.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Hash and position of each leaf, in order.
    pub(super) leaves: Vec<(Hash, Position)>,
    /// Leaf index and position of each content, in order.
    pub(super) contents: Vec<(u64, Position)>,
    /// Each leaf that this node signed, with the position of the signature.
    pub(super) signatures: Vec<(u64, Position)>,
}

impl Derived {
    /// The frontier of the first `size` leaves, from `hashes`.
    pub(super) fn frontier(&self, size: u64) -> Result<Frontier, ReadError> {
        Frontier::load(size, |node| self.hash(node))
    }

    /// Adds a batch to the tree and to both files: one write each, and one for each content of an older leaf.
    pub(super) fn extend(&self, tree: &mut Frontier, batch: &Batch) -> Result<(), Fatal> {
        let first = tree.size();
        let mut hashes = Vec::with_capacity(batch.leaves.len() * 2 * HASH_SIZE);
        let mut places = Vec::with_capacity(batch.leaves.len() * PLACE_BYTES as usize);
        for (hash, position) in &batch.leaves {
            for node in tree.push(*hash) {
                hashes.extend(node.0);
            }
            places.extend(position.to_bits().to_le_bytes());
            places.extend([0; 16]);
        }
        let mut older = Vec::new();
        let contents = batch.contents.iter().map(|(index, position)| (index, 8, position));
        let signatures = batch.signatures.iter().map(|(index, position)| (index, 16, position));
        for (index, within, position) in contents.chain(signatures) {
            match index.checked_sub(first) {
                None => older.push((index * PLACE_BYTES + within, position.to_bits())),
                Some(nth) => {
                    let at = (nth * PLACE_BYTES + within) as usize;
                    places[at..at + 8].copy_from_slice(&position.to_bits().to_le_bytes());
                }
            }
        }
        Self::write(&self.hashes, &self.hashes_path, &hashes, hashes_length(first))?;
        Self::write(&self.positions, &self.positions_path, &places, first * PLACE_BYTES)?;
        for (offset, position) in older {
            Self::write(&self.positions, &self.positions_path, &position.to_le_bytes(), offset)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tlog_tiles::{Error as TreeError, HashReader};

    use super::*;

    fn leaf(number: u64) -> Hash {
        tlog_tiles::record_hash(&number.to_le_bytes())
    }

    #[test]
    fn the_edge_gives_the_roots_that_all_stored_hashes_give() {
        let dir = tempfile::tempdir().expect("a directory");
        let derived = Derived::open(dir.path()).expect("files");
        struct File<'a>(&'a Derived);
        impl HashReader for File<'_> {
            fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
                indexes.iter().map(|index| self.0.hash(*index).map_err(|_| TreeError::IndexesNotInTree)).collect()
            }
        }
        let mut tree = derived.frontier(0).expect("an empty tree");
        for size in 1..=130 {
            let position = Position { segment: 1, offset: size as u32 };
            derived
                .extend(&mut tree, &Batch { leaves: vec![(leaf(size), position)], ..Batch::default() })
                .expect("a write");
            assert_eq!(tree.root(), tlog_tiles::tree_hash(size, &File(&derived)).expect("a root"));
            assert_eq!(derived.frontier(size).expect("a tree").root(), tree.root());
        }
        assert_eq!(derived.lengths().expect("lengths"), (hashes_length(130), 130 * PLACE_BYTES));
    }

    #[test]
    fn contents_and_signatures_are_noted_at_their_leaves_in_the_batch_or_before_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let derived = Derived::open(dir.path()).expect("files");
        let mut tree = derived.frontier(0).expect("an empty tree");
        let at = |offset| Position { segment: 3, offset };
        let first = Batch {
            leaves: vec![(leaf(0), at(80)), (leaf(1), at(100))],
            contents: vec![(1, at(120))],
            signatures: vec![(1, at(130))],
        };
        derived.extend(&mut tree, &first).expect("a write");
        let second = Batch {
            leaves: vec![(leaf(2), at(140))],
            contents: vec![(0, at(160)), (2, at(180)), (0, at(200))],
            signatures: vec![(0, at(220)), (2, at(220))],
        };
        derived.extend(&mut tree, &second).expect("a write");
        for (index, leaf, content, signature) in [(0, 80, 200, 220), (1, 100, 120, 130), (2, 140, 180, 220)] {
            let expected = Places { leaf: Some(at(leaf)), content: Some(at(content)), signature: Some(at(signature)) };
            assert_eq!(derived.places(LedgerIndex(index)).expect("places"), expected);
        }
    }
}
