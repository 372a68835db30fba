//! One session: what is said over one connection, from Hello to the last frame.
//!
//! It routes events to the parts, and knows what more than one of them must know. It holds no socket, clock, channel or randomness.
//!
//! Invariants:
//! - one event is worked off before the next; nothing waits inside;
//! - the result of a job that is not running is ignored;
//! - after a [`Event::Timeout`] the next timeout lies in the future;
//! - nothing is read while there is no room for what came before; everything else goes on meanwhile;
//! - [`Action::Close`] is the last action.

use std::time::Duration;

use prost::Message;

use super::charters::{self, CharterSync};
use super::delivery::Delivery;
use super::effects::{Effects, Shared};
use super::end::{Closing, End};
use super::event::{Action, Close, Done, Event, GuardState, Opening, Owed, PeerChange, Question, Signed, Warning};
use super::gossip::{GossipReceiver, GossipSender};
use super::handshake::{self, Handshake};
use super::intake::Intake;
use super::jobs::JobId;
use super::keepalive::KeepAlive;
use super::proof_client::ProofClient;
use super::proof_server::ProofServer;
use super::timers::{Now, Timer};
use crate::ids::Epoch;
use crate::limits;
use crate::outbox::GiveBack;
use crate::refusal::FaultCode;
use crate::wire::{Frame, frame::Kind};

/// A session that lasted so long, or moved an entry, was a success: its end is no reason to dial more slowly.
const LASTED: Duration = Duration::from_secs(10);

/// One side of a link.
#[derive(Clone, Debug)]
pub struct Session {
    opening: Opening,
    phase: Phase,
    guard: GuardState,
    /// This node has signed a checkpoint over all its durable leaves since it started.
    is_signed: bool,
    /// Whose turn it is at the writer: it takes frames and receipts in turns.
    receipt_is_next: bool,
    handshake: Handshake,
    delivery: Delivery,
    intake: Intake,
    keepalive: KeepAlive,
    gossip_sender: GossipSender,
    gossip_receiver: GossipReceiver,
    charters: CharterSync,
    proof_client: ProofClient,
    proof_server: ProofServer,
    shared: Shared,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The handshake goes on.
    Handshake,
    /// The handshake is over, and the peer's checkpoint is looked at.
    Opening,
    /// Both sides send.
    Linked {
        /// Since when, in nanoseconds of the clock that only goes forward.
        since: u64,
    },
    /// It has ended.
    Ended,
}

impl Session {
    /// A session on a connection that has just come up.
    pub fn open(opening: Opening, now: Now, actions: &mut Vec<Action>) -> Self {
        let newest = Signed { size: opening.end.index, note: opening.checkpoint.clone() };
        let mut session = Self {
            phase: Phase::Handshake,
            guard: opening.guard,
            is_signed: opening.is_signed,
            receipt_is_next: false,
            handshake: Handshake::default(),
            delivery: Delivery::new(opening.end, opening.idle, opening.window),
            intake: Intake::new(None, opening.window),
            keepalive: KeepAlive::new(opening.idle),
            gossip_sender: GossipSender::new(newest),
            gossip_receiver: GossipReceiver::new(now),
            charters: CharterSync::default(),
            proof_client: ProofClient::default(),
            proof_server: ProofServer::default(),
            shared: Shared::default(),
            opening,
        };
        session.handshake.begin(&mut Effects::new(now, &mut session.shared, actions));
        session
    }

    /// Takes one event, and adds what the shell must do to `actions`.
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
            Ok(()) if !reads && self.reads() => self.keepalive.heard(now),
            Ok(()) => {}
        }
        debug_assert!(
            !is_timeout || self.next_timeout().is_none_or(|next| next > now.mono_nanos),
            "a timer that has expired would expire again at once"
        );
    }

    /// The frame that leaves now. The shell asks for it when the transport has room, so that it is stamped with the time at which it
    /// leaves. Signs of life go first.
    pub fn next_frame(&mut self, now: Now) -> Option<Frame> {
        if !self.has_frame() {
            return None;
        }
        // Nothing comes before Hello.
        let is_hello = matches!(self.shared.frames.front(), Some(Kind::Hello(_)));
        let sign_of_life = if is_hello { None } else { self.keepalive.next_frame() };
        let mut kind = sign_of_life.or_else(|| self.shared.frames.pop_front())?;
        match &mut kind {
            Kind::Ping(ping) => ping.now = now.wall_millis,
            Kind::Hello(hello) => hello.now = now.wall_millis,
            _ => {}
        }
        self.keepalive.said(now, &mut self.shared.timers);
        Some(Frame { kind: Some(kind) })
    }

    /// Whether [`Self::next_frame`] has one.
    pub fn has_frame(&self) -> bool {
        self.phase != Phase::Ended && (self.keepalive.has_frame() || !self.shared.frames.is_empty())
    }

    /// Whether frames are read from the connection: not while there is no room for what came before.
    pub fn reads(&self) -> bool {
        match self.phase {
            Phase::Handshake => self.handshake.awaits_hello(),
            Phase::Linked { .. } => self.intake.has_room() && self.charters.has_room() && self.shared.untaken <= 1,
            Phase::Opening | Phase::Ended => false,
        }
    }

    /// Whether the shell says [`Event::News`] when some agency's newest checkpoint changes.
    pub fn wants_news(&self) -> bool {
        self.is_linked() && self.gossip_sender.wants_news()
    }

    /// Whether one more may ask [`Question::Alive`].
    pub fn takes_pings(&self) -> bool {
        self.is_linked() && self.keepalive.takes_questions()
    }

    /// Whether one more may ask [`Question::Prove`].
    pub fn takes_proof_questions(&self) -> bool {
        self.is_linked() && self.proof_client.takes_questions()
    }

    /// When the shell says [`Event::Timeout`] next: nanoseconds of the clock that only goes forward.
    pub fn next_timeout(&self) -> Option<u64> {
        self.shared.timers.next()
    }

    fn is_linked(&self) -> bool {
        matches!(self.phase, Phase::Linked { .. })
    }

    /// Works an event off. `reads` is what [`Self::reads`] said before it.
    fn step(&mut self, event: Event, reads: bool, effects: &mut Effects<'_>) -> Result<(), End> {
        match event {
            Event::Frame(_) if !reads => {
                let reason = "a frame was read while there was no room for it".to_owned();
                Err(End::Fault(FaultCode::Internal, reason))
            }
            Event::Frame(frame) => self.came(frame, effects),
            Event::Timeout => {
                while let Some(timer) = effects.take_expired() {
                    self.expired(timer, reads, effects)?;
                }
                Ok(())
            }
            Event::Done(job, done) if effects.end(job) => self.done(job, done, effects),
            // Of a job that is not running.
            Event::Done(..) => Ok(()),
            Event::Grown(end) => self.delivery.grown(end, effects),
            Event::Signed(signed) => {
                self.is_signed = true;
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
                let has_begun = matches!(self.phase, Phase::Opening | Phase::Linked { .. });
                if has_begun && guard == GuardState::SetBack { Err(handshake::set_back()) } else { Ok(()) }
            }
            Event::Charters(charters) => Err(charters::changed(&charters, &self.opening.peer)),
            Event::Closed(closing) => Err(self.closed(closing)),
            Event::Superseded => {
                let reason = "another connection of this pair took over".to_owned();
                Err(End::Fault(FaultCode::Superseded, reason))
            }
            Event::Stop => Err(End::Stopped),
        }
    }

    /// A frame from the peer.
    fn came(&mut self, frame: Frame, effects: &mut Effects<'_>) -> Result<(), End> {
        self.keepalive.heard(effects.now);
        if self.phase == Phase::Handshake {
            self.handshake.came(frame.kind, &self.opening, effects)?;
            self.keepalive.begin(effects);
            return Ok(());
        }
        let bytes = frame.encoded_len();
        match frame.kind {
            Some(Kind::Deliver(deliver)) => self.intake.came(deliver, bytes, effects),
            Some(Kind::Ack(ack)) => self.delivery.receipted(ack, effects)?,
            Some(Kind::Ping(ping)) => {
                self.keepalive.pinged(&ping, effects);
                if ping.reply {
                    self.gossip_sender.heard(ping.nonce, effects);
                }
            }
            Some(Kind::Charter(charter)) => self.charters.came(charter.note, effects),
            Some(Kind::Checkpoints(checkpoints)) => self.gossip_receiver.came(checkpoints.notes, effects)?,
            Some(Kind::Prove(prove)) => self.proof_server.asked(prove, effects)?,
            Some(Kind::Proof(proof)) => self.proof_client.answered(proof, effects)?,
            Some(Kind::Fault(fault)) => return Err(End::by_peer(&fault)),
            Some(Kind::Hello(_)) => return Err(End::unexpected("a second Hello")),
            // A kind that this version does not know: a later version's peer may send it.
            None => {}
        }
        Ok(())
    }

    /// A timer has expired.
    fn expired(&mut self, timer: Timer, reads: bool, effects: &mut Effects<'_>) -> Result<(), End> {
        match timer {
            Timer::Handshake => return Err(self.handshake.expired()),
            Timer::Idle => self.keepalive.check_silence(reads, effects)?,
            Timer::Ping => self.keepalive.check_speech(effects),
            Timer::Progress => self.delivery.check_progress(effects)?,
            Timer::Gossip => self.gossip_sender.pause_is_over(effects),
            Timer::LookBack => self.gossip_sender.look_back(effects),
            Timer::Question => self.proof_client.expire(effects),
        }
        Ok(())
    }

    /// A job has ended.
    fn done(&mut self, job: JobId, done: Done, effects: &mut Effects<'_>) -> Result<(), End> {
        match done {
            Done::Recalled(recalled) => {
                let newest = self.gossip_sender.newest().note.clone();
                self.handshake.recalled(*recalled, &self.opening, &newest, effects)
            }
            Done::Compared(conflict) => self.handshake.compared(conflict, self.delivery.end(), effects),
            Done::Looked(looked) => {
                let epoch = looked.epoch;
                let is_known = self.gossip_receiver.looked(job, looked, effects);
                if is_known && self.phase == Phase::Opening { self.begin(epoch, effects) } else { Ok(()) }
            }
            Done::Gossip { notes, reached } => self.gossip_sender.looked(job, notes, reached, effects),
            Done::Reserved => self.intake.reserved(job, effects),
            Done::Checked(items) => {
                self.intake.checked(job, items);
                Ok(())
            }
            Done::Committed { results, checkpoint } => self.intake.committed(job, results, checkpoint, effects),
            Done::Acknowledged(ack) => self.intake.acknowledged(job, ack, effects),
            Done::CheckedAck(ack) => {
                self.delivery.checked(job, ack);
                Ok(())
            }
            Done::Read(prepared) => self.delivery.read(job, prepared, effects),
            Done::Proved(proof) => self.proof_server.proved(job, proof, effects),
            Done::Adopted(adoption) => self.charters.adopted(job, adoption, &self.opening.charters, effects),
            Done::Failed(end) => Err(end),
        }
    }

    /// What had to wait for something that has happened now.
    fn go_on(&mut self, effects: &mut Effects<'_>) -> Result<(), End> {
        if self.handshake.is_waiting() {
            match self.guard {
                GuardState::SetBack => return Err(handshake::set_back()),
                GuardState::Clear if self.is_signed => self.link(effects),
                GuardState::Clear | GuardState::Waiting => {}
            }
        }
        while effects.writer_is_idle() && self.give_to_writer(effects)? {}
        if self.gossip_receiver.is_idle() && self.charters.is_idle() {
            self.keepalive.worked_off();
        }
        Ok(())
    }

    /// Gives the writer the next frame or works off the next receipt, in turns; whether there was one.
    fn give_to_writer(&mut self, effects: &mut Effects<'_>) -> Result<bool, End> {
        self.receipt_is_next = !self.receipt_is_next;
        if self.receipt_is_next && self.delivery.acknowledge_next(effects)? {
            return Ok(true);
        }
        Ok(self.intake.commit_next(effects) || self.delivery.acknowledge_next(effects)?)
    }

    /// The handshake is over. What the peer shows of its own ledger is looked at before anything else.
    fn link(&mut self, effects: &mut Effects<'_>) {
        self.handshake.succeeded(effects);
        self.intake = Intake::new(self.handshake.held().received, self.opening.window);
        self.gossip_receiver.shown_in_hello(self.handshake.theirs().checkpoint.clone(), effects);
        self.phase = Phase::Opening;
    }

    /// Begins to send and to read. `epoch` is that of the peer's newest checkpoint.
    fn begin(&mut self, epoch: Option<Epoch>, effects: &mut Effects<'_>) -> Result<(), End> {
        self.phase = Phase::Linked { since: effects.now.mono_nanos };
        let held = self.handshake.held();
        let give_back = self.owed(epoch);
        if let Some(Owed { epoch, .. }) = give_back
            && held.reset.is_none_or(|(declared, _)| declared != epoch)
        {
            effects.act(Action::Warn(Warning::Undeclared(epoch)));
        }
        charters::pass_on(&self.opening.charters, self.handshake.theirs(), held.passed_on, effects)?;
        self.gossip_sender.begin(held.told, self.handshake.shown(), effects)?;
        self.delivery.begin(self.handshake.have(), held.receipted, give_back, effects)
    }

    /// What is to be given back to a peer whose ledger has begun a new epoch: what came from it before.
    fn owed(&self, shown: Option<Epoch>) -> Option<Owed> {
        let (reset, size) = (self.handshake.held().reset, self.delivery.end().index);
        GiveBack::owed(shown, reset, size).map(|(epoch, before)| Owed { epoch, before })
    }

    /// Why the session ends when no frame can come any more.
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
            was_success = self.intake.has_moved() || self.delivery.has_moved() || now.is_after(since, LASTED);
            if now.is_after(since, limits::TELL_PAUSE) {
                actions.push(Action::Peer(PeerChange::Told(0)));
            }
            if !was_success {
                actions.push(Action::Peer(PeerChange::PassedOn(None)));
            }
        }
        actions.push(Action::Close(Close { end, was_success }));
        self.phase = Phase::Ended;
        self.shared = Shared::default();
    }
}
