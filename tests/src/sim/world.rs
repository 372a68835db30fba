//! The world: virtual time, the event queue, the handling of events, and the two phases of a run.
//!
//! Invariant: events happen in the order of (time, number), so a seed always gives the same run.

mod audits;
mod charters;
mod clocks;
mod effects;
mod liar;
mod network;
mod plan;
mod queue;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use sinergi_proto::base::ids::{AgencyId, EntryId, Epoch};
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::{CaseCacheLimits, Recheck};
use sinergi_proto::sync::{Job, JobId};
use sinergi_proto::wire::Frame;

use super::accuser::{Accusation, Accuser, ProvenFinding};
use super::archive::Archive;
use super::faults::Fault;
use super::ledger::Ledger;
use super::node::{EndedLink, Node, State, Step};
use super::operations::operate;
use super::probe;
use super::signatures::Signatures;
use super::topology::Topology;
use charters::Duty;
use network::{Line, Pair};
pub use plan::{Failure, Invariants, LieOutcome, Plan, Report};
use queue::Queue;

/// The time at which runs begin: 2025-11-24T16:00:00Z, in milliseconds since 1970.
const BEGIN: u64 = 1_764_000_000_000;
const MINUTE: u64 = 60_000;
/// How long the disk usually takes to sync, in milliseconds. All times here are in milliseconds.
const SYNC: u64 = 2;
/// How long a sync may take when the disk is busy.
const LONG_SYNC: u64 = 3_000;
/// Time from the sync until the batch is applied.
const APPLY: u64 = 1;
/// Time between two calls of [`Node::retry`].
const RETRY: u64 = MINUTE;
/// The idle timeouts of links. Most runs use the long one, because keep-alive frames cost much time and show little.
const IDLE: [Duration; 2] = [Duration::from_secs(10 * 60), Duration::from_secs(2 * 60)];
/// The longest time of an ordinary session job, and of the writer before it takes a submission.
const WORK: u64 = 6;
/// The longest time of a slow session job.
const LONG_WORK: u64 = 400;
/// Time until a rebooted machine runs again.
const BOOT: u64 = 5_000;
/// Duration of the first phase, with faults and operations.
const TROUBLE: u64 = 300 * MINUTE;
/// Duration of the second phase. At its end all nodes must agree.
pub const CONVERGE: u64 = 150 * MINUTE;

enum Event {
    Operate,
    Fault,
    Heal(Fault, Pair),
    Start(AgencyId),
    Crash(AgencyId, u64),
    Recover(AgencyId),
    /// Operators put an older copy of a node's folder in its place.
    Restore(AgencyId),
    Disk(AgencyId),
    Probe,
    Timeout(AgencyId),
    Retry(AgencyId),
    Charter,
    /// The managers revoke the key that the liar has stolen.
    RevokeStolenKey,
    Operator(AgencyId, Duty),
    Connect(Pair),
    /// A frame arrives. A duplicate takes no room in the transport.
    Arrive {
        connection: u64,
        to: AgencyId,
        from: AgencyId,
        frame: Box<Frame>,
        is_copy: bool,
    },
    /// A node that has ended its session ends the connection.
    HangUp(u64, String),
    /// A job of a node's session with a peer is done.
    JobDone {
        connection: u64,
        at: AgencyId,
        peer: AgencyId,
        job: JobId,
        what: Box<Job>,
    },
    /// A node that has run since this time checks the signatures of deferred items again.
    Rechecked(AgencyId, u64, Vec<Recheck>),
    /// A node's writer takes a submission.
    TakeSubmission(AgencyId),
    ReportLosses,
}

/// One run.
pub struct World {
    /// The parameters of the run.
    pub plan: Plan,
    invariants: Invariants,
    rng: StdRng,
    now: u64,
    queue: Queue<Event>,
    topology: Topology,
    members: Vec<AgencyId>,
    /// Agencies whose node was started at least once.
    founded: BTreeSet<AgencyId>,
    /// The node of every agency.
    pub nodes: BTreeMap<AgencyId, Node>,
    lines: BTreeMap<Pair, Line>,
    connections: u64,
    /// Nodes whose next disk step is in the queue.
    disk_scheduled: BTreeSet<AgencyId>,
    /// Nodes whose writer's next submission is in the queue.
    writer_scheduled: BTreeSet<AgencyId>,
    /// The next timeout of each node that is in the queue.
    timeouts: BTreeMap<AgencyId, u64>,
    /// Nodes whose operator is about to begin a new epoch.
    recovering: BTreeSet<AgencyId>,
    /// The newest epoch that the operators of each agency remember having begun.
    remembered_epochs: BTreeMap<AgencyId, Epoch>,
    /// Nodes that crash during their next sync, each with the time until it starts again.
    crash_at_next_sync: BTreeMap<AgencyId, u64>,
    /// Old copies of nodes' folders, for restores.
    folder_copies: BTreeMap<AgencyId, Ledger>,
    healing: bool,
    /// Entries that a node acknowledged to its operator, each with the node.
    pub acknowledged: BTreeMap<EntryId, AgencyId>,
    /// Different verdicts of two nodes on one entry, in words.
    pub disagreement: Option<String>,
    /// A link between honest nodes that ended with a fault, in words.
    pub at_fault: Option<String>,
    /// A link that exceeded its window, in words.
    pub window_exceeded: Option<String>,
    /// Entries that act on outdated custody although their author knew the newer custody.
    pub stale_acts: BTreeSet<EntryId>,
    /// Entries that a restore removed before any other node had them.
    pub lost: BTreeSet<EntryId>,
    /// The agency that lies, if any.
    pub liar: Option<AgencyId>,
    /// Undisturbed links with the liar that an honest agency ended because of a fault.
    pub ended_links: BTreeSet<EndedLink>,
    /// Everything that nodes ever showed to others.
    pub archive: Archive,
    /// The accusations that the judge found proven.
    pub findings: Vec<ProvenFinding>,
    /// Accusations of nodes against each other that are not judged yet.
    accusations: Vec<Accusation>,
    report: Report,
    trace: Sha256,
}

/// Runs a plan.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(plan: Plan, invariants: Invariants) -> Result<Report, Failure> {
    let mut world = World::new(plan, invariants);
    world.run()?;
    let mut report = world.report;
    report.acknowledged = world.acknowledged.len();
    report.trace = world.trace.finalize().into();
    Ok(report)
}

impl World {
    fn new(plan: Plan, invariants: Invariants) -> Self {
        // Curve arithmetic would take nearly all of the time, so most seeds go without it.
        let signatures = if plan.seed.is_multiple_of(64) { Signatures::Ed25519 } else { Signatures::Hashed };
        let topology = Topology::of(plan.nodes, signatures);
        // A cache of one complaint reveals decisions that use a complaint without loading it.
        let case_cache_limits = match plan.seed % 4 {
            0 => CaseCacheLimits { complaints: 1, bytes: 1 },
            _ => CaseCacheLimits { complaints: 4096, bytes: 48 << 20 },
        };
        let founded: BTreeSet<AgencyId> = topology.adjacent.keys().cloned().collect();
        let newcomers = topology.newcomers.iter().map(|newcomer| newcomer.member.id.clone());
        let members: Vec<AgencyId> = founded.iter().cloned().chain(newcomers).collect();
        let idle = IDLE[usize::from(plan.seed.is_multiple_of(8))];
        let mut windows = plan.windows();
        let nodes = members
            .iter()
            .map(|id| (id.clone(), Node::new(id, &topology, case_cache_limits, idle, windows())))
            .collect();
        let pair = |a: &AgencyId, b: &AgencyId| (a.clone(), b.clone());
        let lines = topology.adjacent.iter().flat_map(|(a, others)| others.iter().map(move |b| pair(a, b)));
        let lines = lines.filter(|(a, b)| a < b).map(|pair| (pair, Line::default())).collect();
        Self {
            plan,
            invariants,
            rng: StdRng::seed_from_u64(plan.seed),
            now: BEGIN,
            queue: Queue::default(),
            topology,
            members,
            founded,
            nodes,
            lines,
            connections: 0,
            disk_scheduled: BTreeSet::new(),
            writer_scheduled: BTreeSet::new(),
            timeouts: BTreeMap::new(),
            recovering: BTreeSet::new(),
            remembered_epochs: BTreeMap::new(),
            crash_at_next_sync: BTreeMap::new(),
            folder_copies: BTreeMap::new(),
            healing: false,
            acknowledged: BTreeMap::new(),
            disagreement: None,
            at_fault: None,
            window_exceeded: None,
            stale_acts: BTreeSet::new(),
            lost: BTreeSet::new(),
            liar: None,
            ended_links: BTreeSet::new(),
            archive: Archive::default(),
            findings: Vec::new(),
            accusations: Vec::new(),
            report: Report::default(),
            trace: Sha256::new(),
        }
    }

    /// All charters that the managers have signed.
    pub fn charters(&self) -> &Arc<Charters> {
        self.topology.charters()
    }

    fn failure(&self, invariant: &'static str, what: String) -> Failure {
        let lie = self.plan.lie.map(|lie| lie.name);
        Failure {
            seed: self.plan.seed,
            most: self.plan.most,
            lie,
            scenario: self.plan.scenario,
            at: self.now - BEGIN,
            invariant,
            what,
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.choose_liar();
        for id in self.members.clone() {
            self.schedule(0, Event::Start(id.clone()));
            self.schedule(RETRY, Event::Retry(id));
        }
        for pair in self.lines.keys().cloned().collect::<Vec<_>>() {
            self.schedule(10, Event::Connect(pair));
        }
        for _ in 0..self.plan.operations {
            let after = self.rng.random_range(MINUTE..TROUBLE);
            self.schedule(after, Event::Operate);
        }
        for _ in 0..self.plan.faults {
            let after = self.rng.random_range(MINUTE..TROUBLE);
            self.schedule(after, Event::Fault);
        }
        for _ in 0..self.plan.operations / 4 {
            let after = self.rng.random_range(MINUTE..TROUBLE);
            self.schedule(after, Event::Probe);
        }
        self.plan_charters();
        self.run_until(BEGIN + TROUBLE)?;
        self.heal();
        self.run_until(BEGIN + TROUBLE + CONVERGE)?;
        self.audit_round()?;
        self.accuse(|accuser| accuser.prove_all())?;
        (self.invariants.at_the_end)(self).map_err(|(invariant, what)| self.failure(invariant, what))?;
        self.count();
        Ok(())
    }

    /// Adds the findings of an accuser.
    fn accuse(&mut self, of: fn(Accuser<'_>) -> Result<Vec<ProvenFinding>, String>) -> Result<(), Failure> {
        let found = of(Accuser::new(&self.topology, &self.nodes, &self.archive, self.now));
        self.findings.extend(found.map_err(|what| self.failure("accusations_can_be_judged", what))?);
        Ok(())
    }

    /// Has the accusations of nodes against each other judged, as nodes do before they keep evidence.
    fn judge_accusations(&mut self) -> Result<(), Failure> {
        if self.accusations.is_empty() {
            return Ok(());
        }
        let all = std::mem::take(&mut self.accusations);
        let accuser = Accuser::new(&self.topology, &self.nodes, &self.archive, self.now);
        let found = accuser.judge_all(all).map_err(|what| self.failure("accusations_can_be_judged", what))?;
        self.findings.extend(found);
        Ok(())
    }

    fn schedule(&mut self, after: u64, event: Event) {
        self.queue.add(self.now + after, event);
    }

    fn run_until(&mut self, end: u64) -> Result<(), Failure> {
        while let Some((at, event)) = self.queue.next_until(end) {
            self.now = at;
            self.report.events += 1;
            self.handle(event);
            self.judge_accusations()?;
            (self.invariants.always)(self).map_err(|(invariant, what)| self.failure(invariant, what))?;
        }
        self.now = end;
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Operate => self.operate(),
            Event::Fault => self.begin_fault(),
            Event::Probe => self.probe(),
            Event::Heal(fault, pair) => self.end_fault(fault, &pair),
            Event::Start(id) => self.start(&id),
            Event::Crash(id, lasts) => self.crash(&id, lasts),
            Event::Recover(id) => self.recover(&id),
            Event::Restore(id) => self.restore(&id, MINUTE),
            Event::Disk(id) => {
                self.disk_scheduled.remove(&id);
                let now = self.now;
                self.node(&id).take_step(now);
                self.settle(&id);
            }
            Event::Timeout(id) => {
                let now = self.now;
                if self.timeouts.get(&id) == Some(&now) {
                    self.timeouts.remove(&id);
                }
                self.node(&id).expire(now);
                self.settle(&id);
            }
            Event::Retry(id) => {
                self.schedule(RETRY, Event::Retry(id.clone()));
                let now = self.now;
                self.node(&id).retry(now);
                self.settle(&id);
            }
            Event::Charter => self.change_charter(),
            Event::RevokeStolenKey => self.revoke_stolen_key(),
            Event::Operator(id, duty) => self.operator(&id, duty),
            Event::Connect(pair) => self.connect(pair),
            Event::Arrive { connection, to, from, frame, is_copy } => {
                self.arrive(connection, &to, &from, *frame, is_copy);
            }
            Event::HangUp(connection, why) => self.close(connection, &why),
            Event::JobDone { connection, at, peer, job, what } => {
                let now = self.now;
                self.node(&at).work(connection, &peer, job, *what, now);
                self.settle(&at);
            }
            Event::Rechecked(id, started, items) => {
                if self.nodes[&id].started() == started {
                    let now = self.now;
                    self.node(&id).recheck(items, now);
                    self.settle(&id);
                }
            }
            Event::TakeSubmission(id) => {
                self.writer_scheduled.remove(&id);
                let now = self.now;
                self.node(&id).take_submission(now);
                self.settle(&id);
            }
            Event::ReportLosses => self.report_undeclared_losses(),
        }
    }

    /// Every node judges an invalid entry, and none stores it.
    fn probe(&mut self) {
        let id = &self.members[self.rng.random_range(0..self.members.len())];
        let Some(item) = probe::write(&self.nodes[id], &self.members, &self.topology, &mut self.rng) else { return };
        let now = self.now;
        let judge = |node: &mut Node| Some((node.verdict_on(&item, now)?, node.id.clone()));
        let verdicts: BTreeMap<_, _> = self.nodes.values_mut().filter_map(judge).collect();
        if verdicts.len() > 1 {
            self.disagreement = Some(format!("{verdicts:?}"));
        }
    }

    fn node(&mut self, id: &AgencyId) -> &mut Node {
        self.nodes.get_mut(id).expect("a member")
    }

    fn operate(&mut self) {
        let id = self.members[self.rng.random_range(0..self.members.len())].clone();
        let node = self.nodes.get_mut(&id).expect("a member");
        operate(node, &self.members, self.now, &mut self.rng);
        self.wake(&id);
    }

    /// Schedules the node's disk, writer and timers if they have work.
    fn wake(&mut self, id: &AgencyId) {
        let node = &self.nodes[id];
        let (has_submissions, timeout, step) = (node.has_submissions(), node.next_timeout(), node.next_step());
        if has_submissions && self.writer_scheduled.insert(id.clone()) {
            let after = self.rng.random_range(0..WORK);
            self.schedule(after, Event::TakeSubmission(id.clone()));
        }
        let scheduled = self.timeouts.get(id).copied();
        if let Some(timeout) = timeout.filter(|timeout| scheduled.is_none_or(|at| *timeout < at)) {
            let timeout = timeout.max(self.now);
            self.timeouts.insert(id.clone(), timeout);
            self.schedule(timeout - self.now, Event::Timeout(id.clone()));
        }
        let Some(step) = step else { return };
        if self.disk_scheduled.insert(id.clone()) {
            let after = match step {
                Step::Write => 0,
                // The power fails between the write and the sync.
                Step::Sync if self.crash_at_next_sync.contains_key(id) => {
                    let lasts = self.crash_at_next_sync.remove(id).unwrap_or_default();
                    self.schedule(SYNC - 1, Event::Crash(id.clone(), lasts));
                    SYNC
                }
                Step::Sync if self.rng.random_ratio(1, 64) => self.rng.random_range(SYNC..LONG_SYNC),
                Step::Sync => SYNC,
                Step::Apply => APPLY,
            };
            self.schedule(after, Event::Disk(id.clone()));
        }
    }

    fn start(&mut self, id: &AgencyId) {
        if self.is_founded(id) && self.node(id).state == State::Down {
            let now = self.now;
            self.set_clock_at_start(id);
            self.replaces_revoked_keys(id);
            self.node(id).start(now);
            self.settle(id);
        }
    }

    /// Describes an entry and the nodes that have it, for the text of a failure.
    pub fn whereabouts(&self, entry: &EntryId) -> String {
        let mut text = String::new();
        for (id, node) in &self.nodes {
            let Some(index) = node.ledger.leaf_of(entry) else { continue };
            let leaf = node.ledger.leaf(index);
            if text.is_empty() {
                let (body, place) = (leaf.entry.body.name(), leaf.entry.place);
                text = format!("{body} of {} at {} {}; it is at", leaf.entry.author, place.epoch, place.index);
            }
            let from = leaf.header.from.as_ref().map_or("itself", AgencyId::as_str);
            let (epoch, contents) = (node.ledger.epoch, leaf.contents.len());
            text += &format!(" {id} ({epoch} {index} from {from}, {contents} contents)");
        }
        text
    }
}
