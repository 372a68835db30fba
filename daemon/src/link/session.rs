//! One session: Hello, then frames both ways until something ends it. The shell around the two state machines.
//!
//! Invariants:
//! - received frames reach the writer, and are acknowledged, in the order of their arrival, however long their signature checks take;
//! - nothing here waits for the peer to read while holding something the peer waits for: what goes out is queued, bounded by the windows;
//! - silence for [`limits::IDLE_LINK`] ends the session, and so does a peer that reads but never acknowledges.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use prost::Message;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::ids::EntryId;
use sinergi_proto::limits;
use sinergi_proto::link::{
    Cursor, PROTOCOL_MAX, PROTOCOL_MIN, Receiver, ReceiverEvent, ReceiverOutput, Sender, SenderEvent, SenderOutput,
    common_version,
};
use sinergi_proto::receipt::{Receipt, ReceiptError};
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Streaming;

use super::intake::{check_receipt, receive_items};
use super::peer::{Hold, Peer};
use super::{LinkError, Links, dial};
use crate::case::CaseError;
use crate::headers::ReceiptHeader;
use crate::outbox::Prepared;
use crate::store::PeerCursor;
use crate::time::now_millis;
use crate::writer::{Delivered, Delivery, Head, Received, Submission};

/// Frames handed to the transport and not yet taken by it.
pub(super) const OUTBOUND_FRAMES: usize = 4;
/// Time for the peer's Hello.
const HELLO: Duration = Duration::from_secs(10);
/// Time for the last frame to leave.
const GOODBYE: Duration = Duration::from_secs(1);
/// Unit of the room for all windows, in bytes.
pub(crate) const WINDOW_UNIT: usize = 1024;

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
    /// The peer had answered.
    pub(super) was_linked: bool,
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
    let Start { peer, hold, inbound, outbound, ended } = start;
    let mut was_linked = false;
    let result = Session::hello(&links, &peer, inbound, outbound.clone(), &mut was_linked, hold).await;
    if let Err(error) = result {
        say_goodbye(&outbound, &error).await;
        match &error {
            LinkError::Stopped | LinkError::Fault(FaultCode::Stopping | FaultCode::Superseded, _) => {
                tracing::debug!(peer = %peer.agency, "{error}");
            }
            _ => peer.failed(&error),
        }
    }
    if let Some(ended) = ended {
        // The dialling task may have been told to stop.
        let _ = ended.send(Ended { was_linked });
    }
}

async fn say_goodbye(outbound: &mpsc::Sender<Frame>, error: &LinkError) {
    let (code, reason) = match error {
        LinkError::Fault(code, reason) => (*code, reason.clone()),
        LinkError::Stopped => (FaultCode::Stopping, "the node is stopping".to_owned()),
        LinkError::Own(_) => (FaultCode::Internal, "the node cannot read its own data".to_owned()),
        LinkError::Connect { .. } | LinkError::Broken(_) | LinkError::ByPeer { .. } => return,
    };
    let fault = frame(Kind::Fault(wire::Fault { code: code.number(), reason }));
    let _ = tokio::time::timeout(GOODBYE, outbound.send(fault)).await;
}

fn frame(kind: Kind) -> Frame {
    Frame { kind: Some(kind) }
}

/// A receipt that was checked, with its bytes.
type CheckedAck = Result<(Receipt, wire::Ack), ReceiptError>;
/// A frame whose items were authenticated.
type CheckedItems = (Cursor, Vec<Received>);
/// The room in all windows that unacknowledged frames hold.
type PreparedRead = Result<(Prepared, OwnedSemaphorePermit), CaseError>;

struct Session<'a> {
    links: &'a Links,
    peer: &'a Arc<Peer>,
    sender: Sender,
    receiver: Receiver,
    outbound: mpsc::Sender<Frame>,
    out: VecDeque<Frame>,
    reading: Option<BoxFuture<'static, PreparedRead>>,
    prepared: Option<(wire::Deliver, OwnedSemaphorePermit)>,
    in_flight: VecDeque<OwnedSemaphorePermit>,
    acks: FuturesOrdered<BoxFuture<'static, CheckedAck>>,
    authenticating: FuturesOrdered<BoxFuture<'static, CheckedItems>>,
    committing: FuturesOrdered<oneshot::Receiver<Delivered>>,
    paused: bool,
    pinged: Vec<oneshot::Sender<()>>,
    last_heard: Instant,
    last_said: Instant,
    last_progress: Instant,
    head: watch::Receiver<Head>,
}

impl<'a> Session<'a> {
    /// Says hello, waits for the peer's, and runs the session to its end.
    async fn hello(
        links: &'a Links,
        peer: &'a Arc<Peer>,
        mut inbound: Streaming<Frame>,
        outbound: mpsc::Sender<Frame>,
        was_linked: &mut bool,
        mut hold: Hold,
    ) -> Result<(), LinkError> {
        let head = links.writer.head();
        let have = received_cursor(links, peer).await?;
        let hello = own_hello(links, peer, have, &head);
        outbound.send(frame(Kind::Hello(hello))).await.map_err(|_| LinkError::Broken("the peer left".to_owned()))?;
        let theirs = tokio::select! {
            () = links.stop.cancelled() => return Err(LinkError::Stopped),
            () = hold.superseded.cancelled() => return Err(superseded()),
            first = tokio::time::timeout(HELLO, inbound.message()) => match first {
                Ok(message) => read_hello(message)?,
                Err(_) => return Err(LinkError::Fault(FaultCode::Idle, format!("no Hello within {} s", HELLO.as_secs()))),
            },
        };
        let protocol = check_hello(links, peer, &theirs)?;
        let (epoch, size) = (head.borrow().epoch, head.borrow().size);
        let now = Instant::now();
        let mut session = Self {
            links,
            peer,
            sender: Sender::new(epoch, size),
            receiver: Receiver::new(have),
            outbound,
            out: VecDeque::new(),
            reading: None,
            prepared: None,
            in_flight: VecDeque::new(),
            acks: FuturesOrdered::new(),
            authenticating: FuturesOrdered::new(),
            committing: FuturesOrdered::new(),
            paused: false,
            pinged: Vec::new(),
            last_heard: now,
            last_said: now,
            last_progress: now,
            head,
        };
        session.linked(&theirs, protocol).await?;
        *was_linked = true;
        session.run(&mut inbound, &mut hold).await
    }

    /// The peer has answered: that is success.
    async fn linked(&mut self, theirs: &wire::Hello, protocol: u32) -> Result<(), LinkError> {
        let now = now_millis();
        self.peer.note(|state| {
            *state = super::PeerSnapshot {
                linked_since: now,
                last_success: now,
                first_failure: 0,
                last_error: String::new(),
                next_retry: 0,
                connecting: false,
                protocol,
                charter_version: theirs.charter_version,
                clock_offset: Some(offset(theirs.now)),
                ..std::mem::take(state)
            };
        });
        tracing::info!(peer = %self.peer.agency, protocol, "linked");
        self.check_clock();
        self.note_checkpoint(theirs.checkpoint.clone());
        let newer = self.links.directory.charters();
        for charter in newer.after(theirs.charter_version) {
            self.say(Kind::Charter(wire::CharterNote { note: charter.note().to_vec() }));
        }
        let have = theirs.have_cursor.map(Cursor::from_wire);
        let outputs = self.sender.handle(SenderEvent::Linked { have });
        self.perform_sending(outputs).await
    }

    async fn run(&mut self, inbound: &mut Streaming<Frame>, hold: &mut Hold) -> Result<(), LinkError> {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let outbound = self.outbound.clone();
            tokio::select! {
                () = self.links.stop.cancelled() => return Err(LinkError::Stopped),
                () = hold.superseded.cancelled() => return Err(superseded()),
                room = outbound.reserve(), if !self.out.is_empty() => {
                    let room = room.map_err(|_| LinkError::Broken("the peer left".to_owned()))?;
                    if let Some(frame) = self.out.pop_front() {
                        room.send(frame);
                    }
                }
                message = inbound.message(), if !self.paused => self.frame(message).await?,
                Some((cursor, items)) = self.authenticating.next() => self.submit(cursor, items).await?,
                Some(delivered) = self.committing.next() => {
                    let delivered = delivered.map_err(|_| LinkError::Stopped)?;
                    self.committed(delivered).await?;
                }
                read = next_read(&mut self.reading), if self.reading.is_some() => {
                    self.reading = None;
                    self.prepared(read?).await?;
                }
                Some(ack) = self.acks.next() => self.acknowledged(ack).await?,
                changed = self.head.changed() => {
                    changed.map_err(|_| LinkError::Stopped)?;
                    let size = self.head.borrow_and_update().size;
                    let outputs = self.sender.handle(SenderEvent::Grown { size });
                    self.perform_sending(outputs).await?;
                }
                Some(asked) = hold.pings.recv() => {
                    self.pinged.push(asked);
                    self.ping(false);
                }
                _ = tick.tick() => self.check_silence()?,
            }
        }
    }

    /// A frame from the peer.
    async fn frame(&mut self, message: Result<Option<Frame>, tonic::Status>) -> Result<(), LinkError> {
        let frame = match message {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err(LinkError::Broken("the peer closed it".to_owned())),
            Err(status) if status.code() == tonic::Code::OutOfRange || status.code() == tonic::Code::Internal => {
                let reason = format!("a frame over {} bytes, or garbled: {}", limits::FRAME_BYTES, status.message());
                return Err(LinkError::Fault(FaultCode::LimitExceeded, reason));
            }
            Err(status) => return Err(LinkError::Broken(dial::explain(&status))),
        };
        self.last_heard = Instant::now();
        let bytes = frame.encoded_len();
        match frame.kind {
            Some(Kind::Deliver(deliver)) => self.deliver(deliver, bytes),
            Some(Kind::Ack(ack)) => {
                self.acknowledge(ack);
                Ok(())
            }
            Some(Kind::Ping(ping)) => {
                self.pong(&ping);
                Ok(())
            }
            Some(Kind::Charter(note)) => self.charter(note.note).await,
            Some(Kind::Fault(fault)) => {
                let code = FaultCode::from_number(fault.code).map_or_else(|| fault.code.to_string(), |c| c.to_string());
                Err(LinkError::ByPeer { code, reason: fault.reason.chars().take(500).collect() })
            }
            Some(Kind::Hello(_)) => Err(unexpected("a second Hello")),
            // Frames that this version does not act on: a later version's peer may send them.
            Some(Kind::Recover(_) | Kind::Checkpoints(_)) | None => Ok(()),
        }
    }

    fn deliver(&mut self, deliver: wire::Deliver, bytes: usize) -> Result<(), LinkError> {
        let wire::Deliver { cursor, mut items } = deliver;
        let Some(cursor) = cursor.map(Cursor::from_wire) else { return Err(unexpected("Deliver without a cursor")) };
        for output in self.receiver.handle(ReceiverEvent::Delivered { cursor, items: items.len(), bytes }) {
            match output {
                ReceiverOutput::Submit { cursor } => {
                    let (links, items) = (self.links.clone(), std::mem::take(&mut items));
                    let check = tokio::task::spawn_blocking(move || {
                        receive_items(items, links.federation.as_str(), &links.directory.charters())
                    });
                    self.authenticating.push_back(Box::pin(async move {
                        (cursor, check.await.expect("authentication does not panic on any bytes"))
                    }));
                }
                ReceiverOutput::PauseReading => self.paused = true,
                ReceiverOutput::Fault(code, reason) => return Err(LinkError::Fault(code, reason)),
                ReceiverOutput::Acknowledge { .. } | ReceiverOutput::ResumeReading => {}
            }
        }
        Ok(())
    }

    /// Gives authenticated items to the writer. Waits for room there: a node that is full stops reading.
    async fn submit(&mut self, cursor: Cursor, items: Vec<Received>) -> Result<(), LinkError> {
        let count = items.len() as u64;
        let (answer, delivered) = oneshot::channel();
        let delivery = Delivery { peer: self.peer.agency.clone(), cursor, items };
        let submission = Submission::Delivery(delivery, answer);
        self.links.writer.submit(submission).await.map_err(|_| LinkError::Stopped)?;
        self.committing.push_back(delivered);
        self.peer.note(|state| state.received_entries += count);
        Ok(())
    }

    async fn committed(&mut self, delivered: Delivered) -> Result<(), LinkError> {
        let Delivered { results, checkpoint } = delivered;
        let event = ReceiverEvent::Committed { results, checkpoint: checkpoint.to_vec() };
        for output in self.receiver.handle(event) {
            match output {
                ReceiverOutput::Acknowledge { cursor, results, checkpoint } => {
                    let receipt = Receipt {
                        federation: self.links.federation.to_string(),
                        receiver: self.links.own.clone(),
                        sender: self.peer.agency.clone(),
                        key_id: Receipt::key_id_of(&self.links.entry_key),
                        charter_version: self.links.directory.newest().version,
                        cursor,
                        results,
                        checkpoint,
                    };
                    self.say(Kind::Ack(receipt.sign(&self.links.entry_key)));
                }
                ReceiverOutput::ResumeReading => {
                    self.paused = false;
                    self.last_heard = Instant::now();
                }
                ReceiverOutput::Fault(code, reason) => return Err(LinkError::Fault(code, reason)),
                ReceiverOutput::Submit { .. } | ReceiverOutput::PauseReading => {}
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, ack: wire::Ack) {
        let (links, peer) = (self.links.clone(), self.peer.agency.clone());
        let check = tokio::task::spawn_blocking(move || {
            let charters = links.directory.charters();
            check_receipt(&ack, &links.own, &peer, links.federation.as_str(), &charters).map(|receipt| (receipt, ack))
        });
        self.acks
            .push_back(Box::pin(async move { check.await.expect("a receipt's check does not panic on any bytes") }));
    }

    async fn acknowledged(&mut self, ack: CheckedAck) -> Result<(), LinkError> {
        let (receipt, ack) = ack.map_err(|error| LinkError::Fault(FaultCode::BadReceipt, error.to_string()))?;
        self.last_progress = Instant::now();
        let Receipt { cursor, results, checkpoint, .. } = receipt;
        for output in self.sender.handle(SenderEvent::Acknowledged { cursor, results }) {
            match output {
                SenderOutput::Store { cursor, refused } => {
                    self.in_flight.pop_front();
                    self.note_refused(&refused);
                    let peer = self.peer.agency.clone();
                    let header = ReceiptHeader { at: now_millis(), peer, cursor, refused };
                    let submission = Submission::Receipt(header, ack.encode_to_vec());
                    self.links.writer.submit(submission).await.map_err(|_| LinkError::Stopped)?;
                }
                other => self.perform_sending(vec![other]).await?,
            }
        }
        let acknowledged = self.sender.acknowledged_cursor();
        self.peer.note(|state| {
            state.acknowledged = Some(acknowledged);
            state.last_success = now_millis();
        });
        self.note_checkpoint(checkpoint);
        Ok(())
    }

    fn note_refused(&self, refused: &[(EntryId, u32)]) {
        for (entry, code) in refused {
            tracing::warn!(peer = %self.peer.agency, ?entry, code, "the peer refused an entry; see `sinergi refused list`");
        }
        self.peer.note(|state| state.refused += refused.len() as u64);
    }

    async fn perform_sending(&mut self, outputs: Vec<SenderOutput>) -> Result<(), LinkError> {
        for output in outputs {
            match output {
                SenderOutput::Read { from } => self.reading = Some(self.read(from)),
                SenderOutput::Deliver { .. } => {
                    let Some((frame, room)) = self.prepared.take() else { continue };
                    if self.in_flight.is_empty() {
                        self.last_progress = Instant::now();
                    }
                    self.in_flight.push_back(room);
                    let count = frame.items.len() as u64;
                    self.say(Kind::Deliver(frame));
                    let sent = self.sender.sent();
                    self.peer.note(|state| {
                        state.sent = Some(sent);
                        state.sent_entries += count;
                    });
                }
                SenderOutput::Fault(code, reason) => {
                    if code == FaultCode::AheadOfLedger {
                        let text = format!(
                            "{}: {reason}. This node's ledger was set back: stop it, do not use it, and restore what it acknowledged",
                            self.peer.agency
                        );
                        self.links.alarms.raise(format!("set-back {}", self.peer.agency), text);
                    }
                    return Err(LinkError::Fault(code, reason));
                }
                SenderOutput::Store { .. } => {}
            }
        }
        let (sent, acknowledged) = (self.sender.sent(), self.sender.acknowledged_cursor());
        self.peer.note(|state| (state.sent, state.acknowledged) = (Some(sent), Some(acknowledged)));
        Ok(())
    }

    /// Reads the next frame from the ledger, off the async threads, when there is room in all windows together.
    fn read(&self, from: Cursor) -> BoxFuture<'static, PreparedRead> {
        let (windows, outbox) = (Arc::clone(&self.links.windows), self.links.outbox.clone());
        let (peer, size) = (self.peer.agency.clone(), self.head.borrow().size);
        Box::pin(async move {
            let most = u32::try_from(limits::DELIVER_BYTES / WINDOW_UNIT).unwrap_or(u32::MAX);
            let mut room = windows.acquire_many_owned(most).await.expect("the semaphore is never closed");
            let prepared = tokio::task::spawn_blocking(move || outbox.prepare(&peer, from, size));
            let prepared = prepared.await.expect("reading the ledger does not panic")?;
            let used = prepared.batch.bytes.div_ceil(WINDOW_UNIT);
            // What the frame does not need goes back.
            drop(room.split(room.num_permits().saturating_sub(used)));
            Ok((prepared, room))
        })
    }

    async fn prepared(&mut self, read: (Prepared, OwnedSemaphorePermit)) -> Result<(), LinkError> {
        let (Prepared { batch, frame }, room) = read;
        self.prepared = Some((frame, room));
        let outputs = self.sender.handle(SenderEvent::Prepared(batch));
        self.perform_sending(outputs).await?;
        // Not delivered: nothing in it was for this link.
        self.prepared = None;
        Ok(())
    }

    /// A newer charter from the peer.
    async fn charter(&mut self, note: Vec<u8>) -> Result<(), LinkError> {
        let directory = self.links.directory.clone();
        let adopted = tokio::task::spawn_blocking(move || directory.adopt(&note)).await;
        match adopted.map_err(|error| LinkError::Broken(error.to_string()))? {
            Ok(charter) => {
                tracing::info!(version = charter.version, from = %self.peer.agency, "adopted a charter");
                let (authorities, bad) = crate::tls::Authorities::of_charter(self.links.federation.clone(), &charter);
                bad.iter().for_each(|bad| tracing::warn!("{bad}"));
                self.links.authorities.replace(authorities);
                self.links.writer.submit(Submission::Retry).await.map_err(|_| LinkError::Stopped)
            }
            // Several peers may pass it on: only a charter that is not here yet and is not trusted is worth a word.
            Err(error) => {
                tracing::debug!(peer = %self.peer.agency, %error, "did not adopt a charter");
                Ok(())
            }
        }
    }

    fn say(&mut self, kind: Kind) {
        self.last_said = Instant::now();
        self.out.push_back(frame(kind));
    }

    fn ping(&mut self, reply: bool) {
        self.say(Kind::Ping(wire::Ping { nonce: 0, reply, now: now_millis() }));
    }

    fn pong(&mut self, ping: &wire::Ping) {
        self.peer.note(|state| state.clock_offset = Some(offset(ping.now)));
        self.check_clock();
        if ping.reply {
            self.peer.note(|state| state.last_success = now_millis());
            for asked in self.pinged.drain(..) {
                // Who asked may have gone.
                let _ = asked.send(());
            }
        } else {
            self.ping(true);
        }
    }

    fn check_silence(&mut self) -> Result<(), LinkError> {
        let now = Instant::now();
        let idle = limits::IDLE_LINK;
        if !self.paused && now.duration_since(self.last_heard) > idle {
            return Err(LinkError::Fault(FaultCode::Idle, format!("nothing heard for {} s", idle.as_secs())));
        }
        if !self.in_flight.is_empty() && now.duration_since(self.last_progress) > idle {
            let reason = format!("nothing acknowledged for {} s", idle.as_secs());
            return Err(LinkError::Fault(FaultCode::Idle, reason));
        }
        if now.duration_since(self.last_said) > limits::PING_AFTER {
            self.ping(false);
        }
        Ok(())
    }

    fn check_clock(&self) {
        let median = self.links.peers.median_clock_offset();
        self.links.clock_offset.store(median, std::sync::atomic::Ordering::Relaxed);
        let bound = i64::try_from(limits::CLOCK_AHEAD.as_millis()).unwrap_or(i64::MAX);
        if median.abs() > bound {
            let text = format!(
                "this node's clock differs by {} s from most of its peers': it signs nothing until the clock is set (NTP)",
                median / 1000
            );
            self.links.alarms.raise("clock", text);
        } else {
            self.links.alarms.settle("clock");
        }
    }

    /// Keeps the newest checkpoint of the peer that verifies.
    fn note_checkpoint(&self, note: Vec<u8>) {
        let charter = self.links.directory.newest();
        let Some(keys) = charter.checkpoint_keys(&self.peer.agency) else { return };
        match Checkpoint::open(&note, self.links.federation.as_str(), &self.peer.agency, &keys) {
            Ok(checkpoint) => self.peer.note(|state| {
                if state.checkpoint.as_ref().is_none_or(|(size, _)| *size <= checkpoint.size) {
                    state.checkpoint = Some((checkpoint.size, note));
                }
            }),
            Err(error) => tracing::warn!(peer = %self.peer.agency, %error, "the peer's checkpoint does not verify"),
        }
    }
}

async fn next_read(reading: &mut Option<BoxFuture<'static, PreparedRead>>) -> PreparedRead {
    match reading {
        Some(read) => read.await,
        None => std::future::pending().await,
    }
}

fn superseded() -> LinkError {
    LinkError::Fault(FaultCode::Superseded, "another connection of this pair took over".to_owned())
}

fn unexpected(what: &str) -> LinkError {
    LinkError::Fault(FaultCode::UnexpectedFrame, what.to_owned())
}

fn offset(theirs: u64) -> i64 {
    i64::try_from(i128::from(theirs) - i128::from(now_millis())).unwrap_or(i64::MAX)
}

/// How far we have the peer's ledger, by our own ledger.
async fn received_cursor(links: &Links, peer: &Arc<Peer>) -> Result<Option<Cursor>, LinkError> {
    let (store, agency) = (links.outbox.store().clone(), peer.agency.clone());
    let cursor = tokio::task::spawn_blocking(move || store.cursor(PeerCursor::Received, &agency)).await;
    let cursor = cursor.map_err(|error| LinkError::Broken(error.to_string()))?;
    Ok(cursor.map_err(CaseError::from)?)
}

fn own_hello(links: &Links, peer: &Peer, have: Option<Cursor>, head: &watch::Receiver<Head>) -> wire::Hello {
    wire::Hello {
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        federation: links.federation.to_string(),
        agency: links.own.to_string(),
        charter_version: links.directory.newest().version,
        have_cursor: have.map(Cursor::to_wire),
        checkpoint: head.borrow().checkpoint.to_vec(),
        seen_of_you: peer.snapshot().checkpoint.map(|(_, note)| note).unwrap_or_default(),
        now: now_millis(),
    }
}

fn read_hello(message: Result<Option<Frame>, tonic::Status>) -> Result<wire::Hello, LinkError> {
    match message {
        Ok(Some(Frame { kind: Some(Kind::Hello(hello)) })) => Ok(hello),
        Ok(Some(Frame { kind: Some(Kind::Fault(fault)) })) => {
            Err(LinkError::ByPeer { code: fault.code.to_string(), reason: fault.reason.chars().take(500).collect() })
        }
        Ok(Some(_)) => Err(unexpected("another frame before Hello")),
        Ok(None) => Err(LinkError::Broken("the peer closed it before its Hello".to_owned())),
        Err(status) => Err(LinkError::Broken(dial::explain(&status))),
    }
}

/// The name in Hello must be the certificate's; the versions must meet. The negotiated version.
fn check_hello(links: &Links, peer: &Peer, hello: &wire::Hello) -> Result<u32, LinkError> {
    if hello.agency != peer.agency.as_str() || hello.federation != links.federation.as_str() {
        let reason = format!(
            "Hello of {:?} in {:?} on the connection of {} in {}",
            hello.agency, hello.federation, peer.agency, links.federation
        );
        return Err(LinkError::Fault(FaultCode::IdentityMismatch, reason));
    }
    common_version(hello.protocol_min, hello.protocol_max).ok_or_else(|| {
        let reason = format!(
            "the peer speaks versions {} to {}, this node {PROTOCOL_MIN} to {PROTOCOL_MAX}",
            hello.protocol_min, hello.protocol_max
        );
        LinkError::Fault(FaultCode::NoCommonVersion, reason)
    })
}
