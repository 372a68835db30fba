//! The parts of its ledger that an audited agency has shown, over all answers of one audit.
//!
//! Must not know the records of the auditing node.
//!
//! Invariant: a leaf or a tree counts as shown only if it is proved under a checkpoint that the agency signed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::answer::{Answer, NoProof};
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::entry::id_in;
use crate::tlog::tree::{ProofError, TreeNodes};
use crate::transparency::watch::{Prefix, VerifiedCheckpoint};
use crate::wire;

/// The shown trees and leaves. The ledger may grow between two answers, so each proof is kept with its tree, and each tree must begin with the
/// one before.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The trees, in the order of the answers.
    pub(super) trees: Vec<Arc<VerifiedCheckpoint>>,
    /// The answer that proves a leaf, as an index of `answers`. Never iterated, so its order cannot be seen.
    leaves: HashMap<LedgerIndex, usize>,
    answers: Vec<(TreeNodes, Arc<VerifiedCheckpoint>)>,
    /// The older trees with which the shown trees begin.
    pub(super) beginnings: Vec<(Prefix, Arc<VerifiedCheckpoint>)>,
    /// The first leaf of the ledger, if it is in a later epoch than the first.
    pub(super) first: Option<Vec<u8>>,
    /// The leaves that were shown whole, by entry: the index, and the bytes if this node does not have the entry.
    pub(super) whole: BTreeMap<EntryId, (LedgerIndex, Option<Vec<u8>>)>,
    /// Number of bytes in `whole`.
    pub(super) lacking_bytes: usize,
    /// The entries that were asked for by name, and whether the ledger has each.
    named: BTreeMap<EntryId, bool>,
}

impl Shown {
    /// Takes the answer to a question, if it proves everything in the question. Returns the whole leaves in it.
    pub(super) fn take(
        &mut self,
        question: &wire::Prove,
        proof: wire::Proof,
        agency: &AgencyId,
        charters: &Charters,
    ) -> Result<Vec<Vec<u8>>, NoProof> {
        let before = self.newest().map(|tree| tree.extent());
        let answer = Answer::open(proof, agency, charters)?;
        let tree = Arc::new(answer.tree.clone());
        // The signed tree counts even if the rest of the answer is wrong.
        self.trees.push(Arc::clone(&tree));
        if let Some((epoch, size)) = before
            && tree.extent() < (epoch, size)
        {
            return Err(NoProof::Checkpoint(format!("it went from {size} leaves to {}", tree.checkpoint.size)));
        }
        let beginnings = answer.prefixes(&question.sizes)?;
        self.beginnings.extend(beginnings.into_iter().map(|beginning| (beginning, Arc::clone(&tree))));
        let Answer { nodes, leaves, located, .. } = answer;
        if question.leaf_count == 0 {
            let asked = question.leaves.iter().map(|index| LedgerIndex(*index));
            let asked = asked.chain(located.iter().map(|(_, index)| *index)).collect();
            let epoch = tree.checkpoint.epoch;
            self.take_proofs(asked, nodes, tree)?;
            self.take_named(question, &located, epoch);
            return Ok(Vec::new());
        }
        let first = question.first_leaf;
        if leaves.is_empty() || leaves.len() as u64 > question.leaf_count {
            return Err(NoProof::NoLeaves(first));
        }
        let indexes = || (first..).map(LedgerIndex);
        let epoch = tree.checkpoint.epoch;
        self.take_proofs(indexes().take(leaves.len()).collect(), nodes, tree)?;
        for (index, signed) in indexes().zip(&leaves) {
            if self.leaf_hash(epoch, index) != id_in(signed).map(|id| id.0) {
                return Err(NoProof::Checkpoint(format!(
                    "the bytes that it shows as leaf {index} are not in its tree"
                )));
            }
        }
        Ok(leaves)
    }

    /// The newest tree. `None` if nothing was shown.
    pub(super) fn newest(&self) -> Option<&VerifiedCheckpoint> {
        self.trees.last().map(AsRef::as_ref)
    }

    /// The epoch of the newest tree.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.newest().map(|tree| tree.checkpoint.epoch)
    }

    /// Number of proved leaves.
    pub(super) fn checked(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The hash of a proved leaf of this epoch.
    pub(super) fn leaf_hash(&self, epoch: Epoch, index: LedgerIndex) -> Option<[u8; 32]> {
        self.proof_of(epoch, index)?.0.leaf(index)
    }

    /// The proof of a leaf of this epoch, in the form of evidence.
    pub(super) fn leaf_proof(&self, epoch: Epoch, index: LedgerIndex) -> Option<wire::LeafProof> {
        let (nodes, tree) = self.proof_of(epoch, index)?;
        let inclusion = nodes.inclusion(index, tree.checkpoint.root).ok()?;
        Some(wire::LeafProof {
            checkpoint: tree.note.clone(),
            index: index.0,
            hash: inclusion.leaf_hash.to_vec(),
            path: inclusion.path.iter().map(|hash| hash.to_vec()).collect(),
        })
    }

    /// The answer that proves a leaf of this epoch. An agency may begin a new epoch during an audit. A leaf of the old epoch says nothing about
    /// the new one.
    fn proof_of(&self, epoch: Epoch, index: LedgerIndex) -> Option<&(TreeNodes, Arc<VerifiedCheckpoint>)> {
        let proof = &self.answers[*self.leaves.get(&index)?];
        Some(proof).filter(|(_, tree)| tree.checkpoint.epoch == epoch)
    }

    /// The entries that were asked for by name and are not in the ledger.
    pub(super) fn lost(&self) -> impl Iterator<Item = &EntryId> {
        self.named.iter().filter(|(_, is_there)| !**is_there).map(|(entry, _)| entry)
    }

    /// Notes which of the entries of the question the ledger has. An entry counts as there only if its leaf is proved.
    fn take_named(&mut self, question: &wire::Prove, located: &[(EntryId, LedgerIndex)], epoch: Epoch) {
        for id in question.entries.iter().filter_map(|name| EntryId::from_slice(&name.id)) {
            let mut leaves = located.iter().filter(|(found, _)| *found == id);
            let is_there = leaves.any(|(_, index)| self.leaf_hash(epoch, *index) == Some(id.0));
            self.named.insert(id, is_there);
        }
    }

    /// Keeps the proofs of these leaves, if all of them hold.
    fn take_proofs(
        &mut self,
        leaves: Vec<LedgerIndex>,
        nodes: TreeNodes,
        tree: Arc<VerifiedCheckpoint>,
    ) -> Result<(), ProofError> {
        if leaves.is_empty() {
            return Ok(());
        }
        for index in &leaves {
            nodes.inclusion(*index, tree.checkpoint.root)?;
        }
        let nodes = nodes.restricted_to(&leaves)?;
        let answer = self.answers.len();
        self.answers.push((nodes, tree));
        self.leaves.extend(leaves.into_iter().map(|index| (index, answer)));
        Ok(())
    }
}
