//! Proofs about another agency's Merkle tree (RFC 6962), made from the tree nodes that it showed.
//!
//! Must not know who showed the nodes, and does not trust them: every proof is checked against a signed root.
//!
//! Invariant: a leaf or an older root that checks under a root is in the ledger of that root's signer, no matter who showed the nodes.
//!
//! Source: RFC 6962, section 2.1 (audit paths and consistency proofs). The proof itself is `tlog_tiles`' work.

use std::collections::BTreeMap;

use tlog_tiles::{Error as TreeError, Hash, HashReader};

use crate::base::ids::LedgerIndex;
use crate::wire;

/// The reason why a proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf.
    #[error("the tree has {size} leaves, none with index {index}")]
    NoLeaf {
        /// The index of the leaf.
        index: LedgerIndex,
        /// Number of leaves of the tree.
        size: u64,
    },
    /// The older tree has more leaves than the newer one.
    #[error("a tree of {older} leaves is not the beginning of one of {newer}")]
    NotSmaller {
        /// Number of leaves of the older tree.
        older: u64,
        /// Number of leaves of the newer tree.
        newer: u64,
    },
    /// Nodes are missing, or do not lead to the root.
    #[error("the proof does not lead to the root of {size} leaves: {problem}")]
    Fails {
        /// Number of leaves of the tree.
        size: u64,
        /// The message of `tlog_tiles`.
        problem: String,
    },
    /// A hash does not have 32 bytes. The value is its length.
    #[error("a hash of {0} bytes, must be 32")]
    HashLength(usize),
}

/// A leaf with its audit path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The index of the leaf.
    pub index: LedgerIndex,
    /// The RFC 6962 hash of the leaf.
    pub leaf_hash: [u8; 32],
    /// The audit path, from the leaf's sibling up to the root's child.
    pub path: Vec<[u8; 32]>,
}

/// Some nodes of a tree, by their number. A number is the index of the node's hash in the order of `tlog_tiles::stored_hash_index`.
#[derive(Clone, Debug)]
pub struct TreeNodes {
    size: u64,
    nodes: BTreeMap<u64, Hash>,
}

impl TreeNodes {
    /// The nodes of a tree with `size` leaves that a `Proof` shows.
    ///
    /// # Errors
    /// When a hash does not have 32 bytes.
    pub fn from_wire(size: u64, nodes: &[wire::TreeNode]) -> Result<Self, ProofError> {
        let node = |node: &wire::TreeNode| Ok((node.number, Hash(parse_hash(&node.hash)?)));
        Ok(Self { size, nodes: nodes.iter().map(node).collect::<Result<_, ProofError>>()? })
    }

    /// Drops all nodes but those that prove these leaves.
    ///
    /// # Errors
    /// When the tree has no such leaf.
    pub fn restricted_to(mut self, leaves: &[LedgerIndex]) -> Result<Self, ProofError> {
        let needed = nodes_needed(self.size, leaves, &[])?;
        self.nodes.retain(|number, _| needed.binary_search(number).is_ok());
        Ok(self)
    }

    /// The hash of a leaf, if it is among the nodes. It is not proven.
    pub fn leaf(&self, index: LedgerIndex) -> Option<[u8; 32]> {
        self.nodes.get(&tlog_tiles::stored_hash_index(0, index.0)).map(|hash| hash.0)
    }

    /// The hash of the leaf `index`, with the proof that it is in the tree with this root.
    ///
    /// # Errors
    /// When the nodes do not prove it.
    pub fn inclusion(&self, index: LedgerIndex, root: [u8; 32]) -> Result<Inclusion, ProofError> {
        if index.0 >= self.size {
            return Err(ProofError::NoLeaf { index, size: self.size });
        }
        let own = self.read_hashes(&[tlog_tiles::stored_hash_index(0, index.0)]).map_err(|error| self.fails(&error))?;
        let path = tlog_tiles::prove_record(self.size, index.0, self).map_err(|error| self.fails(&error))?;
        let path = path.iter().map(|hash| hash.0).collect();
        let inclusion = Inclusion { index, leaf_hash: own[0].0, path };
        inclusion.check(self.size, root)?;
        Ok(inclusion)
    }

    /// The root of the tree's first `older` leaves, and the RFC 6962 consistency proof of it under this root.
    ///
    /// # Errors
    /// When the nodes do not prove it.
    pub fn consistency(&self, older: u64, root: [u8; 32]) -> Result<([u8; 32], Vec<[u8; 32]>), ProofError> {
        if older > self.size {
            return Err(ProofError::NotSmaller { older, newer: self.size });
        }
        if older == self.size {
            return Ok((root, Vec::new()));
        }
        let prefix = tlog_tiles::tree_hash(older, self).map_err(|error| self.fails(&error))?;
        if older == 0 {
            return Ok((prefix.0, Vec::new()));
        }
        let proof = tlog_tiles::prove_tree(self.size, older, self).map_err(|error| self.fails(&error))?;
        let proof: Vec<[u8; 32]> = proof.iter().map(|hash| hash.0).collect();
        check_consistency(older, prefix.0, self.size, root, &proof)?;
        Ok((prefix.0, proof))
    }

    fn fails(&self, error: &TreeError) -> ProofError {
        ProofError::Fails { size: self.size, problem: error.to_string() }
    }
}

impl Inclusion {
    /// Checks that the leaf is in the tree of `size` leaves with this root.
    ///
    /// # Errors
    /// When the path does not prove it.
    pub fn check(&self, size: u64, root: [u8; 32]) -> Result<(), ProofError> {
        if self.index.0 >= size {
            return Err(ProofError::NoLeaf { index: self.index, size });
        }
        let path: Vec<Hash> = self.path.iter().map(|hash| Hash(*hash)).collect();
        tlog_tiles::check_record(&path, size, Hash(root), self.index.0, Hash(self.leaf_hash))
            .map_err(|error| ProofError::Fails { size, problem: error.to_string() })
    }
}

/// Checks that the tree of `older` leaves with root `prefix` is the beginning of the tree of `newer` leaves with this root.
///
/// # Errors
/// When the consistency proof does not prove it.
pub fn check_consistency(
    older: u64,
    prefix: [u8; 32],
    newer: u64,
    root: [u8; 32],
    proof: &[[u8; 32]],
) -> Result<(), ProofError> {
    if older > newer {
        return Err(ProofError::NotSmaller { older, newer });
    }
    let fails = |problem: String| ProofError::Fails { size: newer, problem };
    // `tlog_tiles` has no proof for these two cases: every tree begins with the empty tree, and with itself.
    if older == 0 || older == newer {
        let expected = if older == 0 { tlog_tiles::EMPTY_HASH.0 } else { root };
        return if prefix == expected && proof.is_empty() { Ok(()) } else { Err(fails("another root".to_owned())) };
    }
    let proof: Vec<Hash> = proof.iter().map(|hash| Hash(*hash)).collect();
    tlog_tiles::check_tree(&proof, newer, Hash(root), older, Hash(prefix)).map_err(|error| fails(error.to_string()))
}

/// Parses a hash.
///
/// # Errors
/// When there are not 32 bytes.
pub fn parse_hash(bytes: &[u8]) -> Result<[u8; 32], ProofError> {
    bytes.try_into().map_err(|_| ProofError::HashLength(bytes.len()))
}

/// The RFC 6962 hash of a leaf: SHA-256(0x00 || leaf).
pub fn leaf_hash(signed: &[u8]) -> [u8; 32] {
    tlog_tiles::record_hash(signed).0
}

/// The RFC 6962 root of the tree over these leaves.
pub fn root_of<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let whole = "a whole tree has every node";
    let mut tree = TreeNodes { size: 0, nodes: BTreeMap::new() };
    for leaf in leaves {
        let hashes = tlog_tiles::stored_hashes(tree.size, leaf, &tree).expect(whole);
        let first = tree.nodes.len() as u64;
        tree.nodes.extend((first..).zip(hashes));
        tree.size += 1;
    }
    tlog_tiles::tree_hash(tree.size, &tree).expect(whole).0
}

/// The numbers of the nodes that [`TreeNodes`] needs to prove, in a tree of `size` leaves, these leaves and the consistency with the
/// trees of these older sizes.
///
/// # Errors
/// When the tree has no such leaf, or is smaller than one of the sizes.
pub fn nodes_needed(size: u64, leaves: &[LedgerIndex], sizes: &[u64]) -> Result<Vec<u64>, ProofError> {
    let asked = Asked::default();
    let fails = |error: TreeError| ProofError::Fails { size, problem: error.to_string() };
    for &index in leaves {
        if index.0 >= size {
            return Err(ProofError::NoLeaf { index, size });
        }
        asked.read_hashes(&[tlog_tiles::stored_hash_index(0, index.0)]).map_err(fails)?;
        tlog_tiles::prove_record(size, index.0, &asked).map_err(fails)?;
    }
    for &older in sizes.iter().filter(|older| **older > 0) {
        if older > size {
            return Err(ProofError::NotSmaller { older, newer: size });
        }
        tlog_tiles::tree_hash(older, &asked).map_err(fails)?;
        if older < size {
            tlog_tiles::prove_tree(size, older, &asked).map_err(fails)?;
        }
    }
    Ok(asked.0.into_inner().into_iter().collect())
}

/// A hash reader that records the numbers of the nodes that a proof reads.
#[derive(Default)]
struct Asked(std::cell::RefCell<std::collections::BTreeSet<u64>>);

impl HashReader for Asked {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<Hash>, TreeError> {
        self.0.borrow_mut().extend(numbers);
        Ok(vec![Hash([0; 32]); numbers.len()])
    }
}

impl HashReader for TreeNodes {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let hash = |number: &u64| self.nodes.get(number).copied().ok_or(TreeError::IndexesNotInTree);
        numbers.iter().map(hash).collect()
    }
}

#[cfg(test)]
mod tests;
