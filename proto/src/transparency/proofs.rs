//! The answers of a node to questions about its own ledger: inclusion and consistency proofs, the hashes of leaves, and whole leaves for oversight
//! agencies.
//!
//! Must not know how a ledger is stored: [`OwnLeaves`] reads it.
//!
//! Invariants:
//! - every answer is about the newest checkpoint that the node has signed;
//! - an answer fits into a frame, and costs as many reads as its proofs have hashes;
//! - an answer holds no content. It holds whole entries for oversight agencies only, except the declaration of a later epoch.

use crate::base::ids::{AgencyId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charter;
use crate::tlog::tree::{ProofError, nodes_needed};
use crate::wire;

/// Most tree nodes in an answer. They take the room that leaf hashes and a checkpoint leave.
const NODES: usize = (limits::FRAME_BYTES - limits::PROVE_HASHES * HASH_BYTES - 128 * 1024) / NODE_BYTES;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
const _: () = assert!(limits::PROVE_HASHES * HASH_BYTES >= limits::PROVE_LEAF_BYTES, "whole leaves take no more room");
/// Most bytes of a tree node in an answer.
const NODE_BYTES: usize = 48;
/// Bytes of a whole leaf in an answer, beside those of the leaf.
const LEAF_OVERHEAD: usize = 8;

/// The node's own ledger.
pub trait OwnLeaves {
    /// The error of a ledger that cannot be read.
    type Error;

    /// The epoch of the ledger.
    fn epoch(&self) -> Epoch;

    /// The hashes of the tree nodes with these numbers, in the same order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn nodes(&self, numbers: &[u64]) -> Result<Vec<[u8; 32]>, Self::Error>;

    /// The leaf of an entry; `None` if the entry is not here. The caller has checked that both ids in the name are well-formed.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn locate(&self, name: &wire::EntryName) -> Result<Option<LedgerIndex>, Self::Error>;

    /// The hashes of `count` leaves from `first` on. The caller has checked that the ledger has them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn leaf_hashes(&self, first: LedgerIndex, count: usize) -> Result<Vec<[u8; 32]>, Self::Error>;

    /// The `SignedEntry` bytes of a leaf. The caller has checked that the ledger has it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn signed_leaf(&self, index: LedgerIndex) -> Result<Vec<u8>, Self::Error>;
}

/// The newest checkpoint that a node has signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedTree<'a> {
    /// Number of leaves.
    pub size: u64,
    /// The signed note.
    pub note: &'a [u8],
}

/// The reason why a node shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unshown<E> {
    /// The node may not sign.
    #[error("this node signs nothing now: its ledger was set back, or its peers were not heard yet")]
    Unsigned,
    /// The question has too many items.
    #[error("the question has {asked} items, at most {most}", most = limits::PROVE_ITEMS)]
    TooMany {
        /// Number of items in the question.
        asked: u64,
    },
    /// The question is for too many hashes, or for whole leaves as well.
    #[error("the question is for {asked} hashes, at most {most} and no whole leaves", most = limits::PROVE_HASHES)]
    TooManyHashes {
        /// Number of hashes in the question.
        asked: u64,
    },
    /// The answer does not fit into a frame.
    #[error("the proofs take {nodes} hashes, at most {NODES} fit: ask for fewer")]
    TooLarge {
        /// Number of hashes in the answer.
        nodes: usize,
    },
    /// The asking agency may not see whole leaves.
    #[error("only oversight agencies see whole leaves, except the declaration of a later epoch")]
    NotOversight,
    /// The name of an entry is malformed.
    #[error("the name of an entry has an id of 32 bytes, and a complaint of 32 bytes or none")]
    MalformedName,
    /// The tree has no such leaf or no such older size.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The ledger cannot be read.
    #[error("this node cannot read its own data: {0}")]
    Own(E),
}

/// Answers a question of `asker`. `signed` is the newest checkpoint; `None` if the node may not sign. `charter` is the newest charter.
///
/// # Errors
/// The reason why nothing is shown.
pub fn prove<L: OwnLeaves>(
    ledger: &L,
    signed: Option<SignedTree<'_>>,
    charter: &Charter,
    asker: &AgencyId,
    prove: &wire::Prove,
) -> Result<wire::Proof, Unshown<L::Error>> {
    let SignedTree { size, note } = signed.ok_or(Unshown::Unsigned)?;
    let asked = (prove.leaves.len() + prove.entries.len() + prove.sizes.len()) as u64;
    if asked > limits::PROVE_ITEMS as u64 {
        return Err(Unshown::TooMany { asked });
    }
    let hashes = leaf_hashes(ledger, prove, size)?;
    let leaves = match prove.whole {
        true => whole_leaves(ledger, prove, size, charter.is_oversight(asker))?,
        false => Vec::new(),
    };
    // The rest of the whole leaves does not fit, so it needs no proof either.
    let proved = if prove.whole { leaves.len() } else { prove.leaves.len() };
    let mut indexes: Vec<LedgerIndex> = prove.leaves[..proved].iter().map(|index| LedgerIndex(*index)).collect();
    let mut located = Vec::new();
    for name in &prove.entries {
        check_name(name).ok_or(Unshown::MalformedName)?;
        if let Some(index) = ledger.locate(name).map_err(Unshown::Own)?.filter(|index| index.0 < size) {
            located.push(wire::LocatedEntry { id: name.id.clone(), leaf: index.0 });
            indexes.push(index);
        }
    }
    let numbers = nodes_needed(size, &indexes, &prove.sizes)?;
    if numbers.len() > NODES {
        return Err(Unshown::TooLarge { nodes: numbers.len() });
    }
    let read = ledger.nodes(&numbers).map_err(Unshown::Own)?;
    let node = |(number, hash): (u64, [u8; 32])| wire::TreeNode { number, hash: hash.to_vec() };
    let nodes = numbers.into_iter().zip(read).map(node).collect();
    let (number, checkpoint, refusal) = (prove.number, note.to_vec(), String::new());
    Ok(wire::Proof { number, refusal, checkpoint, nodes, located, leaves, hashes })
}

fn check_name(name: &wire::EntryName) -> Option<()> {
    (name.id.len() == 32 && matches!(name.complaint.len(), 0 | 32)).then_some(())
}

/// The hashes of the question.
fn leaf_hashes<L: OwnLeaves>(ledger: &L, prove: &wire::Prove, size: u64) -> Result<Vec<u8>, Unshown<L::Error>> {
    let (first, asked) = (LedgerIndex(prove.first_hash), prove.hash_count);
    if asked == 0 {
        return Ok(Vec::new());
    }
    let count = usize::try_from(asked).ok().filter(|count| *count <= limits::PROVE_HASHES && !prove.whole);
    let count = count.ok_or(Unshown::TooManyHashes { asked })?;
    let last = first.0.saturating_add(asked - 1);
    if last >= size {
        return Err(ProofError::NoLeaf { index: LedgerIndex(last), size }.into());
    }
    Ok(ledger.leaf_hashes(first, count).map_err(Unshown::Own)?.concat())
}

/// The first of the whole leaves of the question, as many as fit.
fn whole_leaves<L: OwnLeaves>(
    ledger: &L,
    prove: &wire::Prove,
    size: u64,
    is_oversight: bool,
) -> Result<Vec<Vec<u8>>, Unshown<L::Error>> {
    // Every agency may see the declaration of a later epoch.
    let is_declaration = prove.leaves == [0] && ledger.epoch() > Epoch::FIRST;
    if !is_declaration && !is_oversight {
        return Err(Unshown::NotOversight);
    }
    let (mut leaves, mut bytes) = (Vec::new(), 0);
    for index in prove.leaves.iter().map(|index| LedgerIndex(*index)) {
        if index.0 >= size {
            return Err(ProofError::NoLeaf { index, size }.into());
        }
        let leaf = ledger.signed_leaf(index).map_err(Unshown::Own)?;
        bytes += leaf.len() + LEAF_OVERHEAD;
        if bytes > limits::PROVE_LEAF_BYTES {
            break;
        }
        leaves.push(leaf);
    }
    Ok(leaves)
}
