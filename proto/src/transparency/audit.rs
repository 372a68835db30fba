//! An audit of another agency's ledger: what the auditing node holds, compared with what the agency shows when it is asked.
//!
//! Must not know how a question travels, how the own ledger is stored, or where evidence is kept. A daemon and a simulator drive it alike:
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
//! | [`holdings`] | what the own ledger says about the agency |
//! | [`answer`] | one answer of the agency, verified under the checkpoint in it |
//! | `shown` | all answers of one audit |
//! | `suspicions` | what becomes an accusation |
//! | [`recheck`] | the question of the watch: does the agency's tree begin with what it signed before |
//! | [`schedule`] | whose audit is due |
//!
//! Invariants:
//! - nothing counts as shown that is not proved under a checkpoint that the agency signed;
//! - a suspicion is reported only if [`Judge`] holds it for proven, so that an honest agency is never accused;
//! - every audit ends: each answer brings it one question further, and the first question without a usable answer ends it;
//! - the same holdings, answers and times give the same findings in the same order.

pub mod answer;
pub mod holdings;
pub mod recheck;
pub mod schedule;
mod shown;
mod suspicions;

use std::collections::BTreeMap;

use self::answer::NoProof;
use self::holdings::Holdings;
use self::shown::Shown;
use self::suspicions::Suspicions;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::complaint::Complaint;
use crate::entry::Entry;
use crate::transparency::evidence::{Finding, Judge, Statement};
use crate::wire::{self, accusation::Finding as Kind};

/// Findings of one kind in one audit. More of them say nothing new and would crowd out the evidence against others.
const FINDINGS_OF_A_KIND: usize = 100;
/// Leaves of one question. Their audit paths fit into one answer.
const LEAVES: usize = 512;
/// Earlier sizes of one question.
const SIZES: usize = 256;
/// Bytes of shown leaves that are kept because this node does not have them. The agency could show any number.
const LACKING_BYTES: usize = 64 * 1024 * 1024;

/// What is audited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only this complaint.
    pub complaint: Option<ComplaintId>,
    /// Only what the auditing node wrote or received at or after this time, and offers whose time to answer ended then. In milliseconds since
    /// 1970.
    pub since: u64,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Leaves that were checked.
    pub checked: u64,
    /// Leaves to check; 0 until the agency has shown how long its ledger is.
    pub total: u64,
}

/// The name of a stored receipt, chosen by the owner of the [`Records`] (a position in a file, an index).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptRef(pub u64);

/// A complaint with its entries, each after its parents.
#[derive(Clone, Debug)]
pub struct HeldCase {
    /// What the entries add up to.
    pub complaint: Complaint,
    /// The entries in the order of the auditing node's ledger.
    pub entries: Vec<Entry>,
}

/// The auditing node's own records, read only when a finding quotes them: evidence needs whole entries and receipts, and an audit of a large
/// ledger cannot hold all of them in memory.
pub trait Records {
    /// Why a record cannot be read.
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

/// What an audit found.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The audited agency.
    pub agency: AgencyId,
    /// Leaves of the ledger that it showed; `None`: it showed none.
    pub size: Option<u64>,
    /// Whether every question was answered.
    pub is_whole: bool,
    /// Leaves that it proved to be in its ledger.
    pub checked: u64,
    /// Entries that it acknowledged in earlier epochs of its ledger. Its present tree says nothing about them.
    pub of_earlier_epochs: u64,
    /// The findings, proven ones first: each accusation with what it says.
    pub findings: Vec<(wire::Accusation, Statement)>,
}

/// A running audit.
#[derive(Debug)]
pub struct Audit {
    holdings: Holdings,
    shown: Shown,
    plan: Plan,
    step: Step,
    /// When the first question was asked, milliseconds since 1970.
    asked_at: u64,
    /// Why not everything was shown.
    silence: Option<String>,
}

/// What to ask, known with the first answer.
#[derive(Debug, Default)]
struct Plan {
    /// Leaves of the first tree that was shown.
    size: u64,
    /// Earlier sizes that the tree must begin with, ascending.
    sizes: Vec<u64>,
    /// Whether the ledger's first leaf must declare its epoch.
    is_declared: bool,
    /// Whether all leaves are read instead of those that the auditing node knows of: oversight agencies may.
    reads_whole: bool,
    /// Leaves that the auditing node knows of, ascending.
    leaves: Vec<u64>,
}

/// The next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Show the newest tree.
    Tree,
    /// Show that the tree begins with [`Plan::sizes`], from this one of them on.
    Sizes(usize),
    /// Show the first leaf.
    Declaration,
    /// Prove [`Plan::leaves`], from this one of them on.
    Leaves(usize),
    /// Show all leaves from this one on.
    WholeLeaves(u64),
    /// Everything was asked, or an answer was not usable.
    Done,
}

impl Audit {
    /// Begins an audit. `now`: milliseconds since 1970.
    pub fn new(holdings: Holdings, now: u64) -> Self {
        let (shown, plan) = (Shown::default(), Plan::default());
        Self { holdings, shown, plan, step: Step::Tree, asked_at: now, silence: None }
    }

    /// What to ask the agency next; `None`: nothing more, [`Audit::conclude`].
    pub fn question(&self) -> Option<wire::Prove> {
        let mut prove = match self.step {
            Step::Tree => wire::Prove::default(),
            Step::Sizes(from) => wire::Prove { sizes: part(&self.plan.sizes, from, SIZES), ..Default::default() },
            Step::Declaration => wire::Prove { first_leaf: 0, leaf_count: 1, ..Default::default() },
            Step::Leaves(from) => wire::Prove { leaves: part(&self.plan.leaves, from, LEAVES), ..Default::default() },
            Step::WholeLeaves(from) => {
                let leaf_count = (self.plan.size - from).min(LEAVES as u64);
                wire::Prove { first_leaf: from, leaf_count, ..Default::default() }
            }
            Step::Done => return None,
        };
        // The ledger may grow between two answers: each tree must begin with the one before.
        prove.sizes.extend(self.shown.newest().map(|tree| tree.checkpoint.size));
        Some(prove)
    }

    /// The agency's answer to [`Audit::question`], under the charters of now.
    pub fn answer(&mut self, proof: wire::Proof, charters: &Charters) {
        let Some(question) = self.question() else { return };
        match self.taken(&question, proof, charters) {
            Ok(step) => self.step = self.this_or_next(step),
            Err(problem) => self.unanswered(problem.to_string()),
        }
    }

    /// The question has no answer; `problem` says why, in words. What was shown before counts.
    pub fn unanswered(&mut self, problem: String) {
        if self.step != Step::Done {
            self.silence = Some(problem);
            self.step = Step::Done;
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let total = if self.plan.reads_whole { self.plan.size } else { self.plan.leaves.len() as u64 };
        Progress { checked: self.shown.checked().min(total), total }
    }

    /// Puts what is held beside what was shown, under the charters of now. `now`: milliseconds since 1970.
    ///
    /// # Errors
    /// When the own records cannot be read.
    pub fn conclude<R: Records>(self, records: &R, charters: &Charters, now: u64) -> Result<Audited, R::Error> {
        let Self { holdings, shown, step, asked_at, silence, .. } = self;
        let is_whole = step == Step::Done && silence.is_none();
        let mut suspicions: Vec<Kind> = Vec::new();
        suspicions.extend(silence.map(|answer| Kind::Unresponsive(wire::Unresponsive { asked_at, answer })));
        suspicions.extend(Suspicions { holdings: &holdings, shown: &shown, records, charters }.all()?);
        let newest = shown.newest().map(|tree| &tree.checkpoint);
        Ok(Audited {
            findings: judged(&holdings.assignment.agency, suspicions, charters, now),
            size: newest.map(|newest| newest.size),
            is_whole,
            checked: shown.checked(),
            of_earlier_epochs: newest.map_or(0, |newest| holdings.acknowledged_outside(newest.epoch)),
            agency: holdings.assignment.agency,
        })
    }

    /// Takes an answer; the step that follows.
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
                self.leaves_from_the_start()
            }
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

    /// What to ask of the ledger whose tree was just shown.
    fn plan(&self, charters: &Charters) -> Plan {
        let Some(tree) = self.shown.newest() else { return Plan::default() };
        let (epoch, size) = tree.extent();
        let assignment = &self.holdings.assignment;
        Plan {
            size,
            sizes: self.holdings.sizes_within(epoch, size),
            // Every epoch but the first begins with its declaration, which everybody may read.
            is_declared: epoch > Epoch::FIRST && size > 0,
            reads_whole: charters.newest().is_oversight(&assignment.auditor) && assignment.scope.complaint.is_none(),
            leaves: self.holdings.leaves_within(epoch, size),
        }
    }

    fn leaves_from_the_start(&self) -> Step {
        if self.plan.reads_whole { Step::WholeLeaves(0) } else { Step::Leaves(0) }
    }

    /// This step, or the first one after it that has something to ask.
    fn this_or_next(&self, step: Step) -> Step {
        let plan = &self.plan;
        let next = match step {
            Step::Sizes(from) if from >= plan.sizes.len() && plan.is_declared => Step::Declaration,
            Step::Sizes(from) if from >= plan.sizes.len() => self.leaves_from_the_start(),
            other => other,
        };
        match next {
            Step::Leaves(from) if from >= plan.leaves.len() => Step::Done,
            Step::WholeLeaves(from) if from >= plan.size => Step::Done,
            other => other,
        }
    }

    /// Notes a leaf that was shown whole; its bytes only if this node does not have the entry.
    fn take_whole_leaf(&mut self, index: LedgerIndex, signed: Vec<u8>) {
        let Some(id) = entry_id(&signed) else { return };
        let is_lacking = !self.holdings.entries.contains_key(&id) && self.shown.lacking_bytes < LACKING_BYTES;
        self.shown.lacking_bytes += if is_lacking { signed.len() } else { 0 };
        self.shown.whole.insert(id, (index, Some(signed).filter(|_| is_lacking)));
    }
}

/// What the judge holds for proven, proven findings first, and of each kind not too many.
fn judged(
    agency: &AgencyId,
    suspicions: Vec<Kind>,
    charters: &Charters,
    now: u64,
) -> Vec<(wire::Accusation, Statement)> {
    let judge = Judge::new(charters);
    let accuse = |finding| {
        let accusation = wire::Accusation { accused: agency.to_string(), finding: Some(finding) };
        // What looked wrong and is not is dropped here.
        let statement = judge.judge(&accusation, now).ok()?;
        Some((accusation, statement))
    };
    let mut findings: Vec<_> = suspicions.into_iter().filter_map(accuse).collect();
    findings.sort_by_key(|(_, statement)| (!statement.finding.is_proven(), statement.finding));
    findings.dedup_by(|(_, one), (_, other)| one == other);
    let mut of_kind = BTreeMap::<Finding, usize>::new();
    findings.retain(|(_, statement)| {
        let count = of_kind.entry(statement.finding).or_default();
        *count += 1;
        *count <= FINDINGS_OF_A_KIND
    });
    findings
}

/// The id of the entry in these `SignedEntry` bytes.
fn entry_id(signed: &[u8]) -> Option<EntryId> {
    use prost::Message;
    let envelope = wire::SignedEntry::decode(signed).ok()?;
    Some(EntryId::of(&envelope.entry))
}

/// At most `most` of a list, from one of them on.
fn part(all: &[u64], from: usize, most: usize) -> Vec<u64> {
    all.iter().skip(from).take(most).copied().collect()
}

#[cfg(test)]
mod tests;
