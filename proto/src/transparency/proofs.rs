//! What a node shows when it is asked about its own ledger: inclusion, consistency, and for oversight agencies whole leaves.
//!
//! Must not know how a ledger is kept: it is read through [`OwnLeaves`]. Every answer is about the newest checkpoint that the node has signed.
//!
//! Invariants:
//! - an answer costs as many reads as its proofs have hashes, whatever the ledger holds, and stays within a frame;
//! - only entries are shown, never content, and whole ones to oversight agencies alone.

use crate::base::ids::{AgencyId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charter;
use crate::tlog::tree::{ProofError, nodes_needed};
use crate::wire;

/// What nodes may take of an answer: as much as is left beside whole leaves and a checkpoint.
const NODES: usize = (limits::FRAME_BYTES - limits::PROVE_LEAF_BYTES - 128 * 1024) / NODE_BYTES;
/// What a node takes at most.
const NODE_BYTES: usize = 48;
/// What a whole leaf takes beside its bytes.
const LEAF_OVERHEAD: usize = 8;

/// The ledger that is asked about.
pub trait OwnLeaves {
    /// Why it cannot be read.
    type Error;

    /// Its epoch.
    fn epoch(&self) -> Epoch;

    /// The nodes of its tree with these numbers, in their order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn nodes(&self, numbers: &[u64]) -> Result<Vec<[u8; 32]>, Self::Error>;

    /// Where the entry lies that is named so; `None`: not here. Both ids in the name are well-formed.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn locate(&self, name: &wire::EntryName) -> Result<Option<LedgerIndex>, Self::Error>;

    /// The `SignedEntry` bytes of this leaf and those after it.
    ///
    /// # Errors
    /// When they cannot be read.
    fn leaves_from(
        &self,
        first: LedgerIndex,
    ) -> Result<impl Iterator<Item = Result<Vec<u8>, Self::Error>> + '_, Self::Error>;
}

/// The newest checkpoint that a node has signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedTree<'a> {
    /// Its leaves.
    pub size: u64,
    /// The signed note.
    pub note: &'a [u8],
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum Unshown<E> {
    /// The node may not sign.
    #[error("this node signs nothing now: its ledger was set back, or its peers were not heard yet")]
    Unsigned,
    /// Over the limit.
    #[error("{asked} items were asked for, at most {most}", most = limits::PROVE_ITEMS)]
    TooMany {
        /// How many.
        asked: u64,
    },
    /// The answer would not fit into a frame.
    #[error("the proofs take {nodes} hashes, at most {NODES} fit: ask for fewer")]
    TooLarge {
        /// How many hashes.
        nodes: usize,
    },
    /// Not for this asker.
    #[error("whole leaves but the declaration of a later epoch are shown to oversight agencies only")]
    NotOversight,
    /// The name of an entry is none.
    #[error("an entry is named by a complaint of 32 bytes or none, and an id of 32")]
    MalformedName,
    /// The tree has nothing of the kind.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The ledger cannot be read.
    #[error("this node cannot read its own data: {0}")]
    Own(E),
}

/// Answers a question of `asker`. `signed`: what the node has signed last, if it may sign; `charter`: the newest.
///
/// # Errors
/// Why nothing is shown.
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
        // The declaration of a later epoch is for everybody.
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

/// The leaves that were asked for, as many as fit.
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
