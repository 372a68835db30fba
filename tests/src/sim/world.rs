//! The world: virtual time, the event queue, the network, and the two phases of a run.
//!
//! Invariants:
//! - events happen in the order of (time, number): one seed gives one run;
//! - a connection keeps its frames in order, unless a fault says otherwise; what was on the way when it ends is lost.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use sinergi_proto::engine::CaseRoom;
use sinergi_proto::ids::{AgencyId, EntryId, Epoch};
use sinergi_proto::limits;
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::sync::{End, Job, JobId};
use sinergi_proto::wire::{Frame, frame::Kind};

use super::accuser::{Accusation, Accuser, Found};
use super::archive::Archive;
use super::faults::Fault;
use super::invariants;
use super::ledger::Ledger;
use super::node::{Effect, Node, State, Step};
use super::operations::operate;
use super::probe;
use super::topology::Topology;

/// When runs begin: 2025-11-24T16:00:00Z.
const BEGIN: u64 = 1_764_000_000_000;
const MINUTE: u64 = 60_000;
/// How long the disk takes to sync what was written, mostly.
const SYNC: u64 = 2;
/// How long it may take when it is busy.
const LONG_SYNC: u64 = 3_000;
/// From then until it is shown.
const APPLY: u64 = 1;
/// Between two tries of what waits for its time.
const RETRY: u64 = MINUTE / 2;
/// Silence after which links are taken for dead: in most runs long, because signs of life cost much time and show little.
const IDLE: [Duration; 2] = [Duration::from_secs(10 * 60), limits::IDLE_LINK];
/// Most jobs of sessions, and the writer, take at most so long.
const WORK: u64 = 6;
/// Some jobs take as long as this.
const LONG_WORK: u64 = 400;
/// A machine is up again after such a time.
const BOOT: u64 = 5_000;
/// Faults and operations last so long.
const TROUBLE: u64 = 300 * MINUTE;
/// Then all must agree within this time.
pub const CONVERGE: u64 = 60 * MINUTE;

/// What one run is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed of everything random.
    pub seed: u64,
    /// Agencies.
    pub nodes: usize,
    /// Operations in all.
    pub operations: usize,
    /// Faults in all.
    pub faults: usize,
}

impl Plan {
    /// The plan of a seed: 7 agencies mostly, up to `most` now and then.
    pub fn of(seed: u64, most: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let nodes = if rng.random_ratio(1, 8) { rng.random_range(7..=most.max(7)) } else { rng.random_range(7..=9) };
        Self { seed, nodes, operations: 100 + nodes * 12, faults: rng.random_range(0..40) }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events.
    pub events: u64,
    /// Entries written by operators and acknowledged.
    pub acknowledged: usize,
    /// Complaints.
    pub complaints: usize,
    /// Entries that were superseded somewhere.
    pub superseded: usize,
    /// Ledgers that were set back and recovered.
    pub recovered: usize,
    /// What is proven of agencies that went on with a ledger that was set back.
    pub undeclared: usize,
    /// Over everything that happened.
    pub trace: [u8; 32],
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The plan.
    pub seed: u64,
    /// Virtual time since the beginning, in milliseconds.
    pub at: u64,
    /// Which.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at / 1000;
        write!(
            f,
            "seed {} after {seconds} s: {}: {}\n  cargo run --release -p sinergi-tests --bin sim -- --seeds 1 --from {}",
            self.seed, self.invariant, self.what, self.seed
        )
    }
}

/// Two agencies, in order.
type Pair = (AgencyId, AgencyId);

enum Event {
    Operate,
    Fault,
    Heal(Fault, Pair),
    Start(AgencyId),
    Crash(AgencyId, u64),
    Recover(AgencyId),
    Disk(AgencyId),
    Probe,
    Timeout(AgencyId),
    Retry(AgencyId),
    Connect(Pair),
    /// A frame arrives. A copy of a frame takes no room in the transport.
    Arrive {
        connection: u64,
        to: AgencyId,
        from: AgencyId,
        frame: Box<Frame>,
        is_copy: bool,
    },
    /// A side that has ended its session ends the connection.
    HangUp(u64, String),
    /// A job of a node's session with a peer has ended.
    Work {
        connection: u64,
        at: AgencyId,
        peer: AgencyId,
        job: JobId,
        what: Box<Job>,
    },
    /// A node's writer takes a submission.
    Take(AgencyId),
    FoundOut,
}

/// A link of the network.
#[derive(Default)]
struct Line {
    connection: Option<u64>,
    cut: u32,
    /// Who cannot be heard.
    mute: BTreeSet<AgencyId>,
    slow: u32,
    /// When the last frame arrives, each way.
    last: BTreeMap<AgencyId, u64>,
    /// The next frame comes twice, or late.
    duplicate: bool,
    swap: bool,
    /// A frame of the connection was lost, came twice or late.
    is_disturbed: bool,
}

/// One run.
pub struct World {
    plan: Plan,
    rng: StdRng,
    now: u64,
    number: u64,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: BTreeMap<usize, Event>,
    topology: Topology,
    members: Vec<AgencyId>,
    /// The nodes.
    pub nodes: BTreeMap<AgencyId, Node>,
    lines: BTreeMap<Pair, Line>,
    connections: u64,
    /// Nodes whose disk will take a step.
    working: BTreeSet<AgencyId>,
    /// Nodes whose writer will take a submission.
    taking: BTreeSet<AgencyId>,
    /// When a node is told next that a timeout has come.
    alarms: BTreeMap<AgencyId, u64>,
    /// Nodes whose operator will begin a new epoch.
    recovering: BTreeSet<AgencyId>,
    /// Nodes that stop when they have next written something, and for how long.
    doomed: BTreeMap<AgencyId, u64>,
    copies: BTreeMap<AgencyId, Ledger>,
    healing: bool,
    /// What operators were told, and by which node.
    pub acknowledged: BTreeMap<EntryId, AgencyId>,
    /// Two verdicts on one entry.
    pub disagreement: Option<String>,
    /// A link that ended because of what an honest peer said.
    pub at_fault: Option<String>,
    /// Entries whose authors acted on custody as it was once, and knew better.
    pub went_back: BTreeSet<EntryId>,
    /// What a restore took from its node before any other had it.
    pub lost: BTreeSet<EntryId>,
    /// What was ever shown to anybody.
    pub archive: Archive,
    /// What the judge holds for shown.
    pub found: Vec<Found>,
    /// What nodes found of each other, not judged yet.
    accused: Vec<Accusation>,
    report: Report,
    trace: Sha256,
}

/// Runs a plan.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(plan: Plan) -> Result<Report, Failure> {
    let mut world = World::new(plan);
    world.run()?;
    let mut report = world.report;
    report.acknowledged = world.acknowledged.len();
    report.trace = world.trace.finalize().into();
    Ok(report)
}

impl World {
    fn new(plan: Plan) -> Self {
        // Signatures are real. In most runs each is verified once, not by everybody who sees it.
        let topology = Topology::of(plan.nodes, !plan.seed.is_multiple_of(32));
        // A cache that holds one complaint finds what was decided on without having been looked up.
        let case_room = match plan.seed % 4 {
            0 => CaseRoom { complaints: 1, entries: 1 },
            _ => CaseRoom { complaints: 4096, entries: 65_536 },
        };
        let members: Vec<AgencyId> = topology.adjacent.keys().cloned().collect();
        let idle = IDLE[usize::from(plan.seed.is_multiple_of(8))];
        let nodes = members.iter().map(|id| (id.clone(), Node::new(id, &topology, case_room, idle))).collect();
        let pair = |a: &AgencyId, b: &AgencyId| (a.clone(), b.clone());
        let lines = topology.adjacent.iter().flat_map(|(a, others)| others.iter().map(move |b| pair(a, b)));
        let lines = lines.filter(|(a, b)| a < b).map(|pair| (pair, Line::default())).collect();
        Self {
            plan,
            rng: StdRng::seed_from_u64(plan.seed),
            now: BEGIN,
            number: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            topology,
            members,
            nodes,
            lines,
            connections: 0,
            working: BTreeSet::new(),
            taking: BTreeSet::new(),
            alarms: BTreeMap::new(),
            recovering: BTreeSet::new(),
            doomed: BTreeMap::new(),
            copies: BTreeMap::new(),
            healing: false,
            acknowledged: BTreeMap::new(),
            disagreement: None,
            at_fault: None,
            went_back: BTreeSet::new(),
            lost: BTreeSet::new(),
            archive: Archive::default(),
            found: Vec::new(),
            accused: Vec::new(),
            report: Report::default(),
            trace: Sha256::new(),
        }
    }

    fn fails(&self, invariant: &'static str, what: String) -> Failure {
        Failure { seed: self.plan.seed, at: self.now - BEGIN, invariant, what }
    }

    fn run(&mut self) -> Result<(), Failure> {
        for id in self.members.clone() {
            self.at(0, Event::Start(id.clone()));
            self.at(RETRY, Event::Retry(id));
        }
        for pair in self.lines.keys().cloned().collect::<Vec<_>>() {
            self.at(10, Event::Connect(pair));
        }
        for _ in 0..self.plan.operations {
            let after = self.rng.random_range(MINUTE..TROUBLE);
            self.at(after, Event::Operate);
        }
        for _ in 0..self.plan.faults {
            let after = self.rng.random_range(MINUTE..TROUBLE);
            self.at(after, Event::Fault);
        }
        for _ in 0..self.plan.operations / 4 {
            let after = self.rng.random_range(MINUTE..TROUBLE);
            self.at(after, Event::Probe);
        }
        self.until(BEGIN + TROUBLE)?;
        self.heal();
        self.until(BEGIN + TROUBLE + CONVERGE)?;
        self.accuse(|accuser| accuser.proves())?;
        let world = &*self;
        invariants::at_the_end(world).map_err(|(invariant, what)| world.fails(invariant, what))?;
        self.count();
        Ok(())
    }

    /// Whatever an accuser finds is kept.
    fn accuse(&mut self, of: fn(Accuser<'_>) -> Result<Vec<Found>, String>) -> Result<(), Failure> {
        let found = of(Accuser::new(&self.topology, &self.nodes, &self.archive, self.now));
        self.found.extend(found.map_err(|what| self.fails("accusations_can_be_judged", what))?);
        Ok(())
    }

    /// What nodes found of each other is judged, as they do before they keep it.
    fn judge_what_was_seen(&mut self) -> Result<(), Failure> {
        if self.accused.is_empty() {
            return Ok(());
        }
        let all = std::mem::take(&mut self.accused);
        let accuser = Accuser::new(&self.topology, &self.nodes, &self.archive, self.now);
        let found = accuser.judged(all).map_err(|what| self.fails("accusations_can_be_judged", what))?;
        self.found.extend(found);
        Ok(())
    }

    fn count(&mut self) {
        let mut superseded = BTreeSet::new();
        let mut complaints = BTreeSet::new();
        for case in self.nodes.values().flat_map(|node| node.ledger.cases.values()) {
            complaints.insert(case.complaint.id());
            for (id, _) in case.complaint.timeline() {
                if matches!(case.complaint.standing(&id), Some(sinergi_proto::complaint::Standing::Superseded { .. })) {
                    superseded.insert(id);
                }
            }
        }
        self.report.undeclared = self.found.len();
        (self.report.complaints, self.report.superseded) = (complaints.len(), superseded.len());
    }

    fn at(&mut self, after: u64, event: Event) {
        self.number += 1;
        let key = usize::try_from(self.number).expect("runs are short");
        self.queue.push(Reverse((self.now + after, self.number, key)));
        self.events.insert(key, event);
    }

    fn until(&mut self, end: u64) -> Result<(), Failure> {
        while self.queue.peek().is_some_and(|Reverse((time, ..))| *time <= end) {
            let Some(Reverse((time, _, key))) = self.queue.pop() else { break };
            self.now = time;
            let event = self.events.remove(&key).expect("every event happens once");
            self.report.events += 1;
            let probes = matches!(event, Event::Probe);
            self.happen(event);
            if probes {
                self.accuse(|accuser| accuser.withheld())?;
            }
            self.judge_what_was_seen()?;
            invariants::always(self).map_err(|(invariant, what)| self.fails(invariant, what))?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Operate => self.operate(),
            Event::Fault => self.fault(),
            Event::Probe => self.probe(),
            Event::Heal(fault, pair) => self.over(fault, &pair),
            Event::Start(id) => self.start(&id),
            Event::Crash(id, lasts) => self.crash(&id, lasts),
            Event::Recover(id) => self.recover(&id),
            Event::Disk(id) => {
                self.working.remove(&id);
                let now = self.now;
                self.node(&id).take_step(now);
                self.settle(&id);
            }
            Event::Timeout(id) => {
                let now = self.now;
                if self.alarms.get(&id) == Some(&now) {
                    self.alarms.remove(&id);
                }
                self.node(&id).expire(now);
                self.settle(&id);
            }
            Event::Retry(id) => {
                self.at(RETRY, Event::Retry(id.clone()));
                let now = self.now;
                self.node(&id).retry(now);
                self.settle(&id);
            }
            Event::Connect(pair) => self.connect(pair),
            Event::Arrive { connection, to, from, frame, is_copy } => {
                self.arrive(connection, &to, &from, *frame, is_copy);
            }
            Event::HangUp(connection, why) => self.close(connection, &why),
            Event::Work { connection, at, peer, job, what } => {
                let now = self.now;
                self.node(&at).work(connection, &peer, job, *what, now);
                self.settle(&at);
            }
            Event::Take(id) => {
                self.taking.remove(&id);
                let now = self.now;
                self.node(&id).take_submission(now);
                self.settle(&id);
            }
            Event::FoundOut => self.found_out(),
        }
    }

    /// Every node judges an entry that a liar would write, and takes nothing.
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

    /// Disk, writer and timers go on if they have something to do.
    fn wake(&mut self, id: &AgencyId) {
        if self.nodes[id].has_submissions() && self.taking.insert(id.clone()) {
            let after = self.rng.random_range(0..WORK);
            self.at(after, Event::Take(id.clone()));
        }
        let alarm = self.alarms.get(id).copied();
        if let Some(timeout) = self.nodes[id].next_timeout().filter(|timeout| alarm.is_none_or(|at| *timeout < at)) {
            let timeout = timeout.max(self.now);
            self.alarms.insert(id.clone(), timeout);
            self.at(timeout - self.now, Event::Timeout(id.clone()));
        }
        let Some(step) = self.node(id).next_step() else { return };
        if self.working.insert(id.clone()) {
            let after = match step {
                Step::Write => 0,
                // The power fails between the write and the sync.
                Step::Sync if self.doomed.contains_key(id) => {
                    let lasts = self.doomed.remove(id).unwrap_or_default();
                    self.at(SYNC - 1, Event::Crash(id.clone(), lasts));
                    SYNC
                }
                Step::Sync if self.rng.random_ratio(1, 64) => self.rng.random_range(SYNC..LONG_SYNC),
                Step::Sync => SYNC,
                Step::Apply => APPLY,
            };
            self.at(after, Event::Disk(id.clone()));
        }
    }

    fn start(&mut self, id: &AgencyId) {
        if self.node(id).state == State::Down {
            let now = self.now;
            self.node(id).start(now);
            self.settle(id);
        }
    }

    fn recover(&mut self, id: &AgencyId) {
        self.recovering.remove(id);
        if self.node(id).state == State::SetBack {
            self.begin_epoch(id);
        }
    }

    fn begin_epoch(&mut self, id: &AgencyId) {
        let now = self.now;
        self.archive.ends_epoch(&self.nodes[id]);
        self.node(id).recover(now);
        self.report.recovered += 1;
        self.settle(id);
    }

    /// Who went on with a ledger that was set back, and has not heard so from its own peers because they were set back as well, is told by
    /// those who audit it. Its operator begins a new epoch.
    fn found_out(&mut self) {
        let goes_on = |(id, epoch): &&(AgencyId, Epoch)| self.nodes[id].ledger.epoch == *epoch;
        for (id, _) in self.archive.undeclared.iter().filter(goes_on).cloned().collect::<Vec<_>>() {
            for pair in self.lines_of(&id) {
                self.break_line(&pair);
            }
            let node = self.node(&id);
            node.crash(false);
            // It reads the ledgers of its peers once more: on its way on it passed over what it did not know to be its own.
            node.ledger.received.clear();
            self.begin_epoch(&id);
        }
    }

    /// Performs what a node says, and what follows from the state that it is in.
    fn settle(&mut self, id: &AgencyId) {
        for effect in self.node(id).take_effects() {
            match effect {
                Effect::Send(connection, to, frame) => {
                    self.archive.sent(&self.nodes[id], &frame);
                    self.transmit(connection, id, &to, frame);
                }
                Effect::Read(connection, from) => self.has_room(connection, &from, id),
                Effect::Work(connection, peer, job, what) => {
                    let most = if self.rng.random_ratio(1, 64) { LONG_WORK } else { WORK };
                    let after = self.rng.random_range(0..most);
                    self.at(after, Event::Work { connection, at: id.clone(), peer, job, what });
                }
                Effect::Close(connection, to, end) => self.hang_up(connection, id, &to, &end),
                Effect::Accuse(accused, epoch, finding) => self.accused.push((accused, epoch, *finding)),
                Effect::Acknowledged(entry) => drop(self.acknowledged.insert(entry, id.clone())),
                Effect::WentBack(entry) => {
                    self.acknowledged.insert(entry, id.clone());
                    self.went_back.insert(entry);
                }
            }
        }
        self.archive.goes_on(&self.nodes[id], self.now);
        if self.node(id).state == State::SetBack && self.recovering.insert(id.clone()) {
            self.at(5 * MINUTE, Event::Recover(id.clone()));
        }
        self.wake(id);
    }

    /// What an entry is and who has it, for the text of a failure.
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
            text += &format!(" {id} ({} {index} from {from})", node.ledger.epoch);
        }
        text
    }

    // The network.

    fn pair(a: &AgencyId, b: &AgencyId) -> Pair {
        if a < b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
    }

    /// Both ends try to be connected, again and again until they are.
    fn connect(&mut self, pair: Pair) {
        let works = |id: &AgencyId| matches!(self.nodes[id].state, State::Hearing | State::Clear);
        let line = &self.lines[&pair];
        if line.cut > 0 || !line.mute.is_empty() || !works(&pair.0) || !works(&pair.1) {
            return self.connect_later(pair);
        }
        self.connections += 1;
        let connection = self.connections;
        let line = self.lines.get_mut(&pair).expect("a line");
        (line.connection, line.last, line.is_disturbed) = (Some(connection), BTreeMap::new(), false);
        for (id, peer) in [(&pair.0, &pair.1), (&pair.1, &pair.0)] {
            let now = self.now;
            self.node(id).connected(connection, peer, now);
            self.settle(id);
        }
    }

    fn connect_later(&mut self, pair: Pair) {
        let after = self.rng.random_range(2_000..20_000);
        self.at(after, Event::Connect(pair));
    }

    fn transmit(&mut self, connection: u64, from: &AgencyId, to: &AgencyId, frame: Frame) {
        let latency = self.rng.random_range(1..40);
        let now = self.now;
        let line = self.lines.get_mut(&Self::pair(from, to)).expect("a line");
        if line.connection != Some(connection) {
            return;
        }
        let latency = if line.slow > 0 { latency * 100 } else { latency };
        let last = line.last.get(to).copied().unwrap_or(0);
        let mut at = (now + latency).max(last + 1);
        line.last.insert(to.clone(), at);
        let is_hello = matches!(frame.kind, Some(Kind::Hello(_)));
        let twice = !is_hello && std::mem::take(&mut line.duplicate);
        if !is_hello && std::mem::take(&mut line.swap) {
            at += 200;
            line.is_disturbed = true;
        }
        line.is_disturbed |= twice;
        self.trace.update(at.to_be_bytes());
        self.trace.update(from.as_str());
        if let Some(Kind::Deliver(deliver)) = &frame.kind {
            deliver.items.iter().for_each(|item| self.trace.update(&item.signed_entry));
        }
        let arrive = |frame: Frame, is_copy| {
            let (to, from) = (to.clone(), from.clone());
            Event::Arrive { connection, to, from, frame: Box::new(frame), is_copy }
        };
        if twice {
            self.at(at + 3 - now, arrive(frame.clone(), true));
        }
        self.at(at - now, arrive(frame, false));
    }

    fn arrive(&mut self, connection: u64, to: &AgencyId, from: &AgencyId, frame: Frame, is_copy: bool) {
        let line = self.lines.get_mut(&Self::pair(from, to)).expect("a line");
        if line.connection != Some(connection) {
            return;
        }
        if line.mute.contains(from) {
            line.is_disturbed = true;
            if !is_copy {
                self.has_room(connection, from, to);
            }
            return;
        }
        let now = self.now;
        self.node(to).arrived(connection, from, frame, now);
        self.settle(to);
    }

    /// A side has ended its session: it tells the other one why, and ends the connection.
    fn hang_up(&mut self, connection: u64, id: &AgencyId, peer: &AgencyId, end: &End) {
        let line = &self.lines[&Self::pair(id, peer)];
        let expected = [FaultCode::AheadOfLedger, FaultCode::TooMuchDeferred];
        if let End::Fault(code, reason) = end
            && line.connection == Some(connection)
            && !line.is_disturbed
            && !expected.contains(code)
        {
            self.at_fault = Some(format!("{id} ended its link with {peer}: {code}: {reason}"));
        }
        if let Some(fault) = end.farewell() {
            self.transmit(connection, id, peer, Frame { kind: Some(Kind::Fault(fault)) });
        }
        let arrived = self.lines[&Self::pair(id, peer)].last.get(peer).copied().unwrap_or_default();
        self.at((arrived + 1).saturating_sub(self.now), Event::HangUp(connection, end.to_string()));
    }

    /// The transport of a connection has room for one more frame of `from`.
    fn has_room(&mut self, connection: u64, from: &AgencyId, to: &AgencyId) {
        if self.lines[&Self::pair(from, to)].connection == Some(connection) {
            let now = self.now;
            self.node(from).has_room(connection, to, now);
            self.settle(from);
        }
    }

    fn close(&mut self, connection: u64, why: &str) {
        let Some((pair, line)) = self.lines.iter_mut().find(|(_, line)| line.connection == Some(connection)) else {
            return;
        };
        line.connection = None;
        let pair = pair.clone();
        self.trace.update(why);
        let now = self.now;
        for (id, peer) in [(&pair.0, &pair.1), (&pair.1, &pair.0)] {
            self.node(id).disconnected(connection, peer, now);
            self.settle(id);
        }
        self.connect_later(pair);
    }

    fn break_line(&mut self, pair: &Pair) {
        if let Some(connection) = self.lines[pair].connection {
            self.close(connection, "broken");
        }
    }

    // Faults.

    fn fault(&mut self) {
        if self.healing {
            return;
        }
        let (fault, lasts) = Fault::draw(&mut self.rng);
        let number = self.rng.random_range(0..self.lines.len());
        let pair = self.lines.keys().nth(number).cloned().expect("within the lines");
        let pair = if self.rng.random_bool(0.5) { pair } else { (pair.1, pair.0) };
        self.trace.update(format!("{fault:?}"));
        let key = Self::pair(&pair.0, &pair.1);
        let line = self.lines.get_mut(&key).expect("a line");
        match fault {
            Fault::Cut => {
                line.cut += 1;
                self.break_line(&key);
            }
            Fault::Split(halves) => {
                for pair in self.lines_between(halves) {
                    self.lines.get_mut(&pair).expect("a line").cut += 1;
                    self.break_line(&pair);
                }
            }
            Fault::OneWay => drop(line.mute.insert(pair.0.clone())),
            Fault::Break => self.break_line(&key),
            Fault::Duplicate => line.duplicate = true,
            Fault::Swap => line.swap = true,
            Fault::Slow => line.slow += 1,
            Fault::Silent => self.silence(&pair.0),
            Fault::Crash if self.rng.random_bool(0.5) => drop(self.doomed.insert(pair.0.clone(), lasts)),
            Fault::Crash => self.crash(&pair.0, lasts),
            Fault::Reboot => {
                self.crash(&pair.0, BOOT);
                self.turn_clock(&pair.0);
            }
            Fault::Clock => self.turn_clock(&pair.0),
            Fault::Restore => self.restore(&pair.0, lasts),
        }
        self.at(lasts, Event::Heal(fault, pair));
    }

    fn turn_clock(&mut self, id: &AgencyId) {
        let (minutes, ahead) = (self.rng.random_range(2..5_i64), self.rng.random_bool(0.5));
        let minutes = if ahead { minutes } else { -minutes };
        self.node(id).clock_error = minutes * 60_000;
    }

    fn lines_between(&self, halves: u32) -> Vec<Pair> {
        let half = |id: &AgencyId| {
            let number = self.members.iter().position(|member| member == id).unwrap_or_default();
            halves.rotate_right(u32::try_from(number).unwrap_or_default()) & 1
        };
        self.lines.keys().filter(|(a, b)| half(a) != half(b)).cloned().collect()
    }

    fn lines_of(&self, id: &AgencyId) -> Vec<Pair> {
        self.lines.keys().filter(|(a, b)| a == id || b == id).cloned().collect()
    }

    fn silence(&mut self, id: &AgencyId) {
        for pair in self.lines_of(id) {
            let line = self.lines.get_mut(&pair).expect("a line");
            line.mute.extend([pair.0.clone(), pair.1.clone()]);
        }
    }

    fn crash(&mut self, id: &AgencyId, lasts: u64) {
        for pair in self.lines_of(id) {
            self.break_line(&pair);
        }
        let survives = self.rng.random_bool(0.5);
        let node = self.node(id);
        if node.state != State::SetBack {
            node.crash(survives);
            let copy = node.ledger.clone();
            // Now and then somebody has copied the folder.
            if !self.copies.contains_key(id) {
                self.copies.insert(id.clone(), copy);
            }
            self.at(lasts, Event::Start(id.clone()));
        }
    }

    /// The node's folder is replaced by the older copy, if there is one.
    fn restore(&mut self, id: &AgencyId, lasts: u64) {
        let Some(copy) = self.copies.remove(id) else { return self.crash(id, lasts) };
        if self.nodes[id].state == State::SetBack {
            return;
        }
        self.crash(id, lasts);
        self.copies.remove(id);
        self.archive.set_back(&self.nodes[id], &copy);
        let node = self.node(id);
        let is_gone = |entry: &EntryId| copy.leaf_of(entry).is_none();
        let gone: Vec<EntryId> = node.ledger.leaves.iter().map(|leaf| leaf.entry.id).filter(is_gone).collect();
        node.ledger = copy;
        for entry in gone {
            if self.nodes.values().all(|node| node.ledger.leaf_of(&entry).is_none()) {
                self.lost.insert(entry);
            }
        }
        // It comes back with a part of its links: who saw most of it may be the last that it hears.
        for pair in self.lines_of(id) {
            if self.rng.random_bool(0.5) {
                self.lines.get_mut(&pair).expect("a line").cut += 1;
                let longer = self.rng.random_range(MINUTE..60 * MINUTE);
                self.at(lasts + longer, Event::Heal(Fault::Cut, pair));
            }
        }
    }

    fn over(&mut self, fault: Fault, pair: &Pair) {
        let key = Self::pair(&pair.0, &pair.1);
        match fault {
            Fault::Cut => {
                let line = self.lines.get_mut(&key).expect("a line");
                line.cut = line.cut.saturating_sub(1);
            }
            Fault::Split(halves) => {
                for pair in self.lines_between(halves) {
                    let line = self.lines.get_mut(&pair).expect("a line");
                    line.cut = line.cut.saturating_sub(1);
                }
            }
            Fault::OneWay => drop(self.lines.get_mut(&key).expect("a line").mute.remove(&pair.0)),
            Fault::Slow => {
                let line = self.lines.get_mut(&key).expect("a line");
                line.slow = line.slow.saturating_sub(1);
            }
            Fault::Silent => {
                for pair in self.lines_of(&pair.0) {
                    self.break_line(&pair);
                    self.lines.get_mut(&pair).expect("a line").mute.clear();
                }
            }
            Fault::Clock | Fault::Reboot => self.node(&pair.0).clock_error = 0,
            Fault::Break | Fault::Duplicate | Fault::Swap | Fault::Crash | Fault::Restore => {}
        }
    }

    /// Everything works from now on.
    fn heal(&mut self) {
        self.healing = true;
        self.doomed.clear();
        for pair in self.lines.keys().cloned().collect::<Vec<_>>() {
            if !self.lines[&pair].mute.is_empty() || self.lines[&pair].cut > 0 {
                self.break_line(&pair);
            }
            let line = self.lines.get_mut(&pair).expect("a line");
            line.mute.clear();
            (line.cut, line.slow, line.duplicate, line.swap) = (0, 0, false, false);
        }
        for id in self.members.clone() {
            self.node(&id).clock_error = 0;
            self.at(1, Event::Start(id));
        }
        self.at(CONVERGE / 2, Event::FoundOut);
    }
}
