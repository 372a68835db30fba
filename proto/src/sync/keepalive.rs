//! Keep-alive: both sides say something now and then, and a link on which nothing is heard for too long ends.
//!
//! Must not know what the frames are about.
//!
//! Invariants:
//! - a ping is answered with one pong; several pings may be answered with one that has the highest nonce;
//! - a ping that asks whether everything before it was heard is answered only when everything before it was worked off;
//! - silence counts only while the session reads.

use std::time::Duration;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, AskId, PeerChange, Reply};
use super::timers::{Timer, TimerTable};
use crate::base::clock::{Now, later};
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::wire::{self, frame::Kind};

/// The nonce of a ping that asks for a sign of life and no more.
pub(super) const ALIVE: u64 = 0;
/// Questions of this node whether the peer is there that wait for the next pong.
const ASKED: usize = 16;

/// The keep-alive of one link.
#[derive(Clone, Debug)]
pub(super) struct KeepAlive {
    idle: Duration,
    has_begun: bool,
    /// When the peer was heard last, in nanoseconds of the clock that only goes forward.
    last_heard: u64,
    /// When this side said something last.
    last_sent: u64,
    ping_due: bool,
    /// The highest nonce of the pings to be answered.
    pong_due: Option<u64>,
    /// The same, of those that are answered when everything before them was worked off.
    pong_later: Option<u64>,
    asked: Vec<AskId>,
}

impl KeepAlive {
    /// The keep-alive of a link that is taken for dead after this silence.
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            idle,
            has_begun: false,
            last_heard: 0,
            last_sent: 0,
            ping_due: false,
            pong_due: None,
            pong_later: None,
            asked: Vec::new(),
        }
    }

    /// Begins to say pings and to listen for silence.
    pub(super) fn begin(&mut self, effects: &mut Effects<'_>) {
        let now = effects.now;
        self.has_begun = true;
        (self.last_heard, self.last_sent) = (now.mono_nanos, now.mono_nanos);
        effects.set(Timer::Idle, now.after(self.idle));
        effects.set(Timer::Ping, now.after(self.ping_after()));
    }

    /// The peer was heard, or the session reads again after it did not.
    pub(super) fn heard(&mut self, now: Now) {
        self.last_heard = now.mono_nanos;
    }

    /// The peer must have been heard.
    pub(super) fn check_idle(&mut self, reads: bool, effects: &mut Effects<'_>) -> Result<(), End> {
        if !reads {
            self.last_heard = effects.now.mono_nanos;
        }
        if effects.now.is_after(self.last_heard, self.idle) {
            let reason = format!("nothing heard for {} s", self.idle.as_secs());
            return Err(End::Fault(FaultCode::Idle, reason));
        }
        effects.set(Timer::Idle, later(self.last_heard, self.idle));
        Ok(())
    }

    /// This side must have said something. While a ping waits to leave, there is nothing to wait for.
    pub(super) fn ping_if_quiet(&mut self, effects: &mut Effects<'_>) {
        if effects.now.is_after(self.last_sent, self.ping_after()) {
            self.ping_due = true;
        } else {
            effects.set(Timer::Ping, later(self.last_sent, self.ping_after()));
        }
    }

    /// The peer said a ping, or answered one.
    pub(super) fn pinged(&mut self, ping: &wire::Ping, effects: &mut Effects<'_>) {
        effects.note(PeerChange::ClockOffset(clock_offset(ping.now, effects.now)));
        if !ping.reply {
            let due = if ping.nonce == ALIVE { &mut self.pong_due } else { &mut self.pong_later };
            *due = (*due).max(Some(ping.nonce));
            return;
        }
        effects.note(PeerChange::Answered);
        for ask in self.asked.drain(..) {
            effects.act(Action::Answer(ask, Reply::Alive));
        }
    }

    /// Everything that the peer said was worked off.
    pub(super) fn all_handled(&mut self) {
        self.pong_due = self.pong_due.max(self.pong_later.take());
    }

    /// Somebody on this node asks whether the peer is there.
    pub(super) fn ask(&mut self, ask: AskId) {
        self.asked.push(ask);
        self.ping_due = true;
    }

    /// Whether one more may ask.
    pub(super) fn takes_questions(&self) -> bool {
        self.asked.len() < ASKED
    }

    /// Whether a sign of life is to go.
    pub(super) fn has_frame(&self) -> bool {
        self.ping_due || self.pong_due.is_some()
    }

    /// The sign of life that goes next.
    pub(super) fn next_frame(&mut self) -> Option<Kind> {
        match self.pong_due.take() {
            Some(nonce) => Some(Kind::Ping(wire::Ping { nonce, reply: true, now: 0 })),
            None => std::mem::take(&mut self.ping_due).then(|| ping(ALIVE)),
        }
    }

    /// A frame leaves now.
    pub(super) fn frame_left(&mut self, now: Now, timers: &mut TimerTable) {
        self.last_sent = now.mono_nanos;
        if self.has_begun && !self.ping_due && !timers.is_set(Timer::Ping) {
            timers.set(Timer::Ping, later(self.last_sent, self.ping_after()));
        }
    }

    fn ping_after(&self) -> Duration {
        self.idle / limits::PINGS_WITHIN_IDLE
    }
}

/// A ping. It is stamped when it leaves.
pub(super) fn ping(nonce: u64) -> Kind {
    Kind::Ping(wire::Ping { nonce, reply: false, now: 0 })
}

/// The peer's clock less ours, in milliseconds.
pub(super) fn clock_offset(theirs: u64, now: Now) -> i64 {
    let offset = i128::from(theirs) - i128::from(now.wall_millis);
    i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })
}
