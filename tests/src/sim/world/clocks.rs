//! Faults of wall clocks: they are wrong by seconds or minutes, drift, and jump forward and back. Some are wrong by up to ten years.
//!
//! A clock is called far if it is wrong by more than five minutes. Any number of clocks may be far, on nodes that are alone as well.
//!
//! What no node can notice does not happen here:
//! - a machine that starts without a peer, with a clock that is ahead by more than five minutes and less than a week;
//! - two far clocks that agree with each other.
//!
//! What such a node writes waits at its peers until then.

use rand::RngExt;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;

use super::World;

const SECOND: i64 = 1_000;
/// The largest offset that no peer contradicts, in milliseconds. It is a little less than the limit, because peers exchange times in
/// seconds.
const NEAR: i64 = 5 * 60 * SECOND - SECOND;
const HOUR: i64 = 60 * 60 * SECOND;
const YEAR: i64 = 365 * 24 * HOUR;
/// The largest drift, in millionths. Over the longest fault it adds up to a quarter of an hour.
const DRIFT: i64 = 120_000;

impl World {
    /// A clock jumps, mostly by minutes, sometimes by seconds.
    pub(super) fn turn_clock(&mut self, id: &AgencyId) {
        let most = if self.rng.random_ratio(1, 4) { 60 * SECOND } else { NEAR };
        let ahead = self.rng.random_range(-most..=most);
        self.node(id).clock.set_ahead(ahead);
    }

    /// A clock begins to drift.
    pub(super) fn drift_clock(&mut self, id: &AgencyId, lasts: u64) {
        let now = self.now;
        // The nodes that must find a lie need clocks that are near.
        let steepest = if self.plan.lie.is_some() { self.drift_within_near(id, lasts) } else { DRIFT };
        let drift = self.rng.random_range(-steepest..=steepest);
        self.node(id).clock.start_drift(drift, now);
    }

    /// The drift, in millionths, at whose end the offset is still within [`NEAR`].
    fn drift_within_near(&self, id: &AgencyId, lasts: u64) -> i64 {
        let room = NEAR - self.nodes[id].clock.ahead(self.now).abs();
        DRIFT.min(room.max(0).saturating_mul(1_000_000) / i64::try_from(lasts).unwrap_or(i64::MAX))
    }

    /// A clock becomes far.
    pub(super) fn turn_clock_far(&mut self, id: &AgencyId) {
        if self.plan.lie.is_some() {
            return self.turn_clock(id);
        }
        self.set_clock_far(id);
    }

    /// A machine stops, and its clock is far when it starts again.
    pub(super) fn restart_with_a_far_clock(&mut self, id: &AgencyId, lasts: u64) {
        self.crash(id, lasts);
        if self.plan.lie.is_none() {
            self.set_clock_far(id);
        }
    }

    /// Leaves out what a node that starts cannot notice.
    pub(super) fn set_clock_at_start(&mut self, id: &AgencyId) {
        let ahead = self.nodes[id].clock.ahead(self.now);
        let silent = i64::try_from(limits::LEDGER_SILENT.as_millis()).unwrap_or(i64::MAX);
        let is_far = ahead.abs() > NEAR;
        // Nothing is known of the right time.
        if is_far && self.nodes[id].ledger.newest_time(id) == 0 {
            self.set_clock_right(id);
        } else if is_far && (0..silent + HOUR).contains(&ahead) {
            self.node(id).clock.set_ahead(ahead + silent + HOUR);
        }
    }

    /// Makes the clock far, and lets it agree with no other one. A clock that the node does not trust stays as it is, because the node believes the next
    /// plausible one.
    fn set_clock_far(&mut self, id: &AgencyId) {
        let now = self.now;
        if self.node(id).has_a_wrong_clock(now) {
            return;
        }
        let ahead = self.draw_far_offset();
        let others = self.nodes.values().filter(|node| node.id != *id).map(|node| node.clock.ahead(self.now));
        if others.map(|other| other.abs_diff(ahead)).all(|apart| apart > HOUR.unsigned_abs()) {
            self.node(id).clock.set_ahead(ahead);
        }
    }

    pub(super) fn set_clock_right(&mut self, id: &AgencyId) {
        self.node(id).clock.set_right();
    }

    /// Draws the offset of a far clock, in milliseconds: from an hour to ten years, ahead or behind.
    fn draw_far_offset(&mut self) -> i64 {
        let most = [4 * HOUR, 24 * HOUR, YEAR, 10 * YEAR][self.rng.random_range(0..4)];
        let ahead = HOUR + self.rng.random_range(NEAR..most);
        if self.rng.random_bool(0.5) { ahead } else { -ahead }
    }
}
