//! Runs a [`Session`] over a connection: receives and sends frames, carries out the session's actions, and sleeps until its next timeout.
//!
//! Must not decide anything: the session does.
//!
//! ```text
//! session.rs   the loop: connection, clocks and the node's changes -> events; actions -> the rest of the node
//! perform.rs   carries out the actions
//! adoption.rs  adopting a charter that a peer passed on
//! jobs.rs      work that takes time, in the blocking pool
//! rooms.rs     the room that the frames of this session hold in the shared budget
//! to_writer.rs submits to the writer, in order
//! ```
//!
//! Invariants:
//! - the loop waits only for its next event, because all work that takes time is a job outside of it;
//! - timers come before frames;
//! - submissions reach the writer in the order in which the session made them.

mod adoption;
mod jobs;
mod perform;
mod rooms;
mod to_writer;

pub use adoption::{AdoptionParts, CharterAdoption};
pub use jobs::{Incoming, Outgoing, Receipts};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::sync::{Action, AskId, Close, Closing, Event, Question, Session, SessionConfig, Signed, Window};
use sinergi_proto::transparency::rollback_guard::GuardState;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::peer::{Hold, Peer};
use super::{LinkError, failures};
use crate::base::alarms::Alarms;
use crate::base::time::Clocks;
use crate::peers::proof_server::ProofServer;
use crate::peers::watch::Watch;
use crate::rollback_guard::GuardService;
use crate::storage::charters::CharterStore;
use crate::storage::outbox::GiveBack;
use crate::writer::{Head, WriterHandle};
use jobs::{Ended, Running};
use rooms::Rooms;
use to_writer::ToWriter;

/// The most frames that may wait for the transport.
pub(super) const OUTBOUND_FRAMES: usize = 4;
/// The time at the end of a link for sending the last frame and for reading the peer's last frame.
const FAREWELL: Duration = Duration::from_secs(1);
/// The length of the sleep when no timer runs.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// A stream on which a session is to be run.
pub struct Start {
    pub(super) peer: Arc<Peer>,
    pub(super) hold: Hold,
    pub(super) inbound: Streaming<Frame>,
    pub(super) outbound: mpsc::Sender<Frame>,
    /// Receives whether the session was a success, which resets the dialling delay.
    pub(super) ended: Option<oneshot::Sender<bool>>,
}

/// The parts that the sessions of a node need. Each job takes only the part that it needs.
pub struct SessionParts {
    /// This agency.
    pub own: AgencyId,
    /// Its federation.
    pub federation: Federation,
    /// The time without a frame of the peer after which a link ends.
    pub idle: Duration,
    /// The charters.
    pub charter_store: CharterStore,
    /// Takes the received frames.
    pub writer: WriterHandle,
    /// The rollback guard. It learns from the peers whether they saw more of this node's ledger than there is.
    pub guard: GuardService,
    /// The checkpoints of other agencies.
    pub watch: Watch,
    /// Answers peers' questions about this node's ledger.
    pub proofs: ProofServer,
    /// Where alarms go.
    pub alarms: Alarms,
    /// Checks frames that come from peers.
    pub incoming: Arc<Incoming>,
    /// Reads frames that go to peers.
    pub outgoing: Arc<Outgoing>,
    /// Signs receipts and checks those of peers.
    pub receipts: Arc<Receipts>,
    /// Adopts the charters that peers pass on.
    pub adoption: Arc<CharterAdoption>,
    /// Ends all sessions.
    pub stop: CancellationToken,
}

/// Runs sessions until they are told to stop, and waits for them to end.
pub async fn run_sessions(parts: SessionParts, mut starts: mpsc::Receiver<Start>) {
    let parts = Arc::new(parts);
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            start = starts.recv() => match start {
                Some(start) => drop(sessions.spawn(run(Arc::clone(&parts), start))),
                None => break,
            },
            Some(done) = sessions.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a session failed; this is a defect of the program, please report it");
            },
            () = parts.stop.cancelled() => break,
        }
    }
    while sessions.join_next().await.is_some() {}
}

async fn run(parts: Arc<SessionParts>, start: Start) {
    let Start { peer, mut hold, mut inbound, outbound, ended } = start;
    let Close { end, was_success } = Runner::run(&parts, &peer, &mut inbound, &outbound, &mut hold).await;
    drop(hold);
    if let Some(fault) = end.farewell() {
        say_farewell(outbound, &mut inbound, fault).await;
    }
    if end.is_orderly() {
        tracing::info!(peer = %peer.agency, "the link ended: {end}");
    } else {
        peer.failed(&LinkError::from(end));
    }
    if let Some(ended) = ended {
        // The dialling task may have been told to stop.
        let _ = ended.send(was_success);
    }
}

/// Sends the last frame with the reason, and lets the peer end the stream. If the stream were dropped at once, the last frame might not be sent.
async fn say_farewell(outbound: mpsc::Sender<Frame>, inbound: &mut Streaming<Frame>, fault: wire::Fault) {
    let farewell = async {
        if outbound.send(Frame { kind: Some(Kind::Fault(fault)) }).await.is_ok() {
            drop(outbound);
            loop {
                match event_of(inbound.message().await) {
                    Event::Frame(_) => {}
                    // After a frame that cannot be decoded, the end of the stream cannot be read. The peer still gets the time to read the
                    // reason.
                    Event::Closed(Closing::NoFrame(..)) => std::future::pending().await,
                    _ => break,
                }
            }
        }
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// The received frame, or the reason why no more can come. A frame that cannot be decoded or is too large is the peer's fault.
fn event_of(message: Result<Option<Frame>, tonic::Status>) -> Event {
    let status = match message {
        Ok(Some(frame)) => return Event::Frame(frame),
        Ok(None) => return Event::Closed(Closing::ByPeer),
        Err(status) => status,
    };
    let reason = failures::explain_status(&status);
    Event::Closed(match status.code() {
        _ if failures::is_of_peer(&status) => Closing::Broken(format!("the peer ended the call: {reason}")),
        tonic::Code::OutOfRange => {
            let reason = format!("a frame over {} bytes: {reason}", limits::FRAME_BYTES);
            Closing::NoFrame(FaultCode::LimitExceeded, reason)
        }
        tonic::Code::Internal if std::error::Error::source(&status).is_none() => {
            Closing::NoFrame(FaultCode::UnexpectedFrame, format!("a garbled frame: {reason}"))
        }
        _ => Closing::Broken(reason),
    })
}

/// A local caller that waits for an answer of the peer.
enum Waiter {
    Ping(oneshot::Sender<()>),
    Proof(oneshot::Sender<wire::Proof>),
}

/// A session with its connection and its jobs.
struct Runner<'a> {
    parts: &'a SessionParts,
    peer: &'a Arc<Peer>,
    session: Session,
    clocks: Clocks,
    /// Cleared and used again for every event.
    actions: Vec<Action>,
    /// Events that follow directly from actions.
    events: VecDeque<Event>,
    running: FuturesUnordered<Running>,
    rooms: Rooms,
    to_writer: ToWriter,
    waiters: BTreeMap<AskId, Waiter>,
    asked: u64,
    /// The entries to give back to a peer that began a new epoch. Made at the first read for it.
    give_back: Option<Arc<GiveBack>>,
    /// Set when nothing can be sent any more. Until this time, the peer's frames are still read.
    last_words: Option<Instant>,
    closed: Option<Close>,
}

impl<'a> Runner<'a> {
    /// Runs a session to its end.
    async fn run(
        parts: &'a SessionParts,
        peer: &'a Arc<Peer>,
        inbound: &mut Streaming<Frame>,
        outbound: &mpsc::Sender<Frame>,
        hold: &mut Hold,
    ) -> Close {
        let (mut changes, opening) = Changes::follow(parts, peer);
        let mut runner = Self::open(parts, peer, opening);
        let mut sleep = Box::pin(tokio::time::sleep(NEVER));
        let mut sleeps_until = None;
        loop {
            runner.expire();
            runner.send(outbound);
            if let Some(close) = runner.closed.take() {
                return close;
            }
            let next = runner.session.next_timeout();
            if next != sleeps_until {
                sleeps_until = next;
                let wait = next.map_or(NEVER, Duration::from_nanos);
                sleep.as_mut().reset(runner.clocks.after(wait));
            }
            let (session, last_words) = (&runner.session, runner.last_words);
            let event = tokio::select! {
                () = parts.stop.cancelled() => Event::Stop,
                () = hold.superseded.cancelled() => Event::Superseded,
                room = outbound.reserve(), if session.has_frame() && last_words.is_none() => {
                    match room {
                        Ok(room) => runner.send_one(room),
                        Err(_) => runner.stop_sending(),
                    }
                    continue;
                },
                () = until(last_words) => peer_left(),
                message = inbound.message(), if session.reads() => event_of(message),
                Some(ended) = runner.running.next() => runner.ended(ended),
                taken = runner.to_writer.taken() => taken,
                (changed, then) = changes.next(parts, session.wants_news()) => {
                    runner.events.extend(then);
                    changed
                }
                Some(asked) = hold.pings.recv(), if session.takes_pings() => {
                    runner.ask(Question::Alive, Waiter::Ping(asked))
                }
                Some(asked) = hold.questions.recv(), if session.takes_proof_questions() => {
                    runner.ask(Question::Prove(asked.prove), Waiter::Proof(asked.answer))
                }
                () = &mut sleep, if next.is_some() => {
                    sleeps_until = None;
                    continue;
                }
            };
            if let Some((grown, then)) = changes.growth() {
                runner.events.extend(then);
                runner.handle(grown);
            }
            runner.handle(event);
        }
    }

    fn open(parts: &'a SessionParts, peer: &'a Arc<Peer>, opening: SessionConfig) -> Self {
        let (mut actions, clocks) = (Vec::new(), Clocks::start());
        let session = Session::open(opening, clocks.now(), &mut actions);
        let mut runner = Self {
            parts,
            peer,
            session,
            clocks,
            actions: Vec::new(),
            events: VecDeque::new(),
            running: FuturesUnordered::new(),
            rooms: Rooms::default(),
            to_writer: ToWriter::new(parts.writer.clone()),
            waiters: BTreeMap::new(),
            asked: 0,
            give_back: None,
            last_words: None,
            closed: None,
        };
        actions.into_iter().for_each(|action| runner.perform(action));
        runner.drain();
        runner
    }

    /// Tells the session that a timeout has come, if one has.
    fn expire(&mut self) {
        if let Some(next) = self.session.next_timeout()
            && self.clocks.mono_nanos() >= next
        {
            self.handle(Event::Timeout);
        }
    }

    /// Sends the frames that the transport can take now.
    fn send(&mut self, outbound: &mpsc::Sender<Frame>) {
        while self.session.has_frame() && self.last_words.is_none() {
            match outbound.try_reserve() {
                Ok(room) => self.send_one(room),
                Err(mpsc::error::TrySendError::Full(())) => return,
                Err(mpsc::error::TrySendError::Closed(())) => self.stop_sending(),
            }
        }
    }

    /// The transport takes no more frames. Frames that the peer sent before are still read, because they may say why.
    fn stop_sending(&mut self) {
        self.last_words = Some(Instant::now() + FAREWELL);
    }

    fn send_one(&mut self, room: mpsc::Permit<'_, Frame>) {
        if let Some(frame) = self.session.next_frame(self.clocks.now()) {
            room.send(frame);
        }
    }

    /// Gives the session an event, and all events that follow directly from it.
    fn handle(&mut self, event: Event) {
        self.events.push_front(event);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.events.pop_front() {
            let now = self.clocks.now();
            let mut actions = std::mem::take(&mut self.actions);
            self.session.handle(event, now, &mut actions);
            actions.drain(..).for_each(|action| self.perform(action));
            self.actions = actions;
        }
    }

    /// Takes a question for the peer, with the channel for the answer.
    fn ask(&mut self, question: Question, waiter: Waiter) -> Event {
        self.asked += 1;
        let ask = AskId(self.asked);
        self.waiters.insert(ask, waiter);
        Event::Ask(ask, question)
    }

    /// A job has ended. The room that it took is kept until the session gives it back.
    fn ended(&mut self, ended: Ended) -> Event {
        let Ended { job, done, room } = ended;
        if let Some((way, share)) = room {
            self.rooms.insert(job, way, share);
        }
        Event::Done(job, done)
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The transport takes no more frames, and the peer does not say why.
fn peer_left() -> Event {
    Event::Closed(Closing::Broken("the peer left".to_owned()))
}

/// Follows the changes of the node that are events of a session.
struct Changes {
    head: watch::Receiver<Head>,
    charter: watch::Receiver<u64>,
    guard: watch::Receiver<GuardState>,
    news: watch::Receiver<u64>,
}

impl Changes {
    /// Returns the node's present state, for a new session, and a value that follows its changes.
    fn follow(parts: &SessionParts, peer: &Peer) -> (Self, SessionConfig) {
        let (mut head, mut guard) = (parts.writer.head(), parts.guard.watch());
        let (charter, news) = (parts.charter_store.version(), parts.watch.versions());
        let config = {
            let head = head.borrow_and_update();
            SessionConfig {
                own: parts.own.clone(),
                peer: peer.agency.clone(),
                federation: parts.federation.to_string(),
                idle: parts.idle,
                window: Window::default(),
                charters: parts.charter_store.charters(),
                end: head.end(),
                signed: signed(&head),
                guard: *guard.borrow_and_update(),
            }
        };
        (Self { head, charter, guard, news }, config)
    }

    /// Waits for the next change. Returns its event, and a second one if there are two; [`Event::Stop`] when the node ends. Can be dropped
    /// and called again.
    async fn next(&mut self, parts: &SessionParts, wants_news: bool) -> (Event, Option<Event>) {
        let changed = tokio::select! {
            changed = self.head.changed() => match changed {
                Ok(()) => return self.grown(),
                Err(error) => Err(error),
            },
            changed = self.charter.changed() => changed.map(|()| Event::Charters(parts.charter_store.charters())),
            changed = self.guard.changed() => changed.map(|()| Event::Guard(*self.guard.borrow_and_update())),
            changed = self.news.changed(), if wants_news => changed.map(|()| Event::News),
        };
        (changed.unwrap_or(Event::Stop), None)
    }

    /// The events of a ledger that has grown, if it has. A session must get them before it learns how far the peer has the ledger.
    fn growth(&mut self) -> Option<(Event, Option<Event>)> {
        self.head.has_changed().is_ok_and(|has_changed| has_changed).then(|| self.grown())
    }

    /// The events with the ledger's end, and with the checkpoint that covers it if there is one.
    fn grown(&mut self) -> (Event, Option<Event>) {
        let head = self.head.borrow_and_update();
        (Event::Grown(head.end()), signed(&head).map(Event::Signed))
    }
}

/// This node's newest checkpoint, if it has signed one since its start.
fn signed(head: &Head) -> Option<Signed> {
    head.is_signed.then(|| Signed { size: head.size, note: Arc::clone(&head.checkpoint) })
}
