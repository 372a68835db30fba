//! What an audited agency shows of its ledger, and whether its proofs hold under the checkpoint that it signed.
//!
//! Invariant: everything that counts as shown is proved under a checkpoint that the agency signed.

use std::collections::HashMap;
use std::sync::Arc;

use sinergi_proto::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::tree::{TreeNodes, leaf_hash};
use sinergi_proto::watch::{Beginning, Noted};
use sinergi_proto::wire;

use super::known::Known;
use super::{Progress, Scope};
use crate::answer::{Answer, NoAnswer};
use crate::link::Links;

/// Leaves of one question: their audit paths fit into an answer.
const LEAVES: usize = 512;
/// What is kept of leaves that this node does not have: an agency could show any number.
const LACKING_BYTES: usize = 64 * 1024 * 1024;
/// Earlier sizes of one question.
const SIZES: usize = 256;

/// What was shown. The ledger may grow between two answers: each proof is kept with its tree, and each tree is shown to begin with the one
/// before.
pub(super) struct Shown {
    /// The trees, in the order of the answers.
    pub(super) trees: Vec<Arc<Noted>>,
    /// The leaves that were proved, and by which of the answers.
    leaves: HashMap<LedgerIndex, usize>,
    answers: Vec<(TreeNodes, Arc<Noted>)>,
    /// What trees begin with.
    pub(super) beginnings: Vec<(Beginning, Arc<Noted>)>,
    /// The first leaf of a later epoch than the first.
    pub(super) first: Option<Vec<u8>>,
    /// Whole leaves, if they were shown: each entry's leaf, and its bytes if this node does not have it.
    pub(super) whole: HashMap<EntryId, (LedgerIndex, Option<Vec<u8>>)>,
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
        let shown = Self {
            trees: Vec::new(),
            leaves: HashMap::new(),
            answers: Vec::new(),
            beginnings: Vec::new(),
            first: None,
            whole: HashMap::new(),
        };
        let mut asking = Asking { links, agency, known, shown, progress };
        let result = asking.everything(scope).await;
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

    /// The hash of a leaf that was proved.
    pub(super) fn leaf_hash(&self, index: LedgerIndex) -> Option<[u8; 32]> {
        self.answers[*self.leaves.get(&index)?].0.leaf(index)
    }

    /// The proof of a leaf as evidence carries it.
    pub(super) fn leaf_proof(&self, index: LedgerIndex) -> Option<wire::LeafProof> {
        let (nodes, tree) = &self.answers[*self.leaves.get(&index)?];
        let inclusion = nodes.inclusion(index, tree.checkpoint.root).ok()?;
        Some(wire::LeafProof {
            checkpoint: tree.note.clone(),
            index: index.0,
            hash: inclusion.leaf_hash.to_vec(),
            path: inclusion.path.iter().map(|hash| hash.to_vec()).collect(),
        })
    }
}

/// An audit that asks.
struct Asking<'a, P> {
    links: &'a Links,
    agency: &'a AgencyId,
    known: &'a Known,
    shown: Shown,
    progress: &'a mut P,
}

impl<P: FnMut(Progress) -> bool> Asking<'_, P> {
    async fn everything(&mut self, scope: &Scope) -> Result<(), NotShown> {
        let (_, _, first) = self.answer(wire::Prove::default()).await?;
        let known = self.known;
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
            return self.whole_leaves(size).await;
        }
        for leaves in leaves.chunks(LEAVES) {
            let (nodes, _, tree) = self.answer(wire::Prove { leaves: leaves.to_vec(), ..Default::default() }).await?;
            self.proved(leaves.iter().map(|index| LedgerIndex(*index)).collect(), nodes, tree)?;
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

    /// Takes the proofs of these leaves, if they hold.
    fn proved(&mut self, leaves: Vec<LedgerIndex>, nodes: TreeNodes, tree: Arc<Noted>) -> Result<(), NotShown> {
        for index in &leaves {
            nodes.inclusion(*index, tree.checkpoint.root).map_err(NoAnswer::Proof)?;
        }
        let nodes = nodes.only(&leaves).map_err(NoAnswer::Proof)?;
        let answer = self.shown.answers.len();
        self.shown.answers.push((nodes, tree));
        self.shown.leaves.extend(leaves.into_iter().map(|index| (index, answer)));
        Ok(())
    }

    /// Every epoch but the first begins with its declaration, which everybody may read.
    async fn first_leaf(&mut self) -> Result<(), NotShown> {
        self.shown.first = self.leaves_from(0, 1).await?.into_iter().next();
        Ok(())
    }

    async fn whole_leaves(&mut self, end: u64) -> Result<(), NotShown> {
        let (mut next, mut kept) = (0, 0);
        while next < end {
            for signed in self.leaves_from(next, (end - next).min(LEAVES as u64)).await? {
                if let Some(id) = entry_id(&signed) {
                    let is_lacking = !self.known.entries.contains_key(&id) && kept < LACKING_BYTES;
                    kept += if is_lacking { signed.len() } else { 0 };
                    let bytes = Some(signed).filter(|_| is_lacking);
                    self.shown.whole.insert(id, (LedgerIndex(next), bytes));
                }
                next += 1;
            }
            self.tell(end)?;
        }
        Ok(())
    }

    /// Whole leaves, each proved to be in the tree: one at least.
    async fn leaves_from(&mut self, first_leaf: u64, leaf_count: u64) -> Result<Vec<Vec<u8>>, NotShown> {
        let prove = wire::Prove { first_leaf, leaf_count, ..Default::default() };
        let (nodes, proof, tree) = self.answer(prove).await?;
        if proof.leaves.is_empty() || proof.leaves.len() as u64 > leaf_count {
            return Err(NotShown::NoLeaves(first_leaf));
        }
        let indexes = || (first_leaf..).map(LedgerIndex);
        self.proved(indexes().take(proof.leaves.len()).collect(), nodes, tree)?;
        for (index, signed) in indexes().zip(&proof.leaves) {
            if self.shown.leaf_hash(index) != Some(leaf_hash(signed)) {
                let problem = format!("what it shows as leaf {index} is not in its tree");
                return Err(NoAnswer::Checkpoint(problem).into());
            }
        }
        Ok(proof.leaves)
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
