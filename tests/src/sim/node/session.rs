//! Runs the product's sessions: gives them events, carries out their actions, and sends their frames (daemon: peers/session). Decides
//! nothing.
//!
//! Invariants:
//! - an event is handled completely before the next one; events that an action causes wait in the queue;
//! - timers come before frames, and sessions learn that the ledger has grown before they get the frames that came later;
//! - submissions reach the writer in the order of the actions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message;
use sinergi_proto::base::clock::Now;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::engine::{Delivery, Input, ReceiptHeader, SeenHeader};
use sinergi_proto::sync::{
    Action, AskId, Closing, Done, Event, GiveBacks, Job, JobId, PeerChange, Question, Reply, Session, SessionConfig,
    SideRecord, Signed,
};
use sinergi_proto::transparency::audit::consistency::{ConsistencyCheck, ConsistencyStep};
use sinergi_proto::transparency::rollback_guard::GuardState;
use sinergi_proto::wire::Frame;

use super::disk::Waiter;
use super::{Effect, Node, State};
use crate::sim::topology::FEDERATION;

/// Number of frames that the transport takes before the other side reads one.
const TRANSPORT_FRAMES: usize = 4;

/// A node's end of one connection.
pub struct Link {
    /// The number of the connection.
    pub connection: u64,
    /// How far the peer has acknowledged this ledger; `None` before the link is up.
    pub acknowledged: Option<Cursor>,
    session: Session,
    /// Frames that arrived and were not read yet.
    inbound: VecDeque<Frame>,
    /// Number of frames that were sent and that the peer has not read yet.
    in_transport: usize,
    /// The version of the watch that the session knows.
    known_watch_version: u64,
    /// Open questions to the peer.
    asked: BTreeMap<AskId, Asked>,
    /// Room reserved for frames on the way to the peer.
    sending: BTreeSet<JobId>,
    /// Room reserved for frames from the peer that are not durable yet, in bytes.
    receiving: BTreeMap<JobId, usize>,
}

/// The purpose of a question.
pub(super) enum Asked {
    /// A consistency check of the watch.
    Recheck(ConsistencyCheck),
    /// The running audit.
    Audit,
}

/// Facts about a peer that a node keeps in memory while it runs.
#[derive(Default)]
pub(super) struct PeerMemory {
    /// The version of the watch up to which the peer has got other agencies' checkpoints.
    pub(super) gossiped: u64,
    /// The hash of a rival charter that the peer has, and the version up to which this node has passed on its own charters because of it.
    pub(super) passed_on: Option<([u8; 32], u64)>,
    /// When this node began to give entries back to the peer.
    pub(super) gave_back: GiveBacks,
}

/// A submission to the writer.
pub(super) struct Submission {
    /// The peer and the connection of the session; `None` for the node's own submissions.
    pub(super) link: Option<(AgencyId, u64)>,
    /// The input for the engine.
    pub(super) input: Input,
    /// The job that waits until the input is durable.
    pub(super) job: Option<JobId>,
}

impl Node {
    /// Begins a session on a new connection.
    pub fn connected(&mut self, connection: u64, peer: &AgencyId, now: u64) {
        let config = SessionConfig {
            own: self.id.clone(),
            peer: peer.clone(),
            federation: FEDERATION.to_owned(),
            idle: self.idle,
            window: self.window,
            charters: self.charters.clone(),
            end: self.head,
            signed: self.newest_signed(),
            guard: match self.state {
                State::Clear => GuardState::Clear,
                State::SetBack => GuardState::SetBack,
                State::Hearing => self.guard.state(),
                State::Down => GuardState::Waiting,
            },
        };
        let mut actions = Vec::new();
        let session = Session::open(config, self.clocks(now), &mut actions);
        let link = Link {
            connection,
            acknowledged: None,
            session,
            inbound: VecDeque::new(),
            in_transport: 0,
            known_watch_version: 0,
            asked: BTreeMap::new(),
            sending: BTreeSet::new(),
            receiving: BTreeMap::new(),
        };
        self.links.insert(peer.clone(), link);
        for action in actions {
            self.perform(peer, connection, action, now);
        }
        self.drain(now);
    }

    /// Ends the session of a connection that has ended.
    pub fn disconnected(&mut self, connection: u64, peer: &AgencyId, now: u64) {
        self.give_event(peer, connection, Event::Closed(Closing::Broken("the network ended it".to_owned())), now);
    }

    /// Takes a frame that has arrived.
    pub fn arrived(&mut self, connection: u64, peer: &AgencyId, frame: Frame, now: u64) {
        let frame = self.received_frame(peer, frame);
        if let Some(link) = self.link(peer, connection) {
            link.inbound.push_back(frame);
            self.drain(now);
        }
    }

    /// Sends the next frame, because the transport has room for one more.
    pub fn has_room(&mut self, connection: u64, peer: &AgencyId, now: u64) {
        if let Some(link) = self.link(peer, connection) {
            link.in_transport = link.in_transport.saturating_sub(1);
            self.send(peer, connection, self.clocks(now));
        }
    }

    /// Executes a job whose time is over, and gives the result to the session.
    pub fn work(&mut self, connection: u64, peer: &AgencyId, job: JobId, what: Job, now: u64) {
        if self.link(peer, connection).is_some() {
            let done = self.done(peer, what, now);
            let done = self.job_result(peer, done);
            self.give_event(peer, connection, Event::Done(job, done), now);
        }
    }

    /// When [`Self::expire`] is due, in milliseconds since 1970.
    pub fn next_timeout(&self) -> Option<u64> {
        let timeouts = self.links.values().filter_map(|link| link.session.next_timeout());
        timeouts.map(|nanos| nanos.div_ceil(1_000_000)).chain(self.clear_at()).min()
    }

    /// Handles the timers that have expired.
    pub fn expire(&mut self, now: u64) {
        self.end_wait(now);
        let clocks = self.clocks(now);
        for (peer, link) in &self.links {
            if link.has_expired(clocks) {
                self.events.push_back((peer.clone(), link.connection, Event::Timeout));
            }
        }
        self.drain(now);
    }

    /// Whether submissions wait for the writer.
    pub fn has_submissions(&self) -> bool {
        !self.submissions.is_empty()
    }

    /// The writer takes the oldest submission.
    pub fn take_submission(&mut self, now: u64) {
        let Some(Submission { link, input, job }) = self.submissions.pop_front() else { return };
        let peer = |((peer, connection), job)| Waiter::Peer(peer, connection, job);
        self.decide(input, link.clone().zip(job).map_or(Waiter::Nobody, peer), now);
        if let Some((peer, connection)) = link {
            self.give_event(&peer, connection, Event::Taken, now);
        }
    }

    /// Asks peers to prove that their trees are consistent with their earlier checkpoints.
    pub fn ask_peers(&mut self, now: u64) {
        for (peer, sizes) in self.watch.to_ask(self.links.keys().cloned()) {
            let is_asked = |link: &Link| !link.asked.is_empty() || !link.session.takes_proof_questions();
            let Some((connection, link)) = self.links.get_mut(&peer).map(|link| (link.connection, link)) else {
                continue;
            };
            if !is_asked(link) {
                let recheck = ConsistencyCheck::new(peer.clone(), sizes);
                self.ask(&peer, connection, Question::Prove(recheck.question()), Asked::Recheck(recheck));
            }
        }
        self.drain(now);
    }

    pub(super) fn ask(&mut self, peer: &AgencyId, connection: u64, question: Question, asked: Asked) {
        self.question_count += 1;
        let ask = AskId(self.question_count);
        if let Some(link) = self.link(peer, connection) {
            link.asked.insert(ask, asked);
            self.events.push_back((peer.clone(), connection, Event::Ask(ask, question)));
        }
    }

    /// Gives a session an event, and handles everything that follows from it.
    pub(super) fn give_event(&mut self, peer: &AgencyId, connection: u64, event: Event, now: u64) {
        self.events.push_back((peer.clone(), connection, event));
        self.drain(now);
    }

    /// Queues an event for every session. [`Self::drain`] delivers it.
    pub(super) fn tell_all(&mut self, event: &Event) {
        let links = self.links.iter().map(|(peer, link)| (peer.clone(), link.connection, event.clone()));
        self.events.extend(links);
    }

    /// Gives the sessions all queued events, and the frames that they can read.
    pub(super) fn drain(&mut self, now: u64) {
        while let Some((peer, connection, event)) = self.events.pop_front().or_else(|| self.next_event(now)) {
            let clocks = self.clocks(now);
            let Some(link) = self.link(&peer, connection) else { continue };
            let mut actions = Vec::new();
            link.session.handle(event, clocks, &mut actions);
            for action in actions {
                self.perform(&peer, connection, action, now);
            }
            self.send(&peer, connection, clocks);
        }
    }

    /// The next event when the queue is empty: a timer, news of the watch, or a frame.
    fn next_event(&mut self, now: u64) -> Option<(AgencyId, u64, Event)> {
        let (clocks, version) = (self.clocks(now), self.watch.version());
        for (peer, link) in &mut self.links {
            let event = if link.session.wants_news() && link.known_watch_version != version {
                link.known_watch_version = version;
                Event::News
            } else if link.inbound.is_empty() || !link.session.reads() {
                continue;
            } else if link.has_expired(clocks) {
                Event::Timeout
            } else {
                self.effects.push(Effect::Read(link.connection, peer.clone()));
                Event::Frame(link.inbound.pop_front()?)
            };
            return Some((peer.clone(), link.connection, event));
        }
        None
    }

    /// Sends the frames for which the transport has room.
    fn send(&mut self, peer: &AgencyId, connection: u64, clocks: Now) {
        while let Some(link) = self.link(peer, connection)
            && link.in_transport < TRANSPORT_FRAMES
            && let Some(frame) = link.session.next_frame(clocks)
        {
            let frames = self.frames_to_send(peer, frame);
            if let Some(link) = self.link(peer, connection) {
                link.in_transport += frames.len();
            }
            self.effects.extend(frames.into_iter().map(|frame| Effect::Send(connection, peer.clone(), frame)));
        }
    }

    fn link(&mut self, peer: &AgencyId, connection: u64) -> Option<&mut Link> {
        self.links.get_mut(peer).filter(|link| link.connection == connection)
    }

    /// Both clocks of the node.
    pub(super) fn clocks(&self, now: u64) -> Now {
        Now { wall_millis: self.wall(now), mono_nanos: now * 1_000_000 }
    }

    /// Carries out one action of a session.
    fn perform(&mut self, peer: &AgencyId, connection: u64, action: Action, now: u64) {
        match action {
            Action::Start(job, Job::Commit { cursor, items }) => {
                let input = Input::Deliver(Delivery { peer: peer.clone(), cursor, items });
                let link = Some((peer.clone(), connection));
                self.submissions.push_back(Submission { link, input, job: Some(job) });
            }
            Action::Start(id, job) => {
                self.take_room(peer, connection, id, &job);
                self.effects.push(Effect::Work(connection, peer.clone(), id, Box::new(job)));
            }
            Action::Store(record) => {
                let input = input_of(peer, record);
                let link = Some((peer.clone(), connection));
                self.submissions.push_back(Submission { link, input, job: None });
            }
            Action::Answer(ask, reply) => self.answered(peer, connection, ask, reply, now),
            Action::Saw(noted) => drop(self.watch_takes(peer, noted, now)),
            Action::Peer(change) => self.note(peer, connection, &change, now),
            Action::Close(close) => {
                self.links.remove(peer);
                self.effects.push(Effect::Close(connection, peer.clone(), close.end));
                self.audit_lost_link(peer, connection, now);
            }
            Action::Release(room) => {
                if let Some(link) = self.link(peer, connection) {
                    link.sending.remove(&room);
                    link.receiving.remove(&room);
                }
            }
            Action::Warn(_) => {}
        }
    }

    /// Reserves room for a job. There is always room, but no link may take more than its window.
    fn take_room(&mut self, peer: &AgencyId, connection: u64, id: JobId, job: &Job) {
        let window = self.window;
        let Some(link) = self.link(peer, connection) else { return };
        let (under_way, most) = match job {
            Job::Read { .. } => {
                link.sending.insert(id);
                (link.sending.len(), window.frames)
            }
            // The last frame may be larger than the room that is left.
            Job::Reserve { bytes } => {
                let before: usize = link.receiving.values().sum();
                link.receiving.insert(id, *bytes);
                (link.receiving.len(), if before < window.bytes { window.frames } else { 0 })
            }
            _ => return,
        };
        if under_way > most {
            let (sending, receiving) = (link.sending.len(), &link.receiving);
            let what = format!("{sending} frames to and {receiving:?} from {peer}, more than {window:?}");
            self.effects.push(Effect::WindowExceeded(format!("{} has {what}", self.id)));
        }
    }

    fn answered(&mut self, peer: &AgencyId, connection: u64, ask: AskId, reply: Reply, now: u64) {
        match self.link(peer, connection).and_then(|link| link.asked.remove(&ask)) {
            Some(Asked::Audit) => self.audit_answered(peer, reply, now),
            Some(Asked::Recheck(recheck)) => self.rechecked(peer, connection, recheck, reply, now),
            None => {}
        }
    }

    fn rechecked(&mut self, peer: &AgencyId, connection: u64, mut recheck: ConsistencyCheck, reply: Reply, now: u64) {
        let Reply::Proof(proof) = reply else { return };
        let again = match proof.refusal.is_empty() {
            true => match recheck.answer(proof, &self.charters) {
                Ok(ConsistencyStep::Shown(tree, beginnings)) => {
                    let epoch = tree.checkpoint.epoch;
                    if let Some(finding) = self.watch.answered(peer, *tree, beginnings) {
                        self.found(peer, epoch, finding, now);
                    }
                    false
                }
                Ok(ConsistencyStep::AskAgain) => true,
                Err(_) => false,
            },
            false => recheck.refused(),
        };
        if again {
            self.ask(peer, connection, Question::Prove(recheck.question()), Asked::Recheck(recheck));
        }
    }

    fn note(&mut self, peer: &AgencyId, connection: u64, change: &PeerChange, now: u64) {
        match change {
            PeerChange::Heard => self.heard(peer, now),
            PeerChange::Progress { acknowledged, .. } => {
                if let Some(link) = self.link(peer, connection) {
                    link.acknowledged = Some(*acknowledged);
                }
            }
            PeerChange::Gossiped(version) => self.peers.entry(peer.clone()).or_default().gossiped = *version,
            PeerChange::GivesBack(reason) => {
                let wall = self.wall(now);
                self.peers.entry(peer.clone()).or_default().gave_back.begin(*reason, wall);
            }
            PeerChange::PassedOn(passed_on) => self.peers.entry(peer.clone()).or_default().passed_on = *passed_on,
            PeerChange::ClockOffset(offset) => {
                let clocks = self.clocks(now);
                self.own_clock.heard(peer, *offset, clocks);
            }
            PeerChange::Greeted { .. }
            | PeerChange::Linked
            | PeerChange::Shown { .. }
            | PeerChange::Answered
            | PeerChange::SentEntries(_)
            | PeerChange::ReceivedEntries(_)
            | PeerChange::Refused(_) => {}
        }
    }

    /// This node's newest checkpoint, for its sessions.
    pub(super) fn newest_signed(&self) -> Option<Signed> {
        let signed = self.signed.as_ref()?;
        Some(Signed { size: self.head.index, note: signed.note.clone() })
    }

    /// Reports to a session that its submission is durable, or was not accepted.
    pub(super) fn committed(&mut self, peer: AgencyId, connection: u64, job: JobId, done: Done) {
        self.events.push_back((peer, connection, Event::Done(job, done)));
    }
}

impl Link {
    /// Whether the session takes one more question about the peer's ledger.
    pub(super) fn takes_proof_questions(&self) -> bool {
        self.session.takes_proof_questions()
    }

    fn has_expired(&self, clocks: Now) -> bool {
        self.session.next_timeout().is_some_and(|timeout| timeout <= clocks.mono_nanos)
    }
}

fn input_of(peer: &AgencyId, record: SideRecord) -> Input {
    let peer = peer.clone();
    match record {
        SideRecord::Receipt { at, answer, ack } => {
            Input::Receipt(ReceiptHeader::of(peer, at, answer), ack.encode_to_vec())
        }
        SideRecord::Seen { at, note } => {
            assert!(note.len() <= limits::CHECKPOINT_BYTES, "a session kept a note of {} bytes", note.len());
            Input::Seen(SeenHeader { at, peer }, note)
        }
    }
}
