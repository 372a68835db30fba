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
//! An audit of a whole ledger reads the hashes of all leaves and computes the root itself. It asks for proofs only where something differs. The next
//! one goes on from there ([`Resume`]) and looks only at what is new on both sides. An audit of one complaint asks for the proof of each leaf that the
//! auditing node expects.
//!
//! | file | content |
//! |---|---|
//! | [`holdings`] | the auditing node's records about the agency |
//! | `own_entries`, `own_checkpoints` | the entries and checkpoints in them |
//! | [`answer`] | one answer of the agency, verified under the checkpoint in it |
//! | `shown` | all answers of one audit |
//! | `comparison` | the hashes of the agency's leaves, compared with the holdings |
//! | `lacking` | the agency's leaves that the auditing node does not have |
//! | `plan` | the questions of one audit |
//! | [`resume`], `going_on` | the point from which the next audit goes on, and how it is made |
//! | `concealed` | the agency's entries that leave out what it knew |
//! | `suspicions` | everything that looks wrong becomes a suspicion |
//! | [`consistency`] | the question of the watch: does the agency's tree begin with the trees that it signed before |
//! | [`schedule`] | the agency whose audit is due |
//!
//! Invariants:
//! - a leaf or a tree counts as shown only if it is proved under a checkpoint that the agency signed;
//! - a suspicion is reported only if the [`Judge`] confirms it, so an honest agency is never accused;
//! - every audit ends: each answer leads to the next question, and the first question without a usable answer ends the audit;
//! - an audit that goes on from an earlier one accuses nobody whom one from the start would not accuse. What it may miss, the next one from the start
//!   finds, a week later at most;
//! - a failure of the auditing node or of the link is never a finding against the agency;
//! - the same holdings, answers and times give the same findings in the same order.

pub mod answer;
mod comparison;
mod concealed;
pub mod consistency;
mod going_on;
pub mod holdings;
mod lacking;
mod own_checkpoints;
mod own_entries;
mod plan;
pub mod resume;
pub mod schedule;
mod shown;
mod suspicions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use self::answer::NoProof;
use self::comparison::Comparison;
use self::concealed::Whereabouts;
use self::going_on::resume_after;
use self::holdings::Holdings;
use self::lacking::Lacking;
use self::own_entries::Number;
use self::plan::{Plan, Step};
use self::resume::Resume;
use self::shown::Shown;
use self::suspicions::Suspicions;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use crate::charter::Charters;
use crate::complaint::Complaint;
use crate::entry::{Entry, open};
use crate::tlog::frontier::Frontier;
use crate::transparency::evidence::{Finding, Judge, Statement};
use crate::wire::{self, accusation::Finding as Kind};

/// Most findings of one kind in one audit. Further ones say nothing new and would take the room of evidence against others.
const FINDINGS_OF_A_KIND: usize = 100;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
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

    /// Whether the own ledger has an entry.
    ///
    /// # Errors
    /// When the records cannot be read.
    fn has(&self, entry: &Entry) -> Result<bool, Self::Error>;

    /// The entries of a complaint that are in the own ledger before a leaf, in their order, each with its leaf.
    ///
    /// # Errors
    /// When they cannot be read.
    fn entries_before(
        &self,
        complaint: &ComplaintId,
        leaf: LedgerIndex,
    ) -> Result<Vec<(LedgerIndex, Entry)>, Self::Error>;

    /// Receipts of an agency for a leaf of the own ledger, as serialised `Ack`s. Some may be for other leaves.
    ///
    /// # Errors
    /// When they cannot be read.
    fn receipts_for(&self, agency: &AgencyId, leaf: LedgerIndex) -> Result<Vec<(ReceiptRef, Vec<u8>)>, Self::Error>;

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
    /// Number of leaves that this audit compared or that it proved to be in its ledger.
    pub checked: u64,
    /// Number of leaves before them that an earlier audit compared.
    pub checked_before: u64,
    /// Number of entries that it acknowledged in earlier epochs of its ledger. Its present tree says nothing about them.
    pub of_earlier_epochs: u64,
    /// Those of them that its present ledger does not hold, each with its complaint. An agency that has lost its ledger still owes what it acknowledged.
    pub lost: Vec<(EntryId, ComplaintId)>,
    /// The findings, proven ones first: each accusation with the judge's statement.
    pub findings: Vec<(wire::Accusation, Statement)>,
    /// The point from which the next audit goes on, as soon as the findings are kept. `None`: from the same point as this one.
    pub resume: Option<Resume>,
}

/// A running audit.
#[derive(Debug)]
pub struct Audit {
    holdings: Holdings,
    shown: Shown,
    comparison: Comparison,
    lacking: Lacking,
    plan: Plan,
    step: Step,
    /// Time of the first question, in milliseconds since 1970.
    asked_at: u64,
    /// The reason if a question was not answered.
    no_answer: Option<NoAnswer>,
    must_begin_anew: bool,
}

impl Audit {
    /// Begins an audit. `now` is in milliseconds since 1970.
    pub fn new(mut holdings: Holdings, now: u64) -> Self {
        holdings.sort();
        let (shown, comparison, lacking) = (Shown::default(), Comparison::default(), Lacking::default());
        let (plan, step) = (Plan::default(), Step::Tree);
        let (no_answer, must_begin_anew) = (None, false);
        Self { holdings, shown, comparison, lacking, plan, step, asked_at: now, no_answer, must_begin_anew }
    }

    /// The next question to the agency. `None` if there is nothing more to ask; then [`Audit::conclude`].
    pub fn question(&self) -> Option<wire::Prove> {
        let mut prove = match self.step {
            Step::Hashes => {
                let (first_hash, end) = (self.comparison.compared(), self.comparison.end_of_next(self.plan.size));
                // The tree must begin with the leaves that an earlier audit has compared.
                let sizes = if self.is_going_on() { vec![end, first_hash] } else { vec![end] };
                wire::Prove { first_hash, hash_count: end - first_hash, sizes, ..Default::default() }
            }
            Step::Lacking => {
                let leaves = self.lacking.to_ask.iter().take(plan::LEAVES).copied().collect();
                wire::Prove { leaves, whole: true, ..Default::default() }
            }
            step => self.plan.question(step, &self.holdings)?,
        };
        // The ledger may grow between two answers. Each tree must begin with the one before.
        prove.sizes.extend(self.shown.newest().map(|tree| tree.checkpoint.size));
        Some(prove)
    }

    /// Takes the agency's answer to [`Audit::question`]. `charters` are the ones trusted now.
    ///
    /// # Errors
    /// When the own records cannot be read.
    pub fn answer<R: Records>(&mut self, proof: wire::Proof, charters: &Charters, records: &R) -> Result<(), R::Error> {
        let Some(question) = self.question() else { return Ok(()) };
        let mut failure = None;
        let is_here = |entry: &Entry| {
            records.has(entry).unwrap_or_else(|error| {
                failure = Some(error);
                true
            })
        };
        match self.taken(&question, proof, charters, is_here) {
            Ok(step) => self.step = step,
            // The leaves of the epoch before were proved, so they still count.
            Err(NoProof::NewEpoch(epoch)) => {
                let agency = &self.holdings.assignment.agency;
                self.unanswered(NoAnswer::Own(format!("{agency} began epoch {epoch} meanwhile: audit it again")));
            }
            Err(problem) => self.unanswered(NoAnswer::Peer(problem.to_string())),
        }
        failure.map_or(Ok(()), Err)
    }

    /// Whether the agency's ledger is not the one that an earlier audit compared, or too much came late. Then drop this audit, and begin one at the
    /// start.
    pub fn must_begin_anew(&self) -> bool {
        self.must_begin_anew
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
        let total = match self.plan.compares {
            true => self.plan.size.saturating_sub(self.plan.resumed_at),
            false => self.plan.leaves.len() as u64,
        };
        Progress { checked: self.checked().min(total), total }
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
        let must_begin_anew = self.must_begin_anew;
        let is_unreached = self.has_no_answer() && matches!(self.no_answer, Some(NoAnswer::Own(_)));
        let (checked, is_compared) = (self.checked(), self.comparison.compared() == self.plan.size);
        let Self { holdings, shown, comparison, lacking, plan, asked_at, no_answer, .. } = self;
        let mut suspicions: Vec<Kind> = Vec::new();
        if let Some(NoAnswer::Peer(answer)) = &no_answer {
            suspicions.push(Kind::Unresponsive(wire::Unresponsive { asked_at, answer: answer.clone() }));
        }
        if !is_unreached {
            let (holdings, shown, lacking, plan) = (&holdings, &shown, &lacking, &plan);
            suspicions.extend(Suspicions { holdings, shown, lacking, plan, records, charters }.all()?);
        }
        let outside: Vec<_> =
            shown.epoch().map(|epoch| holdings.acknowledged_outside(epoch).collect()).unwrap_or_default();
        let is_lost = |number: &Number| match plan.whereabouts(&holdings, *number) {
            Whereabouts::Leaf(_) => false,
            Whereabouts::Nowhere if plan.compares => is_compared,
            Whereabouts::Nowhere | Whereabouts::Unknown => {
                holdings.named_id(*number).and_then(|id| shown.named.get(id)) == Some(&None)
            }
        };
        let (lost, held_again): (Vec<Number>, Vec<Number>) = outside.into_iter().partition(is_lost);
        let before = holdings.resume.as_ref().map_or(0, |resume| resume.held_again);
        let held_again = before + held_again.len() as u64;
        let of_earlier_epochs = held_again + lost.len() as u64;
        let findings = judged(&holdings.assignment.agency, suspicions, charters, now);
        let is_clean = no_answer.is_none() && !findings.iter().any(|(accusation, _)| is_found_by_comparing(accusation));
        let resume = comparison
            .next_begin()
            .filter(|_| is_clean && plan.compares && !plan.is_cut && !must_begin_anew)
            .and_then(|frontier| resume_after(&holdings, &shown, &lacking, &plan, frontier, held_again, &lost));
        let mut lost_entries = Vec::new();
        for number in &lost {
            let (entry, _) = open(records.entry(holdings.entries.leaf(*number))?.into()).unwrap_or_default();
            let parsed = Entry::parse_bare(entry, None, &holdings.federation).ok();
            lost_entries.extend(parsed.and_then(|parsed| Some((parsed.id, parsed.complaint?))));
        }
        lost_entries.sort_unstable();
        Ok(Audited {
            findings,
            size: shown.newest().map(|newest| newest.checkpoint.size),
            no_answer,
            checked,
            checked_before: plan.resumed_at,
            of_earlier_epochs,
            lost: lost_entries,
            agency: holdings.assignment.agency,
            resume,
        })
    }

    fn checked(&self) -> u64 {
        if self.plan.compares { self.comparison.compared_now() } else { self.shown.proved() }
    }

    /// Whether the next hashes are the first after those of an earlier audit.
    fn is_going_on(&self) -> bool {
        self.plan.resumed_at > 0 && self.comparison.compared_now() == 0
    }

    /// Takes an answer. Returns the step that follows.
    fn taken(
        &mut self,
        question: &wire::Prove,
        proof: wire::Proof,
        charters: &Charters,
        mut is_here: impl FnMut(&Entry) -> bool,
    ) -> Result<Step, NoProof> {
        let (epoch, agency) = (self.shown.epoch(), self.holdings.assignment.agency.clone());
        let (holdings, lacking, step) = (&self.holdings, &mut self.lacking, self.step);
        let keeps = |index: LedgerIndex, signed: &[u8]| {
            let is_lacked = |epoch| lacking.take(epoch, index, signed, holdings, charters, &mut is_here);
            step == Step::Declaration || epoch.is_some_and(is_lacked)
        };
        let parts = self.shown.take(question, proof, &agency, charters, keeps)?;
        match self.step {
            Step::Tree => self.begin(charters),
            Step::Declaration => self.shown.first = parts.whole.into_iter().next(),
            Step::Hashes => {
                let (begin, end) = (question.first_hash, question.first_hash + question.hash_count);
                if self.is_going_on() && self.shown.beginning(begin) != Some(self.comparison.root()) {
                    self.must_begin_anew = true;
                    return Ok(Step::Done);
                }
                let root = self.shown.beginning(end);
                let lacking = self.comparison.take(&parts.hashes, end, root, self.plan.epoch, &mut self.holdings)?;
                if self.plan.reads_lacking {
                    self.lacking.to_ask.extend(lacking);
                }
            }
            Step::Lacking => drop(self.lacking.to_ask.drain(..parts.whole.len())),
            Step::Sizes(_) | Step::Named(_) | Step::Leaves(_) | Step::Done => {}
        }
        Ok(if self.must_begin_anew { Step::Done } else { self.next_step() })
    }

    /// Plans the audit of the tree that was just shown.
    fn begin(&mut self, charters: &Charters) {
        let Some(tree) = self.shown.newest() else { return };
        self.plan = Plan::of(&self.holdings, tree, charters);
        let (epoch, size) = tree.extent();
        let frontier = match &self.holdings.resume {
            None => Frontier::default(),
            Some(resume) => {
                let frontier = resume.frontier().unwrap_or_default();
                let is_same = resume.epoch == epoch
                    && resume.size <= size
                    && (resume.size < size || frontier.root().0 == tree.checkpoint.root);
                self.must_begin_anew = !is_same;
                frontier
            }
        };
        // An oversight agency looks again at the leaves that it has not received yet.
        let received = self.holdings.assignment.received.filter(|received| received.epoch == epoch);
        let received = received.map_or(0, |received| received.index.0);
        let next_begin = if self.plan.reads_lacking { size.min(received) } else { size };
        self.comparison = Comparison::after(frontier, next_begin);
        self.lacking = Lacking::after(self.holdings.resume.as_ref().map_or(0, |resume| resume.adopted), next_begin);
    }

    /// The step after the present one: the next that has something to ask.
    fn next_step(&mut self) -> Step {
        let is_comparing = matches!(self.step, Step::Tree | Step::Declaration | Step::Hashes | Step::Lacking);
        if !is_comparing {
            return self.plan.next(self.step.onwards());
        }
        if self.step == Step::Tree && self.plan.is_declared {
            return Step::Declaration;
        }
        if !self.lacking.to_ask.is_empty() {
            return Step::Lacking;
        }
        if self.plan.compares && self.comparison.compared() < self.plan.size {
            return Step::Hashes;
        }
        self.plan.detail(&self.holdings, &self.comparison, self.shown.epoch());
        // This audit has read only a part of the own records. They may say why an entry is missing here, so nothing is stated.
        let is_stated = self.holdings.resume.is_some() && self.lacking.has_any();
        self.must_begin_anew = is_stated || self.plan.needs_the_start(&self.holdings);
        if self.must_begin_anew { Step::Done } else { self.plan.next(Step::Sizes(0)) }
    }
}

/// Whether only a new comparison of the same leaves finds this again. What was refused, deferred or not answered is carried to the next audit instead.
fn is_found_by_comparing(accusation: &wire::Accusation) -> bool {
    !matches!(
        accusation.finding,
        Some(Kind::Undelivered(_) | Kind::Unanswered(_) | Kind::RefusedWrongly(_) | Kind::EndlessDeferral(_))
    )
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

#[cfg(test)]
mod tests;
