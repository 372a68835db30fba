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
use super::concealed::{self, KnownBy, Search, Whereabouts};
use super::holdings::{Authored, Holdings};
use super::own_entries::Number;
use crate::base::ids::{Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::entry::Place;
use crate::transparency::watch::VerifiedCheckpoint;
use crate::wire;

/// Most leaves in one question. Their audit paths fit into one answer.
pub(super) const LEAVES: usize = 512;
/// Most older sizes in one question.
const SIZES: usize = 256;
/// Most leaves before the range that are proved one by one, because their entries came late.
const LATE: usize = 16_384;
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
    /// Number of leaves that an earlier audit has compared.
    pub(super) resumed_at: u64,
    /// Number of entries that came after an earlier audit had compared their leaves.
    late: usize,
    /// Whether some differences are not proved, because there are too many.
    pub(super) is_cut: bool,
    /// Sizes of older trees with which the tree must begin, ascending.
    sizes: Vec<u64>,
    /// Entries of which it is not known whether the agency's ledger has them.
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
            resumed_at: 0,
            late: 0,
            is_cut: false,
            sizes: Vec::new(),
            named: Vec::new(),
            leaves: Vec::new(),
        }
    }
}

impl Plan {
    /// The plan for the ledger whose tree was just shown.
    pub(super) fn of(holdings: &Holdings, tree: &VerifiedCheckpoint, charters: &Charters) -> Self {
        let (epoch, size) = tree.extent();
        let assignment = &holdings.assignment;
        let compares = assignment.scope.complaint.is_none();
        Self {
            epoch,
            size,
            // Every epoch but the first begins with its declaration, which every agency may read.
            is_declared: epoch > Epoch::FIRST && size > 0,
            compares,
            resumed_at: holdings.resume.as_ref().map_or(0, |resume| resume.size),
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
            self.sizes.extend(holdings.checkpoints.late_sizes(self.epoch, self.resumed_at));
            self.sizes.sort_unstable();
            self.sizes.dedup();
            let (late, differs): (Vec<u64>, Vec<u64>) = {
                let unshown = holdings.entries.unshown_claims(self.epoch).map(|index| index.0);
                unshown.filter(|index| *index < self.size).partition(|index| *index < self.resumed_at)
            };
            let whereabouts = |number| self.whereabouts(holdings, number);
            let Search { found, unknown, is_cut } = concealed::search(holdings, epoch, whereabouts);
            let known_by_leaf = found.into_iter().filter_map(|left_out| match left_out.known_by {
                KnownBy::Leaf(index) => Some(index.0),
                KnownBy::Own | KnownBy::Receipt(_) => None,
            });
            let displaced = comparison.displaced.iter().copied().take(DIFFERENCES);
            // Earlier audits have compared other entries with the leaves before.
            let begin = Place { epoch: self.epoch, index: LedgerIndex::default() };
            let end = Place { epoch: self.epoch, index: LedgerIndex(self.resumed_at) };
            let authored_late = holdings.authored.iter().filter(|authored| {
                (begin..end).contains(&authored.place) && !holdings.entries.kind(authored.number).is_past
            });
            let late: Vec<u64> = late.into_iter().chain(authored_late.map(|authored| authored.place.index.0)).collect();
            self.late = late.len();
            let most = differs.len().max(comparison.displaced.len()).max(comparison.other_roots.len());
            self.is_cut = is_cut || most > DIFFERENCES;
            let differs = differs.into_iter().take(DIFFERENCES);
            self.leaves = late.into_iter().chain(differs).chain(displaced).chain(known_by_leaf).collect();
            self.named = unknown.into_iter().collect();
            if self.resumed_at > 0 {
                self.named.extend(holdings.acknowledged_outside(self.epoch));
            }
            self.named.sort_unstable();
            self.named.dedup();
        }
        self.leaves.sort_unstable();
        self.leaves.dedup();
    }

    /// Whether only an audit from the start sees everything: more came late than is proved one by one, or it came in a way that an audit which goes on
    /// does not see.
    pub(super) fn needs_the_start(&self, holdings: &Holdings) -> bool {
        let is_of_earlier_epoch =
            |authored: &Authored| authored.place.epoch < self.epoch && !holdings.entries.kind(authored.number).is_past;
        let sees_less = || {
            self.late > LATE
                || self.is_cut
                || holdings.has_unknown_answers
                || holdings.authored.iter().any(is_of_earlier_epoch)
        };
        holdings.resume.is_some() && sees_less()
    }

    /// Where the agency's ledger has an entry, by the leaves that were compared.
    pub(super) fn whereabouts(&self, holdings: &Holdings, number: Number) -> Whereabouts {
        match holdings.entries.shown_at(number) {
            Some(index) => Whereabouts::Leaf(index),
            None if self.compares && self.resumed_at > 0 => Whereabouts::Unknown,
            None => Whereabouts::Nowhere,
        }
    }

    /// The question of a step that asks from a list; `None` for other steps and at the end.
    pub(super) fn question(&self, step: Step, holdings: &Holdings) -> Option<wire::Prove> {
        Some(match step {
            Step::Tree => wire::Prove::default(),
            Step::Declaration => wire::Prove { leaves: vec![0], whole: true, ..Default::default() },
            Step::Sizes(from) => wire::Prove { sizes: part(&self.sizes, from, SIZES), ..Default::default() },
            Step::Named(from) => {
                let named = self.named.iter().skip(from).take(LEAVES);
                let entries = named.filter_map(|entry| holdings.name_of(*entry)).collect();
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
