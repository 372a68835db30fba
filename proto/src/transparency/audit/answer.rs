//! One answer of an agency about its ledger, verified under the checkpoint in it.
//!
//! Invariant: an [`Answer`] is the agency's own word. Everything that is taken out of it holds under its signed tree.

use crate::base::ids::AgencyId;
use crate::base::limits;
use crate::charter::Charters;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::tree::{ProofError, TreeNodes};
use crate::transparency::watch::{Beginning, Noted};
use crate::wire;

/// A verified answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The agency's newest tree.
    pub tree: Noted,
    /// The nodes that it showed of that tree; not checked before a proof is made of them.
    pub nodes: TreeNodes,
    /// `SignedEntry` bytes that it showed as leaves; not checked.
    pub leaves: Vec<Vec<u8>>,
}

/// Why an answer shows nothing. The message is part of evidence: it says what the agency answered.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The agency did not sign it, or signed what cannot be.
    #[error("the checkpoint in its answer does not verify: {0}")]
    Checkpoint(String),
    /// The nodes do not prove what was asked for.
    #[error("its answer proves nothing: {0}")]
    Proof(#[from] ProofError),
    /// Whole leaves were asked for, from this one on.
    #[error("it showed no leaves from {0} on")]
    NoLeaves(u64),
}

impl Answer {
    /// Opens an answer of `agency`, under the charters of now.
    ///
    /// # Errors
    /// When the agency did not sign it.
    pub fn open(proof: wire::Proof, agency: &AgencyId, charters: &Charters) -> Result<Self, NoProof> {
        let tree = open_checkpoint(proof.checkpoint, agency, charters)?;
        let nodes = TreeNodes::from_wire(tree.checkpoint.size, &proof.nodes)?;
        Ok(Self { tree, nodes, leaves: proof.leaves })
    }

    /// What its tree begins with, at each of these sizes that were asked for.
    ///
    /// # Errors
    /// When that is not proved.
    pub fn beginnings(&self, sizes: &[u64]) -> Result<Vec<Beginning>, ProofError> {
        let beginning = |size: &u64| {
            let (root, proof) = self.nodes.consistency(*size, self.tree.checkpoint.root)?;
            Ok(Beginning { size: *size, root, proof })
        };
        sizes.iter().map(beginning).collect()
    }
}

/// An answer without a time proves nothing about when: it is not taken.
fn open_checkpoint(note: Vec<u8>, agency: &AgencyId, charters: &Charters) -> Result<Noted, NoProof> {
    if note.len() > limits::CHECKPOINT_BYTES {
        return Err(NoProof::Checkpoint(format!("it has {} bytes, at most {}", note.len(), limits::CHECKPOINT_BYTES)));
    }
    let stranger = || NoProof::Checkpoint(format!("{agency} is no member of the charter"));
    let keys = charters.checkpoint_keys(agency).ok_or_else(stranger)?;
    let checkpoint = Checkpoint::open(&note, &charters.newest().federation, agency, &keys);
    let checkpoint = checkpoint.map_err(|error| NoProof::Checkpoint(error.to_string()))?;
    if checkpoint.seconds.is_none() {
        return Err(NoProof::Checkpoint("it has no line of the time key".to_owned()));
    }
    Ok(Noted { checkpoint, note })
}
