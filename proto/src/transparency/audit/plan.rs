//! The questions of one audit.
//!
//! ```text
//! Tree -> Declaration -> Hashes <-> Lacking -> Sizes -> Named -> Leaves -> Done
//! ```
//!
//! Must not know the answers, except what the agency's tree is and what differs in it.
//!
//! Invariant: each answer leads to the next question or to the end.

use super::comparison::Comparison;
use super::concealed::{KnownBy, left_out};
use super::holdings::Holdings;
use super::own_entries::Number;
use crate::base::ids::Epoch;
use crate::charter::Charters;
use crate::transparency::watch::VerifiedCheckpoint;
use crate::wire;

/// Most leaves in one question. Their audit paths fit into one answer.
pub(super) const LEAVES: usize = 512;
/// Most older sizes in one question.
const SIZES: usize = 256;
/// Most differences of a kind that are proved. Further ones say nothing new.
const DIFFERENCES: usize = 1024;

/// The plan of the questions. It is made after the first answer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) epoch: Epoch,
    /// Number of leaves of the first tree that was shown.
    pub(super) size: u64,
    /// Whether the ledger's first leaf must declare its epoch.
    pub(super) is_declared: bool,
    /// Whether the hashes of all leaves are compared with the holdings.
    pub(super) compares: bool,
    /// Whether the leaves that the auditing node lacks are read. Only oversight agencies may do this.
    pub(super) reads_lacking: bool,
    /// Sizes of older trees with which the tree must begin, ascending.
    sizes: Vec<u64>,
    /// Entries that the agency acknowledged in earlier epochs only.
    named: Vec<Number>,
    /// Leaves to prove, ascending.
    pub(super) leaves: Vec<u64>,
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Show the newest tree.
    Tree,
    /// Show the first leaf.
    Declaration,
    /// Show the hashes of the next leaves.
    Hashes,
    /// Show the next of the leaves that this node lacks.
    Lacking,
    /// Show that the tree begins with the trees of `sizes`, from this position in the list on.
    Sizes(usize),
    /// Show where the entries of `named` are, from this position in the list on.
    Named(usize),
    /// Prove `leaves`, from this position in the list on.
    Leaves(usize),
    /// Everything was asked, or an answer was not usable.
    Done,
}

impl Step {
    /// The same question about the rest of its list.
    pub(super) fn onwards(self) -> Self {
        match self {
            Self::Sizes(from) => Self::Sizes(from + SIZES),
            Self::Named(from) => Self::Named(from + LEAVES),
            Self::Leaves(from) => Self::Leaves(from + LEAVES),
            other => other,
        }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            epoch: Epoch::FIRST,
            size: 0,
            is_declared: false,
            compares: false,
            reads_lacking: false,
            sizes: Vec::new(),
            named: Vec::new(),
            leaves: Vec::new(),
        }
    }
}

impl Plan {
    /// The plan for the ledger whose tree was just shown.
    pub(super) fn of(holdings: &Holdings, tree: Option<&VerifiedCheckpoint>, charters: &Charters) -> Self {
        let Some((epoch, size)) = tree.map(VerifiedCheckpoint::extent) else { return Self::default() };
        let assignment = &holdings.assignment;
        let compares = assignment.scope.complaint.is_none();
        Self {
            epoch,
            size,
            // Every epoch but the first begins with its declaration, which every agency may read.
            is_declared: epoch > Epoch::FIRST && size > 0,
            compares,
            reads_lacking: compares && charters.newest().is_oversight(&assignment.auditor),
            ..Self::default()
        }
    }

    /// Adds what must be proved one by one. `epoch` is that of the leaves that were compared.
    pub(super) fn detail(&mut self, holdings: &Holdings, comparison: &Comparison, epoch: Option<Epoch>) {
        if !self.compares {
            let sizes = holdings.checkpoints.between(self.epoch, 0, self.size).iter();
            self.sizes = sizes.map(|known| known.checkpoint.size).collect();
            self.sizes.dedup();
            self.named = holdings.acknowledged_outside(self.epoch).collect();
            self.leaves = holdings.expected(self.epoch, self.size).map(|index| index.0).collect();
        } else {
            self.sizes = comparison.other_roots.iter().copied().take(DIFFERENCES).collect();
            let unshown = holdings.entries.unshown_claims(self.epoch).map(|index| index.0);
            let unshown = unshown.filter(|index| *index < self.size).take(DIFFERENCES);
            let known_by_leaf = left_out(holdings, epoch).into_iter().filter_map(|left_out| match left_out.known_by {
                KnownBy::Leaf(index) => Some(index.0),
                KnownBy::Own | KnownBy::Receipt(_) => None,
            });
            let displaced = comparison.displaced.iter().copied().take(DIFFERENCES);
            self.leaves = unshown.chain(displaced).chain(known_by_leaf).collect();
        }
        self.leaves.sort_unstable();
        self.leaves.dedup();
    }

    /// The question of a step that asks from a list; `None` for other steps and at the end.
    pub(super) fn question(&self, step: Step, holdings: &Holdings) -> Option<wire::Prove> {
        Some(match step {
            Step::Tree => wire::Prove::default(),
            Step::Declaration => wire::Prove { leaves: vec![0], whole: true, ..Default::default() },
            Step::Sizes(from) => wire::Prove { sizes: part(&self.sizes, from, SIZES), ..Default::default() },
            Step::Named(from) => {
                let named = self.named.iter().skip(from).take(LEAVES);
                let entries = named.filter_map(|entry| holdings.names.get(entry).cloned()).collect();
                wire::Prove { entries, ..Default::default() }
            }
            Step::Leaves(from) => wire::Prove { leaves: part(&self.leaves, from, LEAVES), ..Default::default() },
            Step::Hashes | Step::Lacking | Step::Done => return None,
        })
    }

    /// This step if it has something to ask, otherwise the first later step that has.
    pub(super) fn next(&self, step: Step) -> Step {
        match step {
            Step::Sizes(from) if from >= self.sizes.len() => self.next(Step::Named(0)),
            Step::Named(from) if from >= self.named.len() => self.next(Step::Leaves(0)),
            Step::Leaves(from) if from >= self.leaves.len() => Step::Done,
            other => other,
        }
    }
}

/// At most `most` elements of a list, from the position `from` on.
fn part(all: &[u64], from: usize, most: usize) -> Vec<u64> {
    all.iter().skip(from).take(most).copied().collect()
}
