//! Audits of peers' ledgers with the product's code, and the evidence of their findings (daemon: audit).
//!
//! Invariants:
//! - one audit runs at a time, and the product's schedule chooses the agency;
//! - a silence counts only over a link that lives;
//! - evidence is kept only if the product's judge finds it proven.

use std::collections::BTreeMap;
use std::time::Duration;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::engine::Input;
use sinergi_proto::sync::{Question, Reply};
use sinergi_proto::transparency::audit::holdings::Assignment;
use sinergi_proto::transparency::audit::resume::{RecordsUpTo, Resume};
use sinergi_proto::transparency::audit::schedule::Schedule;
use sinergi_proto::transparency::audit::{Audit, Audited, NoAnswer, Scope};
use sinergi_proto::transparency::evidence::{Judge, Statement};
use sinergi_proto::transparency::proofs::{SignedTree, prove};
use sinergi_proto::wire::{self, accusation::Finding};

use super::disk::Waiter;
use super::session::Asked;
use super::{Node, State};

/// How often each peer is audited.
const EVERY: Duration = Duration::from_secs(2 * 3600);
/// How often the node commits to the checkpoints of other agencies that it has seen, in milliseconds.
const WITNESS_EVERY: u64 = 90 * 60 * 1000;
/// The most checkpoints in one commitment.
const WITNESSED_AT_ONCE: usize = 1024;

/// The audits of a node.
pub(super) struct Audits {
    schedule: Schedule,
    running: Option<Running>,
    /// The points from which the next audits go on. In the daemon they are files beside the ledger.
    resume: BTreeMap<AgencyId, Resume>,
    /// The time of the last commitment to other agencies' checkpoints.
    witnessed: u64,
    /// The evidence files beside the ledger, by the id of the finding.
    evidence: BTreeMap<[u8; 32], Evidence>,
}

struct Running {
    agency: AgencyId,
    connection: u64,
    began: u64,
    audit: Audit,
}

/// One evidence file.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The accusation.
    pub accusation: wire::Accusation,
    /// The judge's statement about it.
    pub statement: Statement,
    /// When it was kept, by the node's clock, in milliseconds since 1970.
    pub at: u64,
}

impl Default for Audits {
    fn default() -> Self {
        let schedule = Schedule::new(EVERY, BTreeMap::new());
        Self { schedule, running: None, resume: BTreeMap::new(), witnessed: 0, evidence: BTreeMap::new() }
    }
}

impl Audits {
    /// Drops the running audit when the node stops.
    pub(super) fn stop(&mut self) {
        self.running = None;
    }

    /// Drops the points that do not fit to the ledger with which the node starts.
    pub(super) fn start(&mut self, records: RecordsUpTo) {
        self.resume.retain(|_, resume| resume.is_of(records.epoch, records.end));
    }
}

impl Node {
    /// The evidence against other agencies.
    pub fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.audits.evidence.values()
    }

    /// Starts an audit of every peer, one after the other.
    pub fn audit_everybody(&mut self, now: u64) {
        self.audits.running = None;
        self.audits.schedule = Schedule::new(EVERY, BTreeMap::new());
        self.audit(now);
        self.drain(now);
    }

    /// The agency that is being audited or whose audit is due.
    pub fn auditing(&self, now: u64) -> Option<AgencyId> {
        self.audits.running.as_ref().map(|running| running.agency.clone()).or_else(|| self.next_to_audit(now))
    }

    fn next_to_audit(&self, now: u64) -> Option<AgencyId> {
        let linked = self.links.iter().filter(|(_, link)| link.takes_proof_questions());
        self.audits.schedule.due(linked.map(|(peer, _)| peer.clone()), self.wall(now))
    }

    /// Begins the audit that is due, if none runs.
    pub(super) fn audit(&mut self, now: u64) {
        if self.state != State::Clear || self.audits.running.is_some() {
            return;
        }
        let Some(agency) = self.next_to_audit(now) else { return };
        self.begin_audit(agency, true, now);
    }

    fn begin_audit(&mut self, agency: AgencyId, goes_on: bool, now: u64) {
        let resume = self.audits.resume.get(&agency).cloned();
        let wall = self.wall(now);
        let connection = self.links[&agency].connection;
        let assignment = Assignment {
            auditor: self.id.clone(),
            agency: agency.clone(),
            scope: Scope::default(),
            received: self.ledger.received.get(&agency).copied(),
            now: wall,
            records: self.ledger.records(),
        };
        let audit = Audit::new(self.ledger.holdings(assignment, &self.charters, resume, goes_on), wall);
        self.audits.running = Some(Running { agency, connection, began: wall, audit });
        self.go_on_auditing(now);
    }

    /// Asks the next question of the audit, or concludes it.
    fn go_on_auditing(&mut self, now: u64) {
        let Some(running) = &self.audits.running else { return };
        match running.audit.question() {
            Some(question) => {
                let (agency, connection) = (running.agency.clone(), running.connection);
                self.ask(&agency, connection, Question::Prove(question), Asked::Audit);
            }
            None => self.conclude(now),
        }
    }

    /// Handles the reply to a question of the audit.
    pub(super) fn audit_answered(&mut self, agency: &AgencyId, reply: Reply, now: u64) {
        let Some(running) = self.audits.running.as_mut().filter(|running| running.agency == *agency) else { return };
        match reply {
            Reply::Proof(proof) if proof.refusal.is_empty() => {
                let Ok(()) = running.audit.answer(proof, &self.charters, &self.ledger);
            }
            Reply::Proof(proof) => {
                running.audit.unanswered(NoAnswer::Peer(format!("{agency} answered: {}", proof.refusal)));
            }
            // Perhaps the link is dead. It is asked whether it lives, and ends if nothing comes back.
            Reply::TimedOut => {
                let connection = running.connection;
                return self.ask(agency, connection, Question::Alive, Asked::Audit);
            }
            Reply::Alive => running.audit.unanswered(NoAnswer::Peer(format!("{agency} did not answer"))),
        }
        self.go_on_auditing(now);
    }

    /// Ends the audit over a link that has ended.
    pub(super) fn audit_lost_link(&mut self, agency: &AgencyId, connection: u64, now: u64) {
        let over_it = |running: &&mut Running| running.agency == *agency && running.connection == connection;
        if let Some(running) = self.audits.running.as_mut().filter(over_it) {
            running.audit.unanswered(NoAnswer::Own(format!("the link with {agency} ended")));
            self.go_on_auditing(now);
        }
    }

    fn conclude(&mut self, now: u64) {
        let Some(Running { agency, connection, began, audit }) = self.audits.running.take() else { return };
        let must_begin_anew = audit.must_begin_anew();
        if must_begin_anew && self.links.get(&agency).is_some_and(|link| link.connection == connection) {
            return self.begin_audit(agency, false, now);
        }
        let wall = self.wall(now);
        let Ok(audited) = audit.conclude(&self.ledger, &self.charters, wall);
        let Audited { no_answer, findings, resume, .. } = audited;
        self.audits.schedule.ended(&agency, began, no_answer.is_none() && !must_begin_anew);
        for (accusation, statement) in findings.into_iter().filter(|(found, _)| Statement::is_worth_keeping(found)) {
            self.keep_evidence(accusation, statement, wall);
        }
        self.audits.resume.extend(resume.map(|resume| (agency, resume)));
        self.audit(now);
    }

    /// Keeps a finding of the watch as evidence, if the judge finds it proven.
    pub(super) fn keep_found(&mut self, agency: &AgencyId, finding: Finding, now: u64) {
        let accusation = wire::Accusation { accused: agency.to_string(), finding: Some(finding) };
        let wall = self.wall(now);
        if let Ok(statement) = Judge::new(&self.charters).judge(&accusation, wall) {
            self.keep_evidence(accusation, statement, wall);
        }
    }

    fn keep_evidence(&mut self, accusation: wire::Accusation, statement: Statement, at: u64) {
        let id = statement.id;
        self.audits.evidence.entry(id).or_insert(Evidence { accusation, statement, at });
    }

    /// Commits periodically to the checkpoints of other agencies (daemon: audit/witness).
    pub(super) fn witness(&mut self, now: u64) {
        if self.state != State::Clear || now < self.audits.witnessed.saturating_add(WITNESS_EVERY) {
            return;
        }
        self.audits.witnessed = now;
        let newer = self.watch.to_witness(WITNESSED_AT_ONCE);
        if !newer.is_empty() {
            let notes = newer.iter().map(|(agency, noted)| (agency.clone(), noted.note.clone())).collect();
            self.decide(Input::Witness(notes), Waiter::Witness(newer), now);
        }
    }

    /// The honest answer to a peer's question about this ledger.
    pub(super) fn prove(&self, asker: &AgencyId, question: &wire::Prove) -> wire::Proof {
        let signed = self.signed.as_ref().map(|signed| SignedTree { size: signed.seen.size, note: &signed.note });
        prove(&self.ledger, signed, self.charters.newest(), asker, question).unwrap_or_else(|refusal| {
            let (number, refusal) = (question.number, refusal.to_string());
            wire::Proof { number, refusal, ..Default::default() }
        })
    }
}
