//! A node's wall clock: how wrong it is, and how much more with every moment.
//!
//! The clock that only goes forward is the world's, and never wrong.

use sinergi_proto::base::limits;

use super::Node;

/// Millionths, in which a drift is counted.
const MILLION: i128 = 1_000_000;

/// A wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// By how much it is ahead of the right time since `since`, in milliseconds.
    ahead: i64,
    /// By how many millionths it goes too fast.
    drift: i64,
    since: u64,
}

impl WallClock {
    /// What it shows, in milliseconds since 1970.
    pub fn read(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.ahead(now))
    }

    /// By how much it is ahead of the right time, in milliseconds.
    pub fn ahead(&self, now: u64) -> i64 {
        let drifted = i128::from(now.saturating_sub(self.since)) * i128::from(self.drift) / MILLION;
        self.ahead.saturating_add(i64::try_from(drifted).unwrap_or(i64::MAX))
    }

    /// It jumps, and is ahead by so much from now on.
    pub fn set_ahead(&mut self, millis: i64) {
        *self = Self { ahead: millis, drift: 0, since: 0 };
    }

    /// From now on it goes too fast by so many millionths.
    pub fn drifts(&mut self, millionths: i64, now: u64) {
        *self = Self { ahead: self.ahead(now), drift: millionths, since: now };
    }

    /// It is right from now on.
    pub fn set_right(&mut self) {
        *self = Self::default();
    }
}

impl Node {
    /// Whether most of the peers that it is linked with say that its clock is off by more than it may be.
    pub fn has_a_wrong_clock(&self, now: u64) -> bool {
        u128::from(self.peers_ahead(now).unsigned_abs()) > limits::CLOCK_AHEAD.as_millis()
    }
}
