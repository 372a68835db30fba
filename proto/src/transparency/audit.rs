//! An audit of another agency's ledger: it compares the records of the auditing node with the answers of the agency.
//!
//! Must not know how a question travels, how the own ledger is stored, or where evidence is kept. The daemon and the simulator drive it in the
//! same way:
//!
//! ```text
//! own records -> Holdings -> Audit::new
//!                              |
//!                              v
//!                  +-----> question --Some--> ask the agency --+
//!                  |           |                               |
//!                  |          None                             |
//!                  |           v                               |
//!                  |       conclude -> Audited: the findings   |
//!                  +------- answer, or unanswered <------------+
//! ```
//!
//! | file | content |
//! |---|---|
//! | [`holdings`] | the auditing node's records about the agency |
//! | [`answer`] | one answer of the agency, verified under the checkpoint in it |
//! | `shown` | all answers of one audit |
//! | `suspicions` | the comparison: everything that looks wrong becomes a suspicion |
//! | [`consistency`] | the question of the watch: does the agency's tree begin with the trees that it signed before |
//! | [`schedule`] | the agency whose audit is due |
//!
//! Invariants:
//! - a leaf or a tree counts as shown only if it is proved under a checkpoint that the agency signed;
//! - a suspicion is reported only if the [`Judge`] confirms it, so an honest agency is never accused;
//! - every audit ends: each answer leads to the next question, and the first question without a usable answer ends the audit;
//! - a failure of the auditing node or of the link is never a finding against the agency;
//! - the same holdings, answers and times give the same findings in the same order.

pub mod answer;
pub mod consistency;
pub mod holdings;
pub mod schedule;
mod shown;
mod suspicions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use self::answer::NoProof;
use self::holdings::Holdings;
use self::shown::Shown;
use self::suspicions::Suspicions;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::complaint::Complaint;
use crate::entry::{Entry, id_in};
use crate::transparency::evidence::{Finding, Judge, Statement};
use crate::wire::{self, accusation::Finding as Kind};

/// Most findings of one kind in one audit. Further ones say nothing new and would take the room of evidence against others.
const FINDINGS_OF_A_KIND: usize = 100;
/// Most leaves in one question. Their audit paths fit into one answer.
const LEAVES: usize = 512;
/// Most older sizes in one question.
const SIZES: usize = 256;
/// Most bytes of shown leaves that are kept because this node does not have them. A dishonest agency could show any number of leaves.
const LACKING_BYTES: usize = 64 * 1024 * 1024;

/// The scope of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only this complaint.
    pub complaint: Option<ComplaintId>,
    /// Only entries and receipts that the auditing node wrote or received at or after this time, and offers whose time to answer ended at or
    /// after it. In milliseconds since 1970.
    pub since: u64,
}

/// The progress of an audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of leaves that were checked.
    pub checked: u64,
    /// Number of leaves to check. 0 until the agency has shown the size of its ledger.
    pub total: u64,
}

/// The name of a stored receipt, chosen by the owner of the [`Records`] (a position in a file, an index).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptRef(pub u64);

/// A complaint with its entries, each after its parents.
#[derive(Clone, Debug)]
pub struct HeldCase {
    /// The state that the entries give.
    pub complaint: Complaint,
    /// The entries with their envelopes, in the order of the auditing node's ledger.
    pub entries: Vec<Entry>,
}

/// The auditing node's own records. Evidence quotes whole entries and receipts. They are read only when a finding needs them, because the
/// records of a large ledger do not fit into memory.
pub trait Records {
    /// The error of a record that cannot be read.
    type Error;

    /// The `SignedEntry` bytes of a leaf of the own ledger.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn entry(&self, leaf: LedgerIndex) -> Result<Vec<u8>, Self::Error>;

    /// The serialised `Ack` of a stored receipt.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn receipt(&self, receipt: ReceiptRef) -> Result<Vec<u8>, Self::Error>;

    /// The complaints that an agency holds, in any fixed order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn held_by(&self, agency: &AgencyId) -> Result<Vec<ComplaintId>, Self::Error>;

    /// A complaint of [`Records::held_by`]; `None` if it is gone by now.
    ///
    /// # Errors
    /// When it cannot be read.
    fn case(&self, complaint: &ComplaintId) -> Result<Option<HeldCase>, Self::Error>;
}

/// The reason in words why a question has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// This node or the link failed: the question was not sent, or the link did not last as long as the agency had time to answer. It says nothing
    /// about the agency.
    Own(String),
    /// The agency had the question over a link that was up all the time, and answered nothing in time, or nothing usable.
    Peer(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Own(reason) | Self::Peer(reason)) = self;
        f.write_str(reason)
    }
}

/// The result of an audit.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The audited agency.
    pub agency: AgencyId,
    /// Number of leaves of the ledger that it showed. `None` if it showed no ledger.
    pub size: Option<u64>,
    /// The reason why the questions ended early. `None` if every question was answered.
    pub no_answer: Option<NoAnswer>,
    /// Number of leaves that it proved to be in its ledger.
    pub checked: u64,
    /// Number of entries that it acknowledged in earlier epochs of its ledger. Its present tree says nothing about them.
    pub of_earlier_epochs: u64,
    /// Those of them that its present ledger does not hold, each with its complaint. An agency that has lost its ledger still owes what it acknowledged.
    pub lost: Vec<(EntryId, ComplaintId)>,
    /// The findings, proven ones first: each accusation with the judge's statement.
    pub findings: Vec<(wire::Accusation, Statement)>,
}

/// A running audit.
#[derive(Debug)]
pub struct Audit {
    holdings: Holdings,
    shown: Shown,
    plan: Plan,
    step: Step,
    /// Time of the first question, in milliseconds since 1970.
    asked_at: u64,
    /// The reason if a question was not answered.
    no_answer: Option<NoAnswer>,
}

/// The plan of the questions. It is made after the first answer.
#[derive(Debug, Default)]
struct Plan {
    /// Number of leaves of the first tree that was shown.
    size: u64,
    /// Sizes of older trees with which the tree must begin, ascending.
    sizes: Vec<u64>,
    /// Whether the ledger's first leaf must declare its epoch.
    is_declared: bool,
    /// Whether all leaves are read, and not only those that the auditing node knows of. Only oversight agencies may do this.
    reads_whole: bool,
    /// Entries that the agency acknowledged in earlier epochs only.
    named: Vec<EntryId>,
    /// Leaves that the auditing node knows of, ascending.
    leaves: Vec<u64>,
}

/// The next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Show the newest tree.
    Tree,
    /// Show that the tree begins with the trees of [`Plan::sizes`], from this position in the list on.
    Sizes(usize),
    /// Show the first leaf.
    Declaration,
    /// Show where [`Plan::named`] are, from this position in the list on.
    Named(usize),
    /// Prove [`Plan::leaves`], from this position in the list on.
    Leaves(usize),
    /// Show all leaves from this one on.
    WholeLeaves(u64),
    /// Everything was asked, or an answer was not usable.
    Done,
}

impl Audit {
    /// Begins an audit. `now` is in milliseconds since 1970.
    pub fn new(holdings: Holdings, now: u64) -> Self {
        let (shown, plan) = (Shown::default(), Plan::default());
        Self { holdings, shown, plan, step: Step::Tree, asked_at: now, no_answer: None }
    }

    /// The next question to the agency. `None` if there is nothing more to ask; then [`Audit::conclude`].
    pub fn question(&self) -> Option<wire::Prove> {
        let mut prove = match self.step {
            Step::Tree => wire::Prove::default(),
            Step::Sizes(from) => wire::Prove { sizes: part(&self.plan.sizes, from, SIZES), ..Default::default() },
            Step::Declaration => wire::Prove { first_leaf: 0, leaf_count: 1, ..Default::default() },
            Step::Named(from) => {
                let named = self.plan.named.iter().skip(from).take(LEAVES);
                let entries = named.filter_map(|entry| self.holdings.name_of(entry)).collect();
                wire::Prove { entries, ..Default::default() }
            }
            Step::Leaves(from) => wire::Prove { leaves: part(&self.plan.leaves, from, LEAVES), ..Default::default() },
            Step::WholeLeaves(from) => {
                let leaf_count = (self.plan.size - from).min(LEAVES as u64);
                wire::Prove { first_leaf: from, leaf_count, ..Default::default() }
            }
            Step::Done => return None,
        };
        // The ledger may grow between two answers. Each tree must begin with the one before.
        prove.sizes.extend(self.shown.newest().map(|tree| tree.checkpoint.size));
        Some(prove)
    }

    /// Takes the agency's answer to [`Audit::question`]. `charters` are the ones trusted now.
    pub fn answer(&mut self, proof: wire::Proof, charters: &Charters) {
        let Some(question) = self.question() else { return };
        match self.taken(&question, proof, charters) {
            Ok(step) => self.step = self.this_or_next(step),
            Err(problem) => self.unanswered(NoAnswer::Peer(problem.to_string())),
        }
    }

    /// Ends the questions because one has no answer. Earlier answers still count.
    pub fn unanswered(&mut self, reason: NoAnswer) {
        if self.step != Step::Done {
            self.no_answer = Some(reason);
            self.step = Step::Done;
        }
    }

    /// Whether the agency has shown nothing of its ledger.
    pub fn has_no_answer(&self) -> bool {
        self.shown.newest().is_none()
    }

    /// The progress of the audit.
    pub fn progress(&self) -> Progress {
        let total = if self.plan.reads_whole { self.plan.size } else { self.plan.leaves.len() as u64 };
        Progress { checked: self.shown.checked().min(total), total }
    }

    /// Compares the holdings with the answers, and judges every suspicion. `charters` are the ones trusted now. `now` is in milliseconds since
    /// 1970.
    ///
    /// Only a silence of the agency is a finding. If the first question failed because of this node or the link, there is no finding at all: the
    /// agency could not be reached, and perhaps this is also why something of it is missing here.
    ///
    /// # Errors
    /// When the own records cannot be read.
    pub fn conclude<R: Records>(self, records: &R, charters: &Charters, now: u64) -> Result<Audited, R::Error> {
        let is_unreached = self.has_no_answer() && matches!(self.no_answer, Some(NoAnswer::Own(_)));
        let Self { holdings, shown, asked_at, no_answer, .. } = self;
        let mut suspicions: Vec<Kind> = Vec::new();
        if let Some(NoAnswer::Peer(answer)) = &no_answer {
            suspicions.push(Kind::Unresponsive(wire::Unresponsive { asked_at, answer: answer.clone() }));
        }
        if !is_unreached {
            suspicions.extend(Suspicions { holdings: &holdings, shown: &shown, records, charters }.all()?);
        }
        let newest = shown.newest().map(|tree| &tree.checkpoint);
        Ok(Audited {
            findings: judged(&holdings.assignment.agency, suspicions, charters, now),
            size: newest.map(|newest| newest.size),
            no_answer,
            checked: shown.checked(),
            of_earlier_epochs: newest.map_or(0, |newest| holdings.acknowledged_outside(newest.epoch).len() as u64),
            lost: shown.lost().filter_map(|entry| Some((*entry, holdings.entries.get(entry)?.complaint))).collect(),
            agency: holdings.assignment.agency,
        })
    }

    /// Takes an answer. Returns the step that follows.
    fn taken(&mut self, question: &wire::Prove, proof: wire::Proof, charters: &Charters) -> Result<Step, NoProof> {
        let leaves = self.shown.take(question, proof, &self.holdings.assignment.agency, charters)?;
        Ok(match self.step {
            Step::Tree => {
                self.plan = self.plan(charters);
                Step::Sizes(0)
            }
            Step::Sizes(from) => Step::Sizes(from + SIZES),
            Step::Declaration => {
                self.shown.first = leaves.into_iter().next();
                Step::Named(0)
            }
            Step::Named(from) => Step::Named(from + LEAVES),
            Step::Leaves(from) => Step::Leaves(from + LEAVES),
            Step::WholeLeaves(from) => {
                let next = from + leaves.len() as u64;
                for (index, signed) in (from..).map(LedgerIndex).zip(leaves) {
                    self.take_whole_leaf(index, signed);
                }
                Step::WholeLeaves(next)
            }
            Step::Done => Step::Done,
        })
    }

    /// The plan for the ledger whose tree was just shown.
    fn plan(&self, charters: &Charters) -> Plan {
        let Some(tree) = self.shown.newest() else { return Plan::default() };
        let (epoch, size) = tree.extent();
        let assignment = &self.holdings.assignment;
        Plan {
            size,
            sizes: self.holdings.sizes_within(epoch, size),
            // Every epoch but the first begins with its declaration, which every agency may read.
            is_declared: epoch > Epoch::FIRST && size > 0,
            reads_whole: charters.newest().is_oversight(&assignment.auditor) && assignment.scope.complaint.is_none(),
            named: self.holdings.acknowledged_outside(epoch),
            leaves: self.holdings.leaves_within(epoch, size),
        }
    }

    fn leaves_from_the_start(&self) -> Step {
        if self.plan.reads_whole { Step::WholeLeaves(0) } else { Step::Leaves(0) }
    }

    /// This step if it has something to ask, otherwise the first later step that has.
    fn this_or_next(&self, step: Step) -> Step {
        let plan = &self.plan;
        let next = match step {
            Step::Sizes(from) if from >= plan.sizes.len() && plan.is_declared => Step::Declaration,
            Step::Sizes(from) if from >= plan.sizes.len() => Step::Named(0),
            other => other,
        };
        let next = match next {
            Step::Named(from) if from >= plan.named.len() => self.leaves_from_the_start(),
            other => other,
        };
        match next {
            Step::Leaves(from) if from >= plan.leaves.len() => Step::Done,
            Step::WholeLeaves(from) if from >= plan.size => Step::Done,
            other => other,
        }
    }

    /// Keeps the index of a leaf that was shown whole, and its bytes if this node does not have the entry.
    fn take_whole_leaf(&mut self, index: LedgerIndex, signed: Vec<u8>) {
        let Some(id) = id_in(&signed) else { return };
        let is_lacking = !self.holdings.entries.contains_key(&id) && self.shown.lacking_bytes < LACKING_BYTES;
        self.shown.lacking_bytes += if is_lacking { signed.len() } else { 0 };
        self.shown.whole.insert(id, (index, Some(signed).filter(|_| is_lacking)));
    }
}

/// The suspicions that the judge confirms: proven findings first, each finding once, and of each kind at most [`FINDINGS_OF_A_KIND`].
fn judged(
    agency: &AgencyId,
    suspicions: Vec<Kind>,
    charters: &Charters,
    now: u64,
) -> Vec<(wire::Accusation, Statement)> {
    let judge = Judge::new(charters);
    let accuse = |finding| {
        let accusation = wire::Accusation { accused: agency.to_string(), finding: Some(finding) };
        // A suspicion that the judge does not confirm is dropped here.
        let statement = judge.judge(&accusation, now).ok()?;
        Some((accusation, statement))
    };
    let mut findings: Vec<_> = suspicions.into_iter().filter_map(accuse).collect();
    findings.sort_by_key(|(_, statement)| (!statement.finding.is_proven(), statement.finding));
    let mut ids = BTreeSet::new();
    findings.retain(|(_, statement)| ids.insert(statement.id));
    let mut of_kind = BTreeMap::<Finding, usize>::new();
    findings.retain(|(_, statement)| {
        let count = of_kind.entry(statement.finding).or_default();
        *count += 1;
        *count <= FINDINGS_OF_A_KIND
    });
    findings
}

/// At most `most` elements of a list, from the position `from` on.
fn part(all: &[u64], from: usize, most: usize) -> Vec<u64> {
    all.iter().skip(from).take(most).copied().collect()
}

#[cfg(test)]
mod tests;
