//! What an agency answers about its ledger, checked under the checkpoint that it signed.
//!
//! Invariant: an [`Answer`] is the agency's own word; what it proves holds under its tree.

use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::ids::AgencyId;
use sinergi_proto::limits;
use sinergi_proto::tree::{ProofError, TreeNodes};
use sinergi_proto::watch::{Beginning, Noted};
use sinergi_proto::wire;

use crate::link::{Links, Unanswered};

/// An answer.
pub(crate) struct Answer {
    /// The agency's newest tree.
    pub(crate) tree: Noted,
    /// What it showed of it.
    pub(crate) nodes: TreeNodes,
    /// The rest.
    pub(crate) proof: wire::Proof,
}

/// What an agency answers is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// It says nothing, or no.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// It signed nothing of that kind.
    #[error("the checkpoint in its answer does not verify: {0}")]
    Checkpoint(String),
    /// It proves nothing.
    #[error("its answer proves nothing: {0}")]
    Proof(#[from] ProofError),
}

impl Answer {
    /// Asks an agency about its ledger.
    ///
    /// # Errors
    /// When it does not answer, or answers with what it did not sign.
    pub(crate) async fn of(links: &Links, agency: &AgencyId, prove: wire::Prove) -> Result<Self, NoAnswer> {
        let mut proof = links.ask(agency, prove).await?;
        let tree = open(links, agency, std::mem::take(&mut proof.checkpoint))?;
        let nodes = TreeNodes::shown(tree.checkpoint.size, &proof.nodes)?;
        Ok(Self { tree, nodes, proof })
    }

    /// What its tree begins with, at each of these sizes that were asked for.
    ///
    /// # Errors
    /// When that is not proved.
    pub(crate) fn beginnings(&self, sizes: &[u64]) -> Result<Vec<Beginning>, ProofError> {
        let beginning = |size: &u64| {
            let (root, proof) = self.nodes.beginning(*size, self.tree.checkpoint.root)?;
            Ok(Beginning { size: *size, root, proof })
        };
        sizes.iter().map(beginning).collect()
    }
}

fn open(links: &Links, agency: &AgencyId, note: Vec<u8>) -> Result<Noted, NoAnswer> {
    if note.len() > limits::CHECKPOINT_BYTES {
        return Err(NoAnswer::Checkpoint(format!("it has {} bytes, at most {}", note.len(), limits::CHECKPOINT_BYTES)));
    }
    let stranger = || NoAnswer::Checkpoint(format!("{agency} is no member of the charter"));
    let keys = links.directory.charters().checkpoint_keys(agency).ok_or_else(stranger)?;
    let checkpoint = Checkpoint::open(&note, links.federation.as_str(), agency, &keys);
    let checkpoint = checkpoint.map_err(|error| NoAnswer::Checkpoint(error.to_string()))?;
    if checkpoint.seconds.is_none() {
        return Err(NoAnswer::Checkpoint("it has no line of the time key".to_owned()));
    }
    Ok(Noted { checkpoint, note })
}
