//! Keep-alive: each side sends a ping if it has nothing else to send, and a link on which no frame comes for the idle timeout ends.
//!
//! Must not know the content of other frames.
//!
//! Invariants:
//! - a ping is answered with a pong; one pong with the highest nonce may answer several pings;
//! - a ping with nonce [`ALIVE`] is answered at once. One with another nonce is answered when everything before it was handled;
//! - the idle timeout runs only while the session reads.

use std::time::Duration;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, AskId, PeerChange, Reply};
use super::timers::{Timer, TimerTable};
use crate::base::clock::{Now, later};
use crate::base::refusal::FaultCode;
use crate::wire::{self, frame::Kind};

/// Pings that a side with nothing else to send sends within the idle time.
const PINGS_WITHIN_IDLE: u32 = 3;

/// The nonce of a keep-alive ping.
pub(super) const ALIVE: u64 = 0;
/// The maximum number of questions of this node that wait for the next pong.
const ASKED: usize = 16;

/// The keep-alive of one link.
#[derive(Clone, Debug)]
pub(super) struct KeepAlive {
    idle: Duration,
    has_begun: bool,
    /// The time of the peer's last frame, in nanoseconds of the monotonic clock.
    last_heard: u64,
    /// The time of this side's last frame, in nanoseconds of the monotonic clock.
    last_sent: u64,
    ping_due: bool,
    /// The highest nonce of the pings to be answered now.
    pong_due: Option<u64>,
    /// The highest nonce of the pings to be answered when everything before them was handled.
    pong_later: Option<u64>,
    asked: Vec<AskId>,
}

impl KeepAlive {
    /// The keep-alive of a link with this idle timeout.
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

    /// Starts both timers: the one for pings and the idle timeout.
    pub(super) fn begin(&mut self, effects: &mut Effects<'_>) {
        let now = effects.now;
        self.has_begun = true;
        (self.last_heard, self.last_sent) = (now.mono_nanos, now.mono_nanos);
        effects.set(Timer::Idle, now.after(self.idle));
        effects.set(Timer::Ping, now.after(self.ping_after()));
    }

    /// Starts the idle timeout again: a frame came, or the session reads again after a pause.
    pub(super) fn heard(&mut self, now: Now) {
        self.last_heard = now.mono_nanos;
    }

    /// Ends the link if no frame came for the idle timeout.
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

    /// Sends a ping if this side has sent nothing for a while. While a ping waits to leave, the timer does not run.
    pub(super) fn ping_if_quiet(&mut self, effects: &mut Effects<'_>) {
        if effects.now.is_after(self.last_sent, self.ping_after()) {
            self.ping_due = true;
        } else {
            effects.set(Timer::Ping, later(self.last_sent, self.ping_after()));
        }
    }

    /// Handles a ping or a pong of the peer.
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

    /// Everything that came was handled: the held pongs may leave.
    pub(super) fn all_handled(&mut self) {
        self.pong_due = self.pong_due.max(self.pong_later.take());
    }

    /// Asks whether the peer responds. The next pong is the answer.
    pub(super) fn ask(&mut self, ask: AskId) {
        self.asked.push(ask);
        self.ping_due = true;
    }

    /// Whether there is room for one more question.
    pub(super) fn takes_questions(&self) -> bool {
        self.asked.len() < ASKED
    }

    /// Whether a ping or a pong is to be sent.
    pub(super) fn has_frame(&self) -> bool {
        self.ping_due || self.pong_due.is_some()
    }

    /// Takes the next ping or pong.
    pub(super) fn next_frame(&mut self) -> Option<Kind> {
        match self.pong_due.take() {
            Some(nonce) => Some(Kind::Ping(wire::Ping { nonce, reply: true, now: 0 })),
            None => std::mem::take(&mut self.ping_due).then(|| ping(ALIVE)),
        }
    }

    /// Records that a frame leaves now.
    pub(super) fn frame_left(&mut self, now: Now, timers: &mut TimerTable) {
        self.last_sent = now.mono_nanos;
        if self.has_begun && !self.ping_due && !timers.is_set(Timer::Ping) {
            timers.set(Timer::Ping, later(self.last_sent, self.ping_after()));
        }
    }

    fn ping_after(&self) -> Duration {
        self.idle / PINGS_WITHIN_IDLE
    }
}

/// A ping. Its time is set when it leaves.
pub(super) fn ping(nonce: u64) -> Kind {
    Kind::Ping(wire::Ping { nonce, reply: false, now: 0 })
}

/// The peer's clock minus this node's, in milliseconds. Saturates.
pub(super) fn clock_offset(theirs: u64, now: Now) -> i64 {
    let offset = i128::from(theirs) - i128::from(now.wall_millis);
    i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })
}
