//! One session: Hello, then frames both ways until something ends it. The shell around the two state machines.
//!
//! ```text
//! hello.rs      the greeting: who, which version, what each has of the other's ledger
//! receiving.rs  frames -> authenticated items -> writer -> receipts
//! sending.rs    ledger -> frames -> receipts stored
//! seen.rs       what each has seen of the other's ledger
//! to_writer.rs  what waits for room in the writer's queue
//! proving.rs    questions about ledgers and their answers
//! telling.rs    what this node saw of third parties' ledgers
//! health.rs     pings, clocks, charters
//! ```
//!
//! Invariants:
//! - received frames reach the writer, and are acknowledged, in the order of their arrival, however long their signature checks take;
//! - nothing here waits for the peer to read while holding something the peer waits for: what goes out is queued, and a peer that does not
//!   read while it is owed more than the windows allow is let go;
//! - a session that waits for room, in the writer's queue or in what all links may hold, or for a window of receipts to be signed, reads no
//!   more frames and does everything else;
//! - silence for [`Links::idle`] ends the session, and so does a peer that reads but never acknowledges.

mod health;
mod hello;
mod proving;
mod receiving;
mod seen;
mod sending;
mod telling;
mod to_writer;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use prost::Message;
use sinergi_proto::limits;
use sinergi_proto::link::{Cursor, Receiver, Sender, SenderEvent};
use sinergi_proto::receipt::ReceiptError;
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Streaming;

use super::budget::Share;
use super::intake::CheckedReceipt;
use super::peer::{Hold, Peer};
use super::{LinkError, Links, dial};
use crate::case::CaseError;
use crate::continuity::State;
use crate::outbox::{GiveBack, Prepared};
use crate::writer::{Delivered, Head, Received};
use seen::Hearing;
use telling::Telling;
use to_writer::ToWriter;

/// Frames handed to the transport and not yet taken by it.
pub(super) const OUTBOUND_FRAMES: usize = 4;
/// Time for the last frame to leave.
const GOODBYE: Duration = Duration::from_secs(1);
/// A session that lasted so long, or moved an entry, was a success: its end is no reason to dial more slowly.
const LASTED: Duration = Duration::from_secs(10);
/// Frames that may wait for the peer to read: what the windows of both directions allow, and some room for charters.
const OUT_FRAMES: usize = 2 * limits::LINK_WINDOW_FRAMES + 64;

/// A stream on which a session is to be run.
pub struct Start {
    pub(super) peer: Arc<Peer>,
    pub(super) hold: Hold,
    pub(super) inbound: Streaming<Frame>,
    pub(super) outbound: mpsc::Sender<Frame>,
    pub(super) ended: Option<oneshot::Sender<Ended>>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// It was a success: there is no reason to dial more slowly.
    pub(super) was_success: bool,
}

/// Runs sessions until the links are told to stop, and waits for them to end.
pub async fn run_sessions(links: Links, mut starts: mpsc::Receiver<Start>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            start = starts.recv() => match start {
                Some(start) => drop(sessions.spawn(run(links.clone(), start))),
                None => break,
            },
            Some(done) = sessions.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a session failed; this is a defect of the program, please report it");
            },
            () = links.stop.cancelled() => break,
        }
    }
    while sessions.join_next().await.is_some() {}
}

async fn run(links: Links, start: Start) {
    let Start { peer, mut hold, mut inbound, outbound, ended } = start;
    let mut was_success = false;
    let greeting = Session::greet(&links, &peer, &mut inbound, outbound.clone(), &hold).await;
    let result = match greeting {
        Ok(mut session) => {
            let result = session.run(&mut inbound, &mut hold).await;
            if session.began.elapsed() > limits::TELL_PAUSE {
                peer.note(|state| state.told = 0);
            }
            was_success = session.moved || session.began.elapsed() > LASTED;
            if !was_success {
                // The charters may not have reached the peer.
                peer.note(|state| state.passed_on = None);
            }
            result
        }
        Err(error) => Err(error),
    };
    drop(hold);
    links.check_clock();
    if let Err(error) = result {
        say_goodbye(outbound, &mut inbound, &error).await;
        if error.is_orderly() {
            tracing::info!(peer = %peer.agency, "the link ended: {error}");
        } else {
            peer.failed(&error);
        }
    }
    if let Some(ended) = ended {
        // The dialling task may have been told to stop.
        let _ = ended.send(Ended { was_success });
    }
}

/// Tells the peer why, and lets it end the stream: dropped at once, the last frame might not leave.
async fn say_goodbye(outbound: mpsc::Sender<Frame>, inbound: &mut Streaming<Frame>, error: &LinkError) {
    let (code, reason) = match error {
        LinkError::Fault(code, reason) => (*code, reason.clone()),
        LinkError::Stopped => (FaultCode::Stopping, "the node is stopping".to_owned()),
        LinkError::Own(_) => (FaultCode::Internal, "the node cannot read its own data".to_owned()),
        LinkError::Connect { .. } | LinkError::Broken(_) | LinkError::ByPeer { .. } => return,
    };
    let goodbye = async {
        let fault = frame(Kind::Fault(wire::Fault { code: code.number(), reason }));
        if outbound.send(fault).await.is_ok() {
            drop(outbound);
            loop {
                match heard(inbound.message().await) {
                    Ok(Some(_)) => {}
                    // After what is no frame no end can be read; who sent it has time to hear why all the same.
                    Err(LinkError::Fault(..)) => std::future::pending().await,
                    Ok(None) | Err(_) => break,
                }
            }
        }
    };
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}

fn frame(kind: Kind) -> Frame {
    Frame { kind: Some(kind) }
}

/// A receipt that was checked off the async threads.
type CheckedAck = Result<CheckedReceipt, ReceiptError>;
/// A frame whose items were authenticated.
type CheckedItems = (Cursor, Vec<Received>);
/// A frame that was read from the ledger, with its room in all windows.
type PreparedRead = Result<(Prepared, Share), CaseError>;
/// A frame that came, its weight, and its room in what all links may hold.
type Admitted = (wire::Deliver, usize, Share);

struct Session<'a> {
    links: &'a Links,
    peer: &'a Arc<Peer>,
    began: Instant,
    /// An entry was moved in either direction.
    moved: bool,

    sender: Sender,
    reading: Option<BoxFuture<'static, PreparedRead>>,
    prepared: Option<(wire::Deliver, Share)>,
    in_flight: VecDeque<Share>,
    acks: FuturesOrdered<BoxFuture<'static, CheckedAck>>,

    receiver: Receiver,
    /// The frame that came last, as long as there is no room for it.
    admitting: Option<BoxFuture<'static, Admitted>>,
    /// Room for the frames that are not acknowledged yet, in their order.
    held: VecDeque<Share>,
    authenticating: FuturesOrdered<BoxFuture<'static, CheckedItems>>,
    committing: FuturesOrdered<oneshot::Receiver<Delivered>>,
    receipting: FuturesOrdered<BoxFuture<'static, Result<wire::Ack, LinkError>>>,
    paused: bool,
    to_writer: ToWriter,

    outbound: mpsc::Sender<Frame>,
    out: VecDeque<Kind>,
    ping_due: bool,
    /// The highest nonce of the pings to be answered.
    pong_due: Option<u64>,
    pinged: Vec<oneshot::Sender<()>>,

    /// Answers to the peer that are being made.
    proving: FuturesOrdered<BoxFuture<'static, Result<wire::Proof, LinkError>>>,
    /// Who waits for the peer's answers, by the number of the question.
    questions: BTreeMap<u64, oneshot::Sender<wire::Proof>>,
    asked: u64,

    last_heard: Instant,
    last_said: Instant,
    last_progress: Instant,
    head: watch::Receiver<Head>,
    charter: watch::Receiver<u64>,
    /// A charter from the peer was not adopted: none that it brings after that could follow.
    charters_end: bool,
    /// Checkpoints that the peer has shown and that were kept.
    shown: usize,
    hearing: Hearing,
    telling: Telling,
    continuity: watch::Receiver<State>,
    /// What the peer lost with its ledger.
    give_back: Option<Arc<GiveBack>>,
}

impl Session<'_> {
    async fn run(&mut self, inbound: &mut Streaming<Frame>, hold: &mut Hold) -> Result<(), LinkError> {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let outbound = self.outbound.clone();
            tokio::select! {
                () = self.links.stop.cancelled() => return Err(LinkError::Stopped),
                () = hold.superseded.cancelled() => return Err(hello::superseded()),
                room = outbound.reserve(), if self.has_something_to_say() => {
                    let room = room.map_err(|_| LinkError::Broken("the peer left".to_owned()))?;
                    if let Some(frame) = self.next_frame() {
                        room.send(frame);
                    }
                }
                message = inbound.message(), if self.listens() => self.frame(message).await?,
                admitted = next(&mut self.admitting), if self.admitting.is_some() => {
                    self.admitting = None;
                    self.deliver(admitted)?;
                }
                Some((cursor, items)) = self.authenticating.next(), if self.to_writer.is_idle() => {
                    self.submit(cursor, items);
                }
                taken = self.to_writer.taken(), if !self.to_writer.is_idle() => taken?,
                Some(delivered) = self.committing.next() => {
                    self.committed(delivered.map_err(|_| LinkError::Stopped)?)?;
                }
                Some(ack) = self.receipting.next() => self.say(Kind::Ack(ack?))?,
                Some(proof) = self.proving.next() => self.say(Kind::Proof(proof?))?,
                Some(question) = hold.questions.recv() => self.ask(question)?,
                read = next(&mut self.reading), if self.reading.is_some() => {
                    self.reading = None;
                    self.prepared(read?)?;
                }
                Some(ack) = self.acks.next(), if self.to_writer.is_idle() => self.acknowledged(ack)?,
                changed = self.head.changed() => {
                    changed.map_err(|_| LinkError::Stopped)?;
                    let end = self.head.borrow_and_update().end();
                    let outputs = self.sender.handle(SenderEvent::Grown { end });
                    self.perform_sending(outputs)?;
                }
                changed = self.charter.changed() => {
                    changed.map_err(|_| LinkError::Stopped)?;
                    self.charter_changed()?;
                }
                changed = self.continuity.changed() => {
                    changed.map_err(|_| LinkError::Stopped)?;
                    self.continuity_changed()?;
                }
                Some(asked) = hold.pings.recv() => {
                    self.pinged.push(asked);
                    self.ping_due = true;
                }
                _ = tick.tick() => {
                    self.check_silence()?;
                    self.tell_checkpoints()?;
                }
            }
        }
    }

    /// A frame from the peer.
    async fn frame(&mut self, message: Result<Option<Frame>, tonic::Status>) -> Result<(), LinkError> {
        let closed = || LinkError::Broken("the peer closed it".to_owned());
        let frame = heard(message)?.ok_or_else(closed)?;
        self.last_heard = Instant::now();
        let bytes = frame.encoded_len();
        match frame.kind {
            Some(Kind::Deliver(deliver)) => {
                self.admitting = Some(self.admit(deliver, bytes));
                Ok(())
            }
            Some(Kind::Ack(ack)) => self.acknowledge(ack),
            Some(Kind::Ping(ping)) => {
                self.pinged(&ping);
                Ok(())
            }
            Some(Kind::Charter(note)) => self.adopt_charter(note.note).await,
            Some(Kind::Fault(fault)) => Err(hello::by_peer(&fault)),
            Some(Kind::Hello(_)) => Err(unexpected("a second Hello")),
            Some(Kind::Checkpoints(notes)) => self.told(notes.notes).await,
            Some(Kind::Prove(prove)) => self.prove(prove),
            Some(Kind::Proof(proof)) => {
                self.proved(proof);
                Ok(())
            }
            // A kind that this version does not know: a later version's peer may send it.
            None => Ok(()),
        }
    }

    /// Queues a frame for the peer.
    fn say(&mut self, kind: Kind) -> Result<(), LinkError> {
        if self.out.len() >= OUT_FRAMES {
            let reason = format!("{OUT_FRAMES} frames wait for the peer to read");
            return Err(LinkError::Fault(FaultCode::LimitExceeded, reason));
        }
        self.out.push_back(kind);
        Ok(())
    }

    fn has_something_to_say(&self) -> bool {
        self.ping_due || self.pong_due.is_some() || !self.out.is_empty()
    }

    /// The next frame to go. Signs of life go first.
    fn next_frame(&mut self) -> Option<Frame> {
        self.last_said = Instant::now();
        let kind = match (self.pong_due.take(), self.ping_due) {
            (Some(nonce), _) => health::pong(nonce),
            (None, true) => {
                self.ping_due = false;
                health::ping(health::ALIVE)
            }
            (None, false) => self.out.pop_front()?,
        };
        Some(health::stamped(kind))
    }

    /// Whether frames are read: not while there is no room for what came before, or while a window of receipts waits to be signed.
    fn listens(&self) -> bool {
        let signs_in_time = self.receipting.len() < limits::LINK_WINDOW_FRAMES;
        !self.paused && self.admitting.is_none() && self.to_writer.has_room() && signs_in_time
    }

    fn check_silence(&mut self) -> Result<(), LinkError> {
        let now = Instant::now();
        let idle = self.links.idle;
        if !self.listens() {
            self.last_heard = now;
        }
        if now.duration_since(self.last_heard) > idle {
            return Err(LinkError::Fault(FaultCode::Idle, format!("nothing heard for {} s", idle.as_secs())));
        }
        if !self.in_flight.is_empty() && now.duration_since(self.last_progress) > idle {
            let reason = format!("nothing acknowledged for {} s", idle.as_secs());
            return Err(LinkError::Fault(FaultCode::Idle, reason));
        }
        if now.duration_since(self.last_said) > self.links.ping_after() {
            self.ping_due = true;
        }
        Ok(())
    }
}

/// The frame that came, Hello or a later one; `None`: the peer closed the stream. A garbled frame and one over the limit are its fault.
fn heard(message: Result<Option<Frame>, tonic::Status>) -> Result<Option<Frame>, LinkError> {
    message.map_err(|status| {
        let reason = dial::explain_status(&status);
        match status.code() {
            _ if dial::is_of_peer(&status) => LinkError::Broken(format!("the peer ended the call: {reason}")),
            tonic::Code::OutOfRange => LinkError::Fault(
                FaultCode::LimitExceeded,
                format!("a frame over {} bytes: {reason}", limits::FRAME_BYTES),
            ),
            tonic::Code::Internal if std::error::Error::source(&status).is_none() => {
                unexpected(&format!("a garbled frame: {reason}"))
            }
            _ => LinkError::Broken(reason),
        }
    })
}

async fn next<T>(awaited: &mut Option<BoxFuture<'static, T>>) -> T {
    match awaited {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn unexpected(what: &str) -> LinkError {
    LinkError::Fault(FaultCode::UnexpectedFrame, what.to_owned())
}
