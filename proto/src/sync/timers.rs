//! The time of an event, and the table of a session's timers.
//!
//! Must not know what a timer is for.
//!
//! Invariant: an expired timer is out of the table until its owner sets it again, so that it cannot be handled twice.

use crate::base::clock::Now;

/// The timers of a session. The comments say what is due when one expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The peer's Hello must have come, or its charters if the link ends after the greeting.
    Handshake,
    /// A frame of the peer must have come.
    Idle,
    /// This side must send a frame.
    Ping,
    /// The peer must have acknowledged a frame.
    Progress,
    /// Checkpoints may be sent again.
    Gossip,
    /// Checkpoints that were sent on earlier links are sent once more.
    RepeatGossip,
    /// This side must show its own checkpoint.
    Show,
    /// The peer must have shown its own checkpoint.
    Shown,
    /// Entries may be given back to the peer.
    GiveBack,
    /// A question must have been answered.
    Question,
    /// A part of a list of trusted entries must have come.
    List,
    /// The peer's newer charters must have begun to come.
    Charters,
}

impl Timer {
    const ALL: [Self; 12] = [
        Self::Handshake,
        Self::Idle,
        Self::Ping,
        Self::Progress,
        Self::Gossip,
        Self::RepeatGossip,
        Self::Show,
        Self::Shown,
        Self::GiveBack,
        Self::Question,
        Self::List,
        Self::Charters,
    ];
}

/// The time at which each timer expires, in nanoseconds of the monotonic clock.
#[derive(Clone, Debug, Default)]
pub(super) struct TimerTable([Option<u64>; Timer::ALL.len()]);

impl TimerTable {
    /// Sets a timer. Replaces its earlier time.
    pub(super) fn set(&mut self, timer: Timer, at: u64) {
        self.0[timer as usize] = Some(at);
    }

    /// Stops a timer.
    pub(super) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// Whether a timer runs.
    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// The time at which the next timer expires.
    pub(super) fn next(&self) -> Option<u64> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes a timer that has expired out of the table.
    pub(super) fn take_expired(&mut self, now: Now) -> Option<Timer> {
        let has_expired = |timer: &Timer| self.0[*timer as usize].is_some_and(|at| at <= now.mono_nanos);
        let expired = Timer::ALL.into_iter().find(has_expired)?;
        self.stop(expired);
        Some(expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_timer_is_handed_out_once() {
        let at = |mono_nanos| Now { wall_millis: 0, mono_nanos };
        let mut table = TimerTable::default();
        table.set(Timer::Ping, 20);
        table.set(Timer::Idle, 10);
        table.set(Timer::Ping, 15);
        assert_eq!((table.next(), table.take_expired(at(9))), (Some(10), None));
        assert_eq!(table.take_expired(at(15)), Some(Timer::Idle));
        assert_eq!(table.take_expired(at(15)), Some(Timer::Ping));
        assert_eq!((table.next(), table.take_expired(at(u64::MAX))), (None, None));
    }

    #[test]
    fn every_timer_has_a_place_of_its_own() {
        let mut table = TimerTable::default();
        for (at, timer) in (1..).zip(Timer::ALL) {
            table.set(timer, at);
        }
        let in_turn = |at| table.clone().take_expired(Now { wall_millis: 0, mono_nanos: at });
        assert_eq!(in_turn(1), Some(Timer::ALL[0]));
        assert!(Timer::ALL.into_iter().all(|timer| table.is_set(timer)));
    }
}
