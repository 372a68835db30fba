//! One answer of an agency about its ledger, verified under the checkpoint in it.
//!
//! Must not know why the question was asked.
//!
//! Invariant: the agency signed the tree of an [`Answer`]. Every proof made from the answer holds under that tree.

use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::tlog::tree::{ProofError, TreeNodes};
use crate::transparency::watch::{Prefix, VerifiedCheckpoint};
use crate::wire;

/// A verified answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The agency's newest tree.
    pub tree: VerifiedCheckpoint,
    /// The shown nodes of that tree. They are checked when a proof is made from them.
    pub nodes: TreeNodes,
    /// The `SignedEntry` bytes of the shown leaves. They are not checked.
    pub leaves: Vec<Vec<u8>>,
    /// The entries of the question that the agency says to have, each with its leaf. They are not checked.
    pub located: Vec<(EntryId, LedgerIndex)>,
    /// The hashes of leaves, 32 bytes each. They are not checked.
    pub hashes: Vec<u8>,
}

/// The reason why an answer proves nothing. The message becomes part of the evidence, as the agency's answer.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The agency did not sign the checkpoint, or the checkpoint is not usable.
    #[error("the checkpoint in its answer does not verify: {0}")]
    Checkpoint(String),
    /// The nodes do not prove the leaves or sizes of the question.
    #[error("its answer proves nothing: {0}")]
    Proof(#[from] ProofError),
    /// The question was for whole leaves from this one on, and fewer than fit or more than asked for came.
    #[error("it showed too few or too many leaves from {0} on")]
    NoLeaves(u64),
    /// The question was for hashes of leaves, and fewer or more came.
    #[error("it showed {found} bytes of hashes, asked for {asked}")]
    Hashes {
        /// Number of bytes that the question is for.
        asked: u64,
        /// Number of bytes in the answer.
        found: u64,
    },
    /// The hashes are not those of the agency's tree.
    #[error("the hashes that it shows do not give the root of its first {end} leaves")]
    OtherHashes {
        /// The number of leaves before the end of the range.
        end: u64,
    },
    /// The agency has begun a new epoch since the question before.
    #[error("it began epoch {0} meanwhile")]
    NewEpoch(Epoch),
}

impl Answer {
    /// Opens an answer of `agency`. `charters` are the ones trusted now.
    ///
    /// # Errors
    /// When the agency did not sign the checkpoint.
    pub fn open(proof: wire::Proof, agency: &AgencyId, charters: &Charters) -> Result<Self, NoProof> {
        let tree = open_checkpoint(proof.checkpoint, agency, charters)?;
        let nodes = TreeNodes::from_wire(tree.checkpoint.size, &proof.nodes)?;
        let located =
            |located: &wire::LocatedEntry| Some((EntryId::from_slice(&located.id)?, LedgerIndex(located.leaf)));
        let located = proof.located.iter().filter_map(located).collect();
        Ok(Self { tree, nodes, leaves: proof.leaves, located, hashes: proof.hashes })
    }

    /// The older trees with which the shown tree begins, one for each size of the question.
    ///
    /// # Errors
    /// When the nodes do not prove one of them.
    pub fn prefixes(&self, sizes: &[u64]) -> Result<Vec<Prefix>, ProofError> {
        let beginning = |size: &u64| {
            let (root, proof) = self.nodes.consistency(*size, self.tree.checkpoint.root)?;
            Ok(Prefix { size: *size, root, proof })
        };
        sizes.iter().map(beginning).collect()
    }
}

/// Opens the checkpoint of an answer.
fn open_checkpoint(note: Vec<u8>, agency: &AgencyId, charters: &Charters) -> Result<VerifiedCheckpoint, NoProof> {
    if note.len() > limits::CHECKPOINT_BYTES {
        return Err(NoProof::Checkpoint(format!("it has {} bytes, at most {}", note.len(), limits::CHECKPOINT_BYTES)));
    }
    let checkpoint = charters.open_checkpoint(&note, agency).map_err(|error| NoProof::Checkpoint(error.to_string()))?;
    Ok(VerifiedCheckpoint { checkpoint, note })
}
