//! What an audited agency shows of its ledger, and whether its proofs hold under the checkpoint that it signed.
//!
//! Invariant: everything that counts as shown is proved under a checkpoint that the agency signed.

use std::collections::HashMap;
use std::sync::Arc;

use sinergi_proto::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::tree::{Inclusion, TreeNodes, leaf_hash};
use sinergi_proto::watch::{Beginning, Noted};
use sinergi_proto::wire;

use super::known::Known;
use super::{Progress, Scope};
use crate::answer::{Answer, NoAnswer};
use crate::link::Links;

/// Leaves of one question: their audit paths fit into an answer.
const LEAVES: usize = 512;
/// Earlier sizes of one question.
const SIZES: usize = 256;

/// What was shown. The ledger may grow between two answers: each proof is kept with its tree, and each tree is shown to begin with the one
/// before.
pub(super) struct Shown {
    /// The trees, in the order of the answers.
    pub(super) trees: Vec<Arc<Noted>>,
    pub(super) leaves: HashMap<LedgerIndex, (Inclusion, Arc<Noted>)>,
    /// What trees begin with.
    pub(super) beginnings: Vec<(Beginning, Arc<Noted>)>,
    /// The first leaf of a later epoch than the first.
    pub(super) first: Option<Vec<u8>>,
    /// Whole leaves, if they were shown: each entry's leaf and its bytes.
    pub(super) whole: HashMap<EntryId, (LedgerIndex, Vec<u8>)>,
}

/// Why nothing, or not everything, was shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotShown {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("it showed no leaves from {0} on")]
    NoLeaves(u64),
    #[error("nobody waits for the audit any more")]
    GivenUp,
}

impl Shown {
    /// Asks an agency for everything that this node knows it must have. What was shown until it stopped counts.
    pub(super) async fn ask(
        links: &Links,
        agency: &AgencyId,
        known: &Known,
        scope: &Scope,
        progress: &mut impl FnMut(Progress) -> bool,
    ) -> (Self, Result<(), NotShown>) {
        let (trees, leaves, whole) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut asking = Asking {
            links,
            agency,
            shown: Self { trees, leaves, beginnings: Vec::new(), first: None, whole },
            progress,
        };
        let result = asking.everything(known, scope).await;
        (asking.shown, result)
    }

    /// The newest tree; `None`: nothing was shown.
    pub(super) fn newest(&self) -> Option<&Arc<Noted>> {
        self.trees.last()
    }

    /// How many leaves were proved.
    pub(super) fn checked(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The proof of a leaf as evidence carries it, and the hash that the leaf has.
    pub(super) fn leaf_proof(&self, index: LedgerIndex) -> Option<(wire::LeafProof, [u8; 32])> {
        let (inclusion, tree) = self.leaves.get(&index)?;
        let proof = wire::LeafProof {
            checkpoint: tree.note.clone(),
            index: index.0,
            hash: inclusion.leaf_hash.to_vec(),
            path: inclusion.path.iter().map(|hash| hash.to_vec()).collect(),
        };
        Some((proof, inclusion.leaf_hash))
    }
}

/// An audit that asks.
struct Asking<'a, P> {
    links: &'a Links,
    agency: &'a AgencyId,
    shown: Shown,
    progress: &'a mut P,
}

impl<P: FnMut(Progress) -> bool> Asking<'_, P> {
    async fn everything(&mut self, known: &Known, scope: &Scope) -> Result<(), NotShown> {
        let (_, _, first) = self.answer(wire::Prove::default()).await?;
        let (epoch, size) = (first.checkpoint.epoch, first.checkpoint.size);
        let acknowledged = known.acknowledged.values().filter(|acknowledged| acknowledged.epoch == epoch);
        let authored = known.authored.keys().filter(|place| place.epoch == epoch);
        let mut leaves: Vec<u64> = acknowledged
            .map(|acknowledged| acknowledged.index.0)
            .chain(authored.map(|place| place.index.0))
            .filter(|index| *index < size)
            .collect();
        leaves.sort_unstable();
        leaves.dedup();
        let sizes = known.checkpoints.range((epoch, 0)..=(epoch, size)).map(|((_, size), _)| *size);
        let sizes: Vec<u64> = sizes.collect();
        let reads_whole = self.links.directory.newest().is_oversight(&self.links.own) && scope.complaint.is_none();
        let total = if reads_whole { size } else { leaves.len() as u64 };
        for sizes in sizes.chunks(SIZES) {
            self.answer(wire::Prove { sizes: sizes.to_vec(), ..Default::default() }).await?;
        }
        if epoch > Epoch::FIRST && size > 0 {
            self.first_leaf().await?;
        }
        if reads_whole {
            let read = scope.read_to.filter(|(of, _)| *of == epoch).map_or(0, |(_, size)| size);
            return self.whole_leaves(read, size).await;
        }
        for leaves in leaves.chunks(LEAVES) {
            let (nodes, _, tree) = self.answer(wire::Prove { leaves: leaves.to_vec(), ..Default::default() }).await?;
            for index in leaves {
                self.leaf(LedgerIndex(*index), &nodes, &tree)?;
            }
            self.tell(total)?;
        }
        Ok(())
    }

    /// Asks, and checks the answer under the checkpoint in it, which must begin with the one of the answer before.
    async fn answer(&mut self, mut prove: wire::Prove) -> Result<(TreeNodes, wire::Proof, Arc<Noted>), NotShown> {
        let before = self.shown.newest().cloned();
        prove.sizes.extend(before.iter().map(|tree| tree.checkpoint.size));
        let sizes = prove.sizes.clone();
        let answer = Answer::of(self.links, self.agency, prove).await?;
        let tree = Arc::new(answer.tree.clone());
        self.shown.trees.push(Arc::clone(&tree));
        if let Some((epoch, before)) = before.map(|tree| tree.extent())
            && tree.extent() < (epoch, before)
        {
            let problem = format!("it went from {before} leaves to {}", tree.checkpoint.size);
            return Err(NoAnswer::Checkpoint(problem).into());
        }
        let beginnings = answer.beginnings(&sizes).map_err(NoAnswer::Proof)?;
        self.shown.beginnings.extend(beginnings.into_iter().map(|beginning| (beginning, Arc::clone(&tree))));
        Ok((answer.nodes, answer.proof, tree))
    }

    fn leaf(&mut self, index: LedgerIndex, nodes: &TreeNodes, tree: &Arc<Noted>) -> Result<[u8; 32], NotShown> {
        let inclusion = nodes.inclusion(index, tree.checkpoint.root).map_err(NoAnswer::Proof)?;
        let hash = inclusion.leaf_hash;
        self.shown.leaves.insert(index, (inclusion, Arc::clone(tree)));
        Ok(hash)
    }

    /// Every epoch but the first begins with its declaration, which everybody may read.
    async fn first_leaf(&mut self) -> Result<(), NotShown> {
        let prove = wire::Prove { leaf_count: 1, ..Default::default() };
        let (nodes, proof, tree) = self.answer(prove).await?;
        let first = proof.leaves.into_iter().next().ok_or(NotShown::NoLeaves(0))?;
        self.whole_leaf(LedgerIndex(0), &first, &nodes, &tree)?;
        self.shown.first = Some(first);
        Ok(())
    }

    /// A leaf whose bytes were shown.
    fn whole_leaf(
        &mut self,
        index: LedgerIndex,
        signed: &[u8],
        nodes: &TreeNodes,
        tree: &Arc<Noted>,
    ) -> Result<(), NotShown> {
        if self.leaf(index, nodes, tree)? == leaf_hash(signed) {
            return Ok(());
        }
        let problem = format!("what it shows as leaf {index} is not in its tree");
        Err(NoAnswer::Checkpoint(problem).into())
    }

    async fn whole_leaves(&mut self, begin: u64, end: u64) -> Result<(), NotShown> {
        let mut next = begin;
        while next < end {
            let leaf_count = (end - next).min(LEAVES as u64);
            let prove = wire::Prove { first_leaf: next, leaf_count, ..Default::default() };
            let (nodes, proof, tree) = self.answer(prove).await?;
            if proof.leaves.is_empty() || proof.leaves.len() as u64 > leaf_count {
                return Err(NotShown::NoLeaves(next));
            }
            for signed in proof.leaves {
                let index = LedgerIndex(next);
                self.whole_leaf(index, &signed, &nodes, &tree)?;
                if let Some(id) = entry_id(&signed) {
                    self.shown.whole.insert(id, (index, signed));
                }
                next += 1;
            }
            self.tell(end)?;
        }
        Ok(())
    }

    fn tell(&mut self, total: u64) -> Result<(), NotShown> {
        let progress = Progress { checked: self.shown.checked().min(total), total };
        if (self.progress)(progress) { Ok(()) } else { Err(NotShown::GivenUp) }
    }
}

fn entry_id(signed: &[u8]) -> Option<EntryId> {
    use prost::Message;
    let envelope = wire::SignedEntry::decode(signed).ok()?;
    Some(EntryId::of(&envelope.entry))
}
