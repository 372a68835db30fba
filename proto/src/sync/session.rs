//! One session: one side of one connection, from Hello to the last frame.
//!
//! It routes events to the parts, and holds the state that more than one part needs. It holds no socket, clock, channel or randomness.
//!
//! Invariants:
//! - an event is handled completely before the next one; nothing blocks;
//! - the result of a job that is not running is ignored;
//! - after an [`Event::Timeout`] the next timeout is in the future;
//! - no frame is read while there is no room for it; everything else continues;
//! - [`Action::Close`] is the last action.

mod greeting;

#[cfg(test)]
pub(super) use greeting::CHARTERS_WITHIN;

use std::time::Duration;

use prost::Message;

use super::charters::{self, CharterSync};
use super::delivery::Delivery;
use super::effects::{Effects, Shared};
use super::end::{Closing, End};
use super::event::{Action, Close, Done, Event, GiveBackRange, PeerChange, Question, SessionConfig};
use super::gossip::{GossipReceiver, GossipSender};
use super::handshake::{self, Handshake};
use super::jobs::JobId;
use super::keepalive::KeepAlive;
use super::peer_checkpoints::{OwnShown, PeerCheckpoints};
use super::proof_client::ProofClient;
use super::proof_server::ProofServer;
use super::reception::Reception;
use super::timers::Timer;
use crate::base::clock::Now;
use crate::base::ids::Epoch;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::transparency::rollback_guard::GuardState;
use crate::wire::{Frame, frame::Kind};

/// A session that was linked this long, or moved an entry, was a success: the next dial is not delayed.
const LASTED: Duration = Duration::from_secs(10);

/// One side of a link.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    guard: GuardState,
    /// Whether the writer gets a receipt next. It gets frames and receipts in turns.
    receipt_is_next: bool,
    /// What the delivery gives back when it begins; `None`: it has begun, or the link is not up.
    undelivered: Option<Option<GiveBackRange>>,
    /// Whether Ready has left.
    is_ready_sent: bool,
    /// The checkpoint in the peer's Ready, while it is [`Ready::Held`].
    held: Option<OwnShown>,
    handshake: Handshake,
    delivery: Delivery,
    reception: Reception,
    keepalive: KeepAlive,
    peer_checkpoints: PeerCheckpoints,
    gossip_sender: GossipSender,
    gossip_receiver: GossipReceiver,
    charters: CharterSync,
    proof_client: ProofClient,
    proof_server: ProofServer,
    shared: Shared,
}

/// The phase of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The handshake is not complete.
    Handshake,
    /// Both sides have said Hello. They pass on charters, and each sends Ready when it may sign.
    Greeting {
        /// Whether this side has sent Ready.
        is_ready: bool,
        /// The peer's Ready.
        theirs: Ready,
    },
    /// The link is up: both sides deliver.
    Linked {
        /// The start of this phase, in nanoseconds of the monotonic clock.
        since: u64,
    },
    /// The session has ended.
    Ended,
}

/// The state of the peer's Ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    /// It has not come.
    Awaited,
    /// Its checkpoint is being checked.
    Checking,
    /// Its checkpoint is judged when the peer's charters have come. One of them may list or revoke its key.
    Held,
    /// Its checkpoint, of this epoch, was accepted.
    Accepted(Epoch),
}

impl Session {
    /// Starts a session on a new connection.
    pub fn open(config: SessionConfig, now: Now, actions: &mut Vec<Action>) -> Self {
        let mut session = Self {
            phase: Phase::Handshake,
            guard: config.guard,
            receipt_is_next: false,
            undelivered: None,
            is_ready_sent: false,
            held: None,
            handshake: Handshake::default(),
            delivery: Delivery::new(config.end, config.idle, config.window),
            reception: Reception::new(None, config.window),
            keepalive: KeepAlive::new(config.idle),
            peer_checkpoints: PeerCheckpoints::new(config.peer.clone(), None, None),
            gossip_sender: GossipSender::new(config.signed.clone()),
            gossip_receiver: GossipReceiver::new(now),
            charters: CharterSync::default(),
            proof_client: ProofClient::default(),
            proof_server: ProofServer::default(),
            shared: Shared::default(),
            config,
        };
        session.handshake.begin(&mut Effects::new(now, &mut session.shared, actions));
        session
    }

    /// Handles one event, and adds the shell's next actions to `actions`.
    pub fn handle(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) {
        if self.phase == Phase::Ended {
            return;
        }
        let is_timeout = matches!(event, Event::Timeout);
        let reads = self.reads();
        let mut shared = std::mem::take(&mut self.shared);
        let mut effects = Effects::new(now, &mut shared, actions);
        let stepped = self.step(event, reads, &mut effects).and_then(|()| self.go_on(&mut effects));
        self.shared = shared;
        match stepped {
            Err(end) => self.close(end, now, actions),
            Ok(()) if !reads && self.reads() => self.reads_again(now),
            Ok(()) => {}
        }
        debug_assert!(
            !is_timeout || self.next_timeout().is_none_or(|next| next > now.mono_nanos),
            "a timer that has expired would expire again at once"
        );
    }

    /// The session reads again after a pause. What the peer sent meanwhile may still be on its way.
    fn reads_again(&mut self, now: Now) {
        self.keepalive.heard(now);
        if self.shared.timers.is_set(Timer::Shown) && self.is_linked() {
            self.shared.timers.set(Timer::Shown, now.after(limits::CHECKPOINT_WITHIN));
        }
    }

    /// The next frame to send. The shell calls this when the transport has room, so that a ping or Hello carries the time at which it leaves.
    /// Pings and pongs go first, then questions and answers about ledgers.
    pub fn next_frame(&mut self, now: Now) -> Option<Frame> {
        if !self.has_frame() {
            return None;
        }
        // Hello is the first frame of all.
        let is_hello = matches!(self.shared.frames.front(), Some(Kind::Hello(_)));
        let ping = if is_hello { None } else { self.keepalive.next_frame() };
        // The peer takes no question before this side is ready.
        let proof = || if self.is_ready_sent { self.shared.proofs.pop_front() } else { None };
        let mut kind = match ping.or_else(proof) {
            Some(kind) => kind,
            None => self.shared.frames.pop_front()?,
        };
        match &mut kind {
            Kind::Ping(ping) => ping.now = now.wall_millis,
            Kind::Hello(hello) => hello.now = now.wall_millis,
            Kind::Ready(_) => self.is_ready_sent = true,
            Kind::ListPart(_) => self.charters.list_server().part_left(),
            _ => {}
        }
        self.keepalive.frame_left(now, &mut self.shared.timers);
        Some(Frame { kind: Some(kind) })
    }

    /// Whether [`Self::next_frame`] has a frame.
    pub fn has_frame(&self) -> bool {
        self.phase != Phase::Ended
            && (self.keepalive.has_frame() || !self.shared.proofs.is_empty() || !self.shared.frames.is_empty())
    }

    /// Whether the shell may read a frame from the connection. `false` while there is no room for another frame.
    pub fn reads(&self) -> bool {
        match self.phase {
            Phase::Handshake => self.handshake.awaits_hello(),
            Phase::Greeting { theirs, .. } => theirs != Ready::Checking && self.charters.has_room(),
            Phase::Linked { .. } => self.reception.has_room() && self.charters.has_room() && self.shared.untaken <= 1,
            Phase::Ended => false,
        }
    }

    /// Whether the shell must pass [`Event::News`] when some agency's newest checkpoint changes.
    pub fn wants_news(&self) -> bool {
        self.is_linked() && self.gossip_sender.wants_news()
    }

    /// Whether there is room for one more [`Question::Alive`].
    pub fn takes_pings(&self) -> bool {
        self.is_linked() && self.keepalive.takes_questions()
    }

    /// Whether there is room for one more [`Question::Prove`].
    pub fn takes_proof_questions(&self) -> bool {
        self.is_linked() && self.proof_client.takes_questions()
    }

    /// The time of the next [`Event::Timeout`], in nanoseconds of the monotonic clock.
    pub fn next_timeout(&self) -> Option<u64> {
        self.shared.timers.next()
    }

    fn is_linked(&self) -> bool {
        matches!(self.phase, Phase::Linked { .. })
    }

    /// Handles an event. `reads` is the value of [`Self::reads`] before the event.
    fn step(&mut self, event: Event, reads: bool, effects: &mut Effects<'_>) -> Result<(), End> {
        match event {
            Event::Frame(_) if !reads => {
                let reason = "a frame was read while there was no room for it".to_owned();
                Err(End::Fault(FaultCode::Internal, reason))
            }
            Event::Frame(frame) => self.received(frame, effects),
            Event::Timeout => {
                while let Some(timer) = effects.take_expired() {
                    self.expired(timer, reads, effects)?;
                }
                Ok(())
            }
            Event::Done(job, done) if effects.end(job) => self.done(job, done, effects),
            // The job is not running.
            Event::Done(..) => Ok(()),
            Event::Grown(end) => self.delivery.grown(end, effects),
            Event::Signed(signed) => {
                self.gossip_sender.signed(signed, effects);
                Ok(())
            }
            Event::News => {
                self.gossip_sender.news(effects);
                Ok(())
            }
            Event::Taken => {
                effects.taken();
                Ok(())
            }
            Event::Ask(ask, Question::Alive) => {
                self.keepalive.ask(ask);
                Ok(())
            }
            Event::Ask(ask, Question::Prove(prove)) => self.proof_client.ask(ask, prove, effects),
            Event::Guard(guard) => {
                self.guard = guard;
                let has_begun = matches!(self.phase, Phase::Greeting { is_ready: true, .. } | Phase::Linked { .. });
                if has_begun && guard == GuardState::SetBack { Err(handshake::set_back()) } else { Ok(()) }
            }
            Event::Charters(charters) => Err(charters::changed(&charters, &self.config.peer)),
            Event::Closed(closing) => Err(self.closed(closing)),
            Event::Superseded => {
                let reason = "another connection of this pair took over".to_owned();
                Err(End::Fault(FaultCode::Superseded, reason))
            }
            Event::Stop => Err(End::Stopped),
        }
    }

    /// Handles a frame from the peer.
    fn received(&mut self, frame: Frame, effects: &mut Effects<'_>) -> Result<(), End> {
        self.keepalive.heard(effects.now);
        match self.phase {
            Phase::Handshake => self.received_hello(frame.kind, effects),
            Phase::Greeting { .. } => self.received_in_greeting(frame.kind, effects),
            Phase::Linked { .. } => self.received_on_link(frame, effects),
            Phase::Ended => Ok(()),
        }
    }

    fn received_on_link(&mut self, frame: Frame, effects: &mut Effects<'_>) -> Result<(), End> {
        let bytes = frame.encoded_len();
        match frame.kind {
            Some(Kind::Deliver(deliver)) => self.reception.received(deliver, bytes, effects),
            Some(Kind::Ack(ack)) => self.delivery.receipted(ack, effects)?,
            Some(Kind::Ping(ping)) => {
                self.keepalive.pinged(&ping, effects);
                if ping.reply {
                    self.gossip_sender.heard(ping.nonce, effects);
                }
            }
            Some(Kind::Charter(charter)) => self.charters.received(charter.note, &self.config.charters, effects)?,
            Some(Kind::ListRequest(request)) => {
                self.charters.list_server().asked(&request, &self.config.charters, effects)?;
            }
            Some(Kind::ListPart(part)) => self.charters.list_part(part, effects)?,
            Some(Kind::Checkpoints(checkpoints)) => self.gossip_receiver.received(checkpoints.notes, effects)?,
            Some(Kind::Prove(prove)) => self.proof_server.asked(prove, effects)?,
            Some(Kind::Proof(proof)) => self.proof_client.answered(proof, effects)?,
            Some(Kind::Fault(fault)) => return Err(End::by_peer(&fault)),
            Some(Kind::Hello(_)) => return Err(End::unexpected("a second Hello")),
            Some(Kind::Ready(_)) => return Err(End::unexpected("a second Ready")),
            None => {}
        }
        Ok(())
    }

    /// Handles a timer that has expired.
    fn expired(&mut self, timer: Timer, reads: bool, effects: &mut Effects<'_>) -> Result<(), End> {
        match timer {
            Timer::Handshake => return Err(self.handshake.expired()),
            Timer::Idle => self.keepalive.check_idle(reads, effects)?,
            Timer::Ping => self.keepalive.ping_if_quiet(effects),
            Timer::Progress => self.delivery.check_progress(effects)?,
            Timer::Gossip => self.gossip_sender.pause_is_over(effects),
            Timer::RepeatGossip => self.gossip_sender.repeat(effects),
            Timer::Show => self.gossip_sender.show_again(effects),
            Timer::Shown if !self.is_linked() => return Err(greeting::not_ready()),
            // While nothing is read, nothing can be shown.
            Timer::Shown if !reads => effects.set(Timer::Shown, effects.now.after(limits::CHECKPOINT_WITHIN)),
            Timer::Shown => return Err(self.peer_checkpoints.overdue()),
            // `go_on`, which follows, begins to deliver.
            Timer::GiveBack => {}
            // `go_on` gets ready under the charters that are here.
            Timer::Charters => {}
            Timer::Question => self.proof_client.expire(effects),
            Timer::List => self.charters.list_is_late(effects),
        }
        Ok(())
    }

    /// Handles the result of a job.
    fn done(&mut self, job: JobId, done: Done, effects: &mut Effects<'_>) -> Result<(), End> {
        match done {
            Done::PeerLoaded(stored) => {
                let known = stored.checkpoint.as_ref().map(|seen| seen.checkpoint.clone());
                self.peer_checkpoints = PeerCheckpoints::new(self.config.peer.clone(), stored.received, known);
                self.handshake.peer_loaded(*stored, &self.config, effects)
            }
            Done::Compared(conflict) => {
                self.handshake.compared(conflict, self.delivery.end(), &self.config, effects)?;
                if self.phase == Phase::Handshake && self.handshake.is_over() {
                    self.phase = Phase::Greeting { is_ready: false, theirs: Ready::Awaited };
                    effects.set(Timer::Shown, effects.now.after(greeting::READY_WITHIN));
                }
                Ok(())
            }
            Done::CheckpointsChecked(checked) => match self.gossip_receiver.checked(job, checked, effects) {
                Some(own) => self.checkpoints_shown(own, effects),
                None => Ok(()),
            },
            Done::Gossip { own, notes, reached } => {
                self.gossip_sender.news_read(job, (own, notes), reached, &self.config, effects)
            }
            Done::Reserved => self.reception.reserved(job, effects),
            Done::Checked(items) => {
                self.reception.checked(job, items);
                Ok(())
            }
            Done::Committed { results, checkpoint } => self.reception.committed(job, results, checkpoint, effects),
            Done::Acknowledged(ack) => self.reception.acknowledged(job, ack, effects),
            Done::CheckedAck(ack) => {
                self.delivery.checked(job, ack);
                Ok(())
            }
            Done::Read(prepared) => self.delivery.read(job, prepared, effects),
            Done::Proved(proof) => self.proof_server.proved(job, proof, effects),
            Done::Adopted(adoption) => self.charters.adopted(job, adoption, &self.config.charters, effects),
            Done::Failed(end) => Err(end),
        }
    }

    /// Does the work that the last event has made possible.
    fn go_on(&mut self, effects: &mut Effects<'_>) -> Result<(), End> {
        self.greet(effects)?;
        if !self.awaits_charters() {
            self.begin_to_deliver(effects)?;
        }
        while effects.writer_is_idle() && self.give_to_writer(effects)? {}
        if self.gossip_receiver.is_idle() && self.charters.is_idle() {
            self.keepalive.all_handled();
        }
        Ok(())
    }

    /// Gives the writer the next frame or the next receipt, in turns. Returns whether there was one.
    fn give_to_writer(&mut self, effects: &mut Effects<'_>) -> Result<bool, End> {
        self.receipt_is_next = !self.receipt_is_next;
        if self.receipt_is_next && self.acknowledge_next(effects)? {
            return Ok(true);
        }
        Ok(self.reception.commit_next(effects) || self.acknowledge_next(effects)?)
    }

    /// Takes the next receipt. Returns whether there was one.
    fn acknowledge_next(&mut self, effects: &mut Effects<'_>) -> Result<bool, End> {
        let is_behind = self.lacks_a_charter();
        let judge = |shown: &OwnShown| self.peer_checkpoints.judge(shown, is_behind);
        let Some(shown) = self.delivery.acknowledge_next(judge, effects)? else { return Ok(false) };
        self.own_shown(&shown, effects);
        Ok(true)
    }

    /// The end of a session when no frame can come any more.
    fn closed(&self, closing: Closing) -> End {
        match closing {
            Closing::ByPeer if self.handshake.is_before_hello() => {
                End::Broken("the peer closed it before its Hello".to_owned())
            }
            Closing::ByPeer => End::Broken("the peer closed it".to_owned()),
            Closing::Broken(reason) => End::Broken(reason),
            Closing::NoFrame(code, reason) => End::Fault(code, reason),
        }
    }

    fn close(&mut self, end: End, now: Now, actions: &mut Vec<Action>) {
        let mut was_success = false;
        if let Phase::Linked { since } = self.phase {
            was_success = self.reception.has_moved() || self.delivery.has_moved() || now.is_after(since, LASTED);
            if now.is_after(since, limits::GOSSIP_PAUSE) {
                actions.push(Action::Peer(PeerChange::Gossiped(0)));
            }
        }
        let is_made_anew = matches!(end, End::Fault(FaultCode::Superseded, _));
        if !was_success && self.handshake.is_over() && !is_made_anew {
            actions.push(Action::Peer(PeerChange::PassedOn(None)));
        }
        actions.push(Action::Close(Close { end, was_success }));
        self.phase = Phase::Ended;
        self.shared = Shared::default();
    }
}
