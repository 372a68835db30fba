//! A node's wall clock, with its offset and its drift.
//!
//! The clock of the machine that only goes forward is the world's time, which is never wrong.

use sinergi_proto::base::limits;

use super::Node;

/// A drift is counted in millionths.
const MILLION: i128 = 1_000_000;

/// A wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// How far it was ahead of the right time at `since`, in milliseconds.
    ahead: i64,
    /// By how many millionths it runs too fast.
    drift: i64,
    /// The start of the drift, in milliseconds since 1970.
    since: u64,
}

impl WallClock {
    /// The time on the clock, in milliseconds since 1970.
    pub fn read(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.ahead(now))
    }

    /// How far it is ahead of the right time, in milliseconds.
    pub fn ahead(&self, now: u64) -> i64 {
        let drifted = i128::from(now.saturating_sub(self.since)) * i128::from(self.drift) / MILLION;
        self.ahead.saturating_add(i64::try_from(drifted).unwrap_or(i64::MAX))
    }

    /// Sets the clock ahead of the right time by this much, without drift.
    pub fn set_ahead(&mut self, millis: i64) {
        *self = Self { ahead: millis, drift: 0, since: 0 };
    }

    /// Makes the clock run too fast from now on, by this many millionths.
    pub fn start_drift(&mut self, millionths: i64, now: u64) {
        *self = Self { ahead: self.ahead(now), drift: millionths, since: now };
    }

    /// Corrects the clock.
    pub fn set_right(&mut self) {
        *self = Self::default();
    }
}

impl Node {
    /// Whether the clock is off by more than honest clocks are, or the node knows that nothing may be dated by it.
    pub fn has_a_wrong_clock(&mut self, now: u64) -> bool {
        let is_off = u128::from(self.clock.ahead(now).unsigned_abs()) > limits::CLOCK_AHEAD.as_millis();
        is_off || self.around(now).own_clock.problem.is_some()
    }
}
