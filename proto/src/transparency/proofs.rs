//! The answers of a node to questions about its own ledger: inclusion and consistency proofs, and whole leaves for oversight agencies.
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

/// Most tree nodes in an answer. They take the room that whole leaves and a checkpoint leave.
const NODES: usize = (limits::FRAME_BYTES - limits::PROVE_LEAF_BYTES - 128 * 1024) / NODE_BYTES;
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

    /// The `SignedEntry` bytes of this leaf and of all after it, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn leaves_from(
        &self,
        first: LedgerIndex,
    ) -> Result<impl Iterator<Item = Result<Vec<u8>, Self::Error>> + '_, Self::Error>;
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
    let named = prove.leaves.len() + prove.entries.len() + prove.sizes.len();
    let asked = (named as u64).saturating_add(prove.leaf_count);
    if asked > limits::PROVE_ITEMS as u64 {
        return Err(Unshown::TooMany { asked });
    }
    let mut indexes: Vec<LedgerIndex> = prove.leaves.iter().map(|index| LedgerIndex(*index)).collect();
    let mut located = Vec::new();
    for name in &prove.entries {
        check_name(name).ok_or(Unshown::MalformedName)?;
        if let Some(index) = ledger.locate(name).map_err(Unshown::Own)?.filter(|index| index.0 < size) {
            located.push(wire::LocatedEntry { id: name.id.clone(), leaf: index.0 });
            indexes.push(index);
        }
    }
    if prove.leaf_count > 0 {
        // Every agency may see the declaration of a later epoch.
        let is_declaration = (prove.first_leaf, prove.leaf_count) == (0, 1) && ledger.epoch() > Epoch::FIRST;
        if !is_declaration && !charter.is_oversight(asker) {
            return Err(Unshown::NotOversight);
        }
    }
    let leaves = whole_leaves(ledger, prove, size).map_err(Unshown::Own)?;
    indexes.extend((prove.first_leaf..).take(leaves.len()).map(LedgerIndex));
    let numbers = nodes_needed(size, &indexes, &prove.sizes)?;
    if numbers.len() > NODES {
        return Err(Unshown::TooLarge { nodes: numbers.len() });
    }
    let hashes = ledger.nodes(&numbers).map_err(Unshown::Own)?;
    let node = |(number, hash): (u64, [u8; 32])| wire::TreeNode { number, hash: hash.to_vec() };
    let nodes = numbers.into_iter().zip(hashes).map(node).collect();
    let (number, checkpoint, refusal) = (prove.number, note.to_vec(), String::new());
    Ok(wire::Proof { number, refusal, checkpoint, nodes, located, leaves })
}

fn check_name(name: &wire::EntryName) -> Option<()> {
    (name.id.len() == 32 && matches!(name.complaint.len(), 0 | 32)).then_some(())
}

/// The whole leaves of the question, as many as fit.
fn whole_leaves<L: OwnLeaves>(ledger: &L, prove: &wire::Prove, size: u64) -> Result<Vec<Vec<u8>>, L::Error> {
    let count = prove.leaf_count.min(size.saturating_sub(prove.first_leaf));
    let (mut leaves, mut bytes) = (Vec::new(), 0);
    if count == 0 {
        return Ok(leaves);
    }
    let take = usize::try_from(count).unwrap_or(limits::PROVE_ITEMS);
    for leaf in ledger.leaves_from(LedgerIndex(prove.first_leaf))?.take(take) {
        let leaf = leaf?;
        bytes += leaf.len() + LEAF_OVERHEAD;
        if bytes > limits::PROVE_LEAF_BYTES {
            break;
        }
        leaves.push(leaf);
    }
    Ok(leaves)
}
