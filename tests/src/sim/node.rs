//! One agency of the simulation: the product's engine and sessions over a disk in memory.
//!
//! ```text
//! node         the parts of a node, its start and its end                      (daemon: node)
//!   |-- disk      the pipeline of batches: decided, written, durable, applied   (daemon: writer, writer/committer)
//!   |-- effect    what a node does to the world
//!   |-- session   runs the product's sessions: events in, actions out          (daemon: peers/session)
//!   |-- jobs      executes the sessions' jobs                                  (daemon: peers/session/jobs)
//!   |-- charters  changes of charters, keys and peers                          (daemon: storage/charters, storage/keys)
//!   |-- audit     audits of peers, and evidence                                (daemon: audit)
//!   |-- lie       the points where a liar may deviate
//!   |-- mark      the mark of the ledger                                       (daemon: storage/mark, node/mark)
//!   |-- recovery  begins a new epoch                                           (daemon: node/recover)
//!   `-- clock     the wall clock, right or wrong                               (daemon: base/time)
//! ```
//!
//! A node decides nothing itself. [`Engine`], [`Session`](sinergi_proto::sync::Session), [`RollbackGuard`] and [`WatchedLedgers`] decide,
//! unchanged.
//!
//! Invariants:
//! - only `disk` and `recovery` change the ledger, and only by whole batches; a crash loses the batches that are not durable;
//! - no waiter is answered before the batch is applied.

mod audit;
mod charters;
mod clock;
mod disk;
mod effect;
mod engine;
mod jobs;
mod lie;
mod mark;
mod recovery;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sinergi_daemon::base::node_limits;
use sinergi_proto::admission::Verdict;
use sinergi_proto::admission::received::Received;
use sinergi_proto::base::clock::Now;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, Epoch};
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{Charter, Charters};
use sinergi_proto::complaint::Command;
use sinergi_proto::engine::{
    Act, Answer, Batch, BatchNumber, CaseCacheLimits, DiskSpace, Engine, Input, Lodge, OwnClock, Surroundings,
};
use sinergi_proto::entry::ContentClass;
use sinergi_proto::entry::content::Content;
use sinergi_proto::sync::{Event, Window};
use sinergi_proto::tlog::checkpoint::CheckpointSigner;
use sinergi_proto::transparency::rollback_guard::{Begun, Extent, GuardState, RollbackGuard, Sighting, Signer};
use sinergi_proto::transparency::watch::{VerifiedCheckpoint, WatchedLedgers};
use sinergi_proto::wire;

use super::checks::Checks;
use super::ledger::{Ledger, Seen, SignedCheckpoint};
use super::managers::signing_keys;
use super::signatures::Signatures;
use super::topology::{FEDERATION, Topology};

use audit::Audits;
pub use audit::Evidence;
pub use clock::WallClock;
pub use disk::Step;
use disk::{Flight, Waiter};
pub use effect::Effect;
pub use lie::{Broken, EndedLink, HonestNodes, LiarAction, Lie, Sign};
pub use session::Link;
use session::{PeerMemory, Submission};

/// How long an addressee has to answer an offer, in milliseconds. It is shorter than many faults, so that custody forks.
pub const ANSWER_WITHIN: u64 = 20 * 60 * 1000;

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The node does not run.
    Down,
    /// It has started and waits until its peers have shown what they saw of its ledger.
    Hearing,
    /// It runs and may sign.
    Clear,
    /// Its ledger was set back. It waits for its operator.
    SetBack,
}

/// One agency.
pub struct Node {
    /// The agency's id.
    pub id: AgencyId,
    /// Whether the node runs and may sign.
    pub state: State,
    /// The durable state, which survives crashes.
    pub ledger: Ledger,
    /// The links that are up, by peer.
    pub links: BTreeMap<AgencyId, Link>,
    /// The wall clock.
    pub clock: WallClock,
    /// The mark of the ledger, which is in another folder than the ledger.
    pub mark: Option<Extent>,
    /// The room on the disk.
    pub space: DiskSpace,
    /// How often the node was started.
    pub starts: usize,
    /// When the mark was written last.
    marked_at: u64,
    adjacent: BTreeSet<AgencyId>,
    charters: Arc<Charters>,
    checks: Rc<Checks>,
    key: SigningKey,
    /// Number of times that the agency has changed its keys.
    generation: u32,
    signatures: Signatures,
    case_cache_limits: CaseCacheLimits,
    /// `None` while the node does not run.
    engine: Option<Engine>,
    /// The surroundings as the engine knows them.
    engine_knows: Surroundings,
    /// The wall clock, as far as the node can trust it.
    own_clock: OwnClock,
    /// The decisions of the engine since the last batch was closed.
    batch: Batch,
    /// The answers that are given when that batch is applied, each with its waiter.
    answers: Vec<(Waiter, Answer)>,
    /// The batch that the disk is working on.
    flight: Option<Flight>,
    /// The batch that was handed to the disk last, until the engine hears that it is applied.
    handed_over: Option<BatchNumber>,
    /// Operators' commands that wait until the node may sign.
    held_commands: VecDeque<(Input, Waiter)>,
    /// The checkpoints of other agencies' ledgers.
    watch: WatchedLedgers,
    /// Facts about peers that are kept in memory while the node runs.
    peers: BTreeMap<AgencyId, PeerMemory>,
    /// Events for the sessions, in order: the peer, the connection and the event.
    events: VecDeque<(AgencyId, u64, Event)>,
    /// Submissions of the sessions to the writer, in order.
    submissions: VecDeque<Submission>,
    /// Number of questions asked so far.
    question_count: u64,
    /// The end of the ledger as the sessions know it.
    head: Cursor,
    /// The idle timeout of links.
    idle: Duration,
    /// How much a link may have in flight.
    window: Window,
    /// The newest checkpoint signed since the start.
    signed: Option<SignedCheckpoint>,
    /// The newest checkpoint that covers more leaves than the recorded one, until a batch records it.
    unrecorded: Option<SignedCheckpoint>,
    checkpoint_keys: [SigningKey; 2],
    guard: RollbackGuard,
    /// Everything that ever stopped this node because its ledger seemed to be set back.
    pub stopped_by: Vec<Sighting>,
    /// The peers that have shown what they saw of this ledger since the start.
    heard: BTreeSet<AgencyId>,
    audits: Audits,
    /// The lie that the node tells; `None` if it is honest.
    lie: Option<Box<dyn Lie>>,
    /// Whether the lie takes no more actions on its own initiative.
    lie_rests: bool,
    started: u64,
    salt: u64,
    effects: Vec<Effect>,
}

impl Node {
    /// A node that does not run yet.
    pub fn new(
        id: &AgencyId,
        topology: &Topology,
        case_cache_limits: CaseCacheLimits,
        idle: Duration,
        window: Window,
    ) -> Self {
        let adjacent = topology.adjacent.get(id).cloned().unwrap_or_default();
        let (charters, [entry, checkpoint, time]) = (topology.charters(), signing_keys(id, 0, topology.signatures));
        Self {
            id: id.clone(),
            state: State::Down,
            ledger: Ledger::new(Epoch::FIRST, Arc::clone(charters)),
            links: BTreeMap::new(),
            clock: WallClock::default(),
            mark: Some(Extent { epoch: Epoch::FIRST, size: 0 }),
            space: DiskSpace::default(),
            starts: 0,
            marked_at: 0,
            guard: RollbackGuard::clear(),
            stopped_by: Vec::new(),
            heard: BTreeSet::new(),
            adjacent,
            charters: Arc::clone(charters),
            checks: Rc::clone(&topology.checks),
            key: entry,
            generation: 0,
            signatures: topology.signatures,
            case_cache_limits,
            engine: None,
            engine_knows: Surroundings::of_the_start(Arc::clone(charters)),
            own_clock: OwnClock::of_a_start(0, Now::default()),
            batch: Batch::default(),
            answers: Vec::new(),
            flight: None,
            handed_over: None,
            held_commands: VecDeque::new(),
            watch: WatchedLedgers::default(),
            peers: BTreeMap::new(),
            events: VecDeque::new(),
            submissions: VecDeque::new(),
            question_count: 0,
            head: Cursor::start(Epoch::FIRST),
            idle,
            window,
            signed: None,
            unrecorded: None,
            checkpoint_keys: [checkpoint, time],
            audits: Audits::default(),
            lie: None,
            lie_rests: false,
            started: 0,
            salt: 0,
            effects: Vec::new(),
        }
    }

    /// The charter in force.
    pub fn charter(&self) -> &Charter {
        self.charters.newest()
    }

    /// All charters.
    pub fn charters(&self) -> &Charters {
        &self.charters
    }

    /// Takes the effects since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Starts the node. Everything except the ledger is derived again.
    pub fn start(&mut self, now: u64) {
        self.started = now;
        self.heard.clear();
        let signer = Signer { agency: &self.id, charters: &self.charters };
        let peers = self.adjacent.iter().cloned();
        let known = self.known_at_start(now);
        let Ok(Begun { guard, .. }) =
            RollbackGuard::begin(peers, node_limits::HEARING_TIME, known, signer, &self.ledger);
        self.ledger.sightings = guard.sightings().to_vec();
        self.guard = guard;
        self.ledger.destroy_spent_items();
        self.audits.start(self.ledger.records());
        self.load_watch(now);
        self.peers.clear();
        self.own_clock = OwnClock::of_a_start(self.ledger.newest_time(&self.id), self.clocks(now));
        (self.signed, self.unrecorded) = (None, None);
        self.head = self.ledger.end();
        self.open_engine();
        self.state = State::Hearing;
        self.follow_guard(now);
        self.drain(now);
    }

    /// Loads the checkpoints of other agencies from the own ledger.
    fn load_watch(&mut self, now: u64) {
        self.watch = WatchedLedgers::default();
        let shown = self.ledger.seen.iter().map(|shown| (shown, true));
        let in_receipts = self.ledger.receipt_checkpoints.iter().map(|shown| (shown, false));
        let stored: Vec<_> = shown
            .chain(in_receipts)
            .filter_map(|((agency, note), is_own_record)| {
                // A receipt is kept even if its checkpoint does not verify.
                let checkpoint = self.checks.open_with_any_keys(note, agency, &self.charters)?;
                Some((agency.clone(), VerifiedCheckpoint { checkpoint, note: note.clone() }, is_own_record))
            })
            .collect();
        for (agency, stored, is_own_record) in stored {
            let epoch = stored.checkpoint.epoch;
            let taken = self.watch.restore(&agency, stored, is_own_record);
            self.took(&agency, epoch, taken, now);
        }
    }

    /// Stops at once. Durable batches stay. `survives` says whether a batch stays that was written but not synced.
    pub fn crash(&mut self, survives: bool) {
        self.state = State::Down;
        self.lose_what_is_not_durable(survives);
        self.engine = None;
        self.signed = None;
        self.held_commands.clear();
        self.audits.stop();
        self.links.clear();
        self.events.clear();
        self.submissions.clear();
        self.effects.clear();
    }

    /// The time at which the wait for peers ends if no more peers are heard, in milliseconds; `None` if the node is not waiting.
    pub(super) fn clear_at(&self) -> Option<u64> {
        let ends = self.guard.next_timeout().filter(|_| self.state == State::Hearing)?;
        Some(self.started.saturating_add(u64::try_from(ends.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Ends the wait for peers if its time is over.
    fn end_wait(&mut self, now: u64) {
        if self.clear_at().is_some_and(|at| at <= now) {
            self.guard.timeout(self.elapsed(now));
            self.follow_guard(now);
        }
    }

    /// Notes that a peer showed what it saw of this ledger, and that nothing contradicts the ledger.
    fn heard(&mut self, peer: &AgencyId, now: u64) {
        self.heard.insert(peer.clone());
        self.guard.heard(peer, self.elapsed(now));
        self.follow_guard(now);
    }

    /// Notes that a peer saw more leaves of this ledger than it has, or different ones.
    fn set_back(&mut self, sighting: Sighting, now: u64) {
        self.stopped_by.push(sighting.clone());
        self.guard.set_back(sighting);
        self.ledger.sightings = self.guard.sightings().to_vec();
        self.follow_guard(now);
    }

    /// Takes over the state of the guard, and tells the sessions.
    fn follow_guard(&mut self, now: u64) {
        let state = match self.guard.state() {
            GuardState::Waiting | GuardState::Unconfirmed | GuardState::KeyRevoked => State::Hearing,
            GuardState::Clear => State::Clear,
            GuardState::SetBack => State::SetBack,
        };
        if state == self.state {
            return;
        }
        self.state = state;
        match state {
            State::Clear => {
                self.tell_all(&Event::Guard(GuardState::Clear));
                self.decide(Input::Tick, Waiter::Nobody, now);
                // With the next batch, even if it is empty, the first checkpoint is signed.
                self.answers.push((Waiter::Nobody, Answer::Nothing));
                for (input, waiter) in std::mem::take(&mut self.held_commands) {
                    self.decide(input, waiter, now);
                }
            }
            State::SetBack => {
                self.held_commands.clear();
                self.tell_all(&Event::Guard(GuardState::SetBack));
            }
            State::Down | State::Hearing => {}
        }
    }

    fn elapsed(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.started))
    }

    /// Does the periodic work: retries waiting items and duties, witnesses, audits, and asks peers for consistency proofs.
    pub fn retry(&mut self, now: u64) {
        if self.state == State::Clear {
            self.decide(Input::Tick, Waiter::Nobody, now);
            self.witness(now);
            self.audit(now);
            self.misbehave(now);
            self.ask_peers(now);
        }
    }

    /// An operator lodges a complaint.
    pub fn lodge(&mut self, body: wire::Lodged, contents: Vec<(Content, ContentClass)>, now: u64) {
        let lodge = Lodge { body, contents, external: None, forward: None };
        self.command(Input::Lodge(Box::new(lodge)), Waiter::Operator, now);
    }

    /// An operator gives a command on a complaint.
    pub fn act(&mut self, complaint: ComplaintId, command: Command, text: Option<(Content, ContentClass)>, now: u64) {
        let text = text.map(|(content, class)| (content, Some(class)));
        self.command(Input::Act(Box::new(Act { complaint, command, text })), Waiter::Operator, now);
    }

    /// Executes an operator's command. While the node waits for its peers after a start, the command is held, as in the daemon.
    fn command(&mut self, input: Input, waiter: Waiter, now: u64) {
        match self.state {
            State::Hearing if self.guard.state() != GuardState::Waiting => {}
            State::Hearing => self.held_commands.push_back((input, waiter)),
            State::Clear => self.decide(input, waiter, now),
            State::Down | State::SetBack => {}
        }
    }

    /// The time of the last start.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The adjacent peers.
    pub fn adjacent(&self) -> &BTreeSet<AgencyId> {
        &self.adjacent
    }

    /// The verdict on an item: admitted, or refused with a code. `None` if the item would be deferred or the node does not run.
    pub fn verdict_on(&mut self, item: &wire::Item, now: u64) -> Option<Result<(), u32>> {
        if matches!(self.state, State::Down | State::SetBack) {
            return None;
        }
        let wall = self.wall(now);
        match self.checks.items(vec![item.clone()], &self.charters).pop()? {
            Received::Refused { refusal, .. } => Some(Err(refusal.code.number())),
            Received::Deferred { .. } => None,
            Received::Authentic(authentic) => {
                let Ok(verdict) = self.engine.as_mut()?.verdict_on(&authentic.entry, wall, &mut self.ledger);
                match verdict {
                    Verdict::Admit => Some(Ok(())),
                    Verdict::Refuse(refusal) => Some(Err(refusal.code.number())),
                    Verdict::Defer { .. } => None,
                }
            }
        }
    }

    /// A complaint in the engine's cache.
    pub fn in_memory(&self, complaint: &ComplaintId) -> Option<&sinergi_proto::engine::Case> {
        self.engine.as_ref()?.case(complaint)
    }

    /// A salt that no other content of the node uses.
    pub fn next_salt(&mut self) -> [u8; 32] {
        self.salt += 1;
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&self.salt.to_be_bytes());
        salt
    }

    /// Whether the node has waited long enough for its peers to show what they saw of its ledger, or has heard all of them.
    pub fn has_asked_its_peers(&self, now: u64) -> bool {
        self.heard.is_superset(&self.adjacent) || self.elapsed(now) >= node_limits::HEARING_TIME.others
    }

    /// The newest checkpoint signed since the start.
    pub fn signed(&self) -> Option<&SignedCheckpoint> {
        self.signed.as_ref()
    }

    /// Signs a checkpoint over all durable leaves, with this time in seconds since 1970, or none.
    fn sign_checkpoint(&mut self, seconds: Option<u64>) {
        let (epoch, size) = (self.ledger.epoch, self.ledger.next_index().0);
        let seen = Seen { epoch, size, seconds, root: self.ledger.root() };
        let [statement, time] = self.checkpoint_keys.clone();
        let signer = CheckpointSigner::new(FEDERATION, &self.id, epoch, statement, time);
        let note = signer.sign(size, seen.root, seen.seconds).into();
        let signed = SignedCheckpoint { seen, note };
        let recorded = self.unrecorded.as_ref().or(self.ledger.recorded.as_ref());
        if recorded.is_none_or(|largest| largest.seen.size < size) {
            self.unrecorded = Some(signed.clone());
        }
        self.signed = Some(signed);
    }

    /// The node's wall clock, in milliseconds since 1970.
    pub fn wall(&self, now: u64) -> u64 {
        self.clock.read(now)
    }
}
