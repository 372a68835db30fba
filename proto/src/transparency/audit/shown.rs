//! The parts of its ledger that an audited agency has shown, over all answers of one audit.
//!
//! Must not know the records of the auditing node.
//!
//! Invariant: a leaf or a tree counts as shown only if it is proved under a checkpoint that the agency signed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::answer::{Answer, NoProof};
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::id_in;
use crate::tlog::tree::{ProofError, TreeNodes};
use crate::transparency::watch::{Prefix, VerifiedCheckpoint};
use crate::wire;

/// Number of whole leaves that an answer shows at least, if the question is for as many. So many of the largest fit.
const WHOLE_AT_LEAST: usize = 32;
const _: () = assert!(WHOLE_AT_LEAST * (limits::ENTRY_BYTES + 1024) <= limits::PROVE_LEAF_BYTES);

/// The shown trees and leaves. The ledger may grow between two answers, so each proof is kept with its tree, and each tree must begin with the
/// one before.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The trees, in the order of the answers. All but the last are of the first one's epoch.
    pub(super) trees: Vec<Arc<VerifiedCheckpoint>>,
    /// The answer that proves a leaf, as an index of `answers`. Never iterated, so its order cannot be seen.
    leaves: HashMap<LedgerIndex, usize>,
    answers: Vec<(TreeNodes, Arc<VerifiedCheckpoint>)>,
    /// The older trees with which the shown trees begin.
    pub(super) beginnings: Vec<(Prefix, Arc<VerifiedCheckpoint>)>,
    /// The first leaf of the ledger, if it is in a later epoch than the first.
    pub(super) first: Option<Vec<u8>>,
    /// The entries that were asked for by name: the leaf of each that the ledger has.
    pub(super) named: BTreeMap<EntryId, Option<LedgerIndex>>,
}

/// The parts of an answer that are for the step that asked.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The `SignedEntry` bytes of the first of the leaves in the question. They are proved.
    pub(super) whole: Vec<Vec<u8>>,
    /// The hashes of leaves. They are not proved: they must give the root of [`Shown::beginning`].
    pub(super) hashes: Vec<u8>,
}

impl Shown {
    /// Takes the answer to a question, if it proves everything in the question. A whole leaf is kept only if `keeps` says so.
    pub(super) fn take(
        &mut self,
        question: &wire::Prove,
        proof: wire::Proof,
        agency: &AgencyId,
        charters: &Charters,
        keeps: impl FnMut(LedgerIndex, &[u8]) -> bool,
    ) -> Result<Parts, NoProof> {
        let before = self.newest().map(|tree| tree.extent());
        let answer = Answer::open(proof, agency, charters)?;
        let tree = Arc::new(answer.tree.clone());
        // The signed tree counts even if the rest of the answer is wrong. The same tree again says nothing new.
        if self.newest().is_none_or(|newest| newest.checkpoint != tree.checkpoint) {
            self.trees.push(Arc::clone(&tree));
        }
        if let Some((epoch, size)) = before {
            if tree.extent() < (epoch, size) {
                return Err(NoProof::Checkpoint(format!("it went from {size} leaves to {}", tree.checkpoint.size)));
            }
            if tree.checkpoint.epoch > epoch {
                return Err(NoProof::NewEpoch(tree.checkpoint.epoch));
            }
        }
        let beginnings = answer.prefixes(&question.sizes)?;
        let Answer { nodes, leaves: whole, mut located, hashes, .. } = answer;
        let mut asked: BTreeSet<EntryId> =
            question.entries.iter().filter_map(|name| EntryId::from_slice(&name.id)).collect();
        located.retain(|(id, _)| asked.remove(id));
        if question.whole {
            self.take_whole(question, &whole, nodes, &tree, keeps)?;
        } else {
            let asked = question.leaves.iter().map(|index| LedgerIndex(*index));
            let asked = asked.chain(located.iter().map(|(_, index)| *index)).collect();
            self.take_proofs(asked, nodes, &tree)?;
            self.take_named(question, &located, tree.checkpoint.epoch);
        }
        for beginning in beginnings {
            if self.beginning(beginning.size) != Some(beginning.root) {
                self.beginnings.push((beginning, Arc::clone(&tree)));
            }
        }
        Ok(Parts { whole, hashes })
    }

    /// The newest tree. `None` if nothing was shown.
    pub(super) fn newest(&self) -> Option<&VerifiedCheckpoint> {
        self.trees.last().map(AsRef::as_ref)
    }

    /// The epoch that is audited: that of the first tree.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.trees.first().map(|tree| tree.checkpoint.epoch)
    }

    /// The root of the first `size` leaves, if the last answer proves it.
    pub(super) fn beginning(&self, size: u64) -> Option<[u8; 32]> {
        self.beginnings.iter().rev().find(|(beginning, _)| beginning.size == size).map(|(beginning, _)| beginning.root)
    }

    /// Number of leaves with a proof.
    pub(super) fn proved(&self) -> u64 {
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

    fn proof_of(&self, epoch: Epoch, index: LedgerIndex) -> Option<&(TreeNodes, Arc<VerifiedCheckpoint>)> {
        let proof = &self.answers[*self.leaves.get(&index)?];
        Some(proof).filter(|(_, tree)| tree.checkpoint.epoch == epoch)
    }

    /// Notes which of the entries of the question the ledger has. An entry counts as there only if its leaf is proved.
    fn take_named(&mut self, question: &wire::Prove, located: &[(EntryId, LedgerIndex)], epoch: Epoch) {
        for id in question.entries.iter().filter_map(|name| EntryId::from_slice(&name.id)) {
            let mut leaves = located.iter().filter(|(found, _)| *found == id);
            let leaf = leaves.find(|(_, index)| self.leaf_hash(epoch, *index) == Some(id.0));
            self.named.insert(id, leaf.map(|(_, index)| *index));
        }
    }

    /// Keeps the proofs of these leaves, if all of them hold.
    fn take_proofs(
        &mut self,
        leaves: Vec<LedgerIndex>,
        nodes: TreeNodes,
        tree: &Arc<VerifiedCheckpoint>,
    ) -> Result<(), ProofError> {
        if leaves.is_empty() {
            return Ok(());
        }
        for index in &leaves {
            nodes.inclusion(*index, tree.checkpoint.root)?;
        }
        let nodes = nodes.restricted_to(&leaves)?;
        let answer = self.answers.len();
        self.answers.push((nodes, Arc::clone(tree)));
        self.leaves.extend(leaves.into_iter().map(|index| (index, answer)));
        Ok(())
    }

    /// Checks that the bytes are the first of the leaves in the question, and keeps the proofs of those that `keeps` chooses.
    fn take_whole(
        &mut self,
        question: &wire::Prove,
        whole: &[Vec<u8>],
        nodes: TreeNodes,
        tree: &Arc<VerifiedCheckpoint>,
        mut keeps: impl FnMut(LedgerIndex, &[u8]) -> bool,
    ) -> Result<(), NoProof> {
        if whole.len() < question.leaves.len().min(WHOLE_AT_LEAST) || whole.len() > question.leaves.len() {
            return Err(NoProof::NoLeaves(question.leaves.first().copied().unwrap_or_default()));
        }
        let leaves = || question.leaves.iter().map(|index| LedgerIndex(*index)).zip(whole);
        for (index, signed) in leaves() {
            let inclusion = nodes.inclusion(index, tree.checkpoint.root)?;
            if id_in(signed).map(|id| id.0) != Some(inclusion.leaf_hash) {
                return Err(NoProof::Checkpoint(format!(
                    "the bytes that it shows as leaf {index} are not in its tree"
                )));
            }
        }
        let kept = leaves().filter(|(index, signed)| keeps(*index, signed)).map(|(index, _)| index).collect();
        Ok(self.take_proofs(kept, nodes, tree)?)
    }
}
