//! Faults of wall clocks: they are wrong by seconds or minutes, drift, and jump forward and back. Some are wrong by up to a year.
//!
//! A clock is called far if it is wrong by more than five minutes. Protocol 1 withstands a far clock only as long as most of the linked
//! peers contradict it. In these runs the clock is therefore corrected before the node loses those links, as an operator who sees the alarm
//! would do. [`Scenario::FarClock`] shows the failure otherwise.

use rand::RngExt;
use sinergi_proto::base::ids::AgencyId;

use super::network::Pair;
use super::{Event, MINUTE, World};
use crate::sim::node::State;
use crate::sim::scenarios::Scenario;

const SECOND: i64 = 1_000;
/// The largest offset that no peer contradicts, in milliseconds. It is a little less than the limit, because peers exchange times in
/// seconds.
const NEAR: i64 = 5 * 60 * SECOND - SECOND;
const HOUR: i64 = 60 * 60 * SECOND;
const YEAR: i64 = 365 * 24 * HOUR;
/// The largest drift, in millionths. Over the longest fault it adds up to less than [`NEAR`].
const DRIFT: i64 = 40_000;
/// The least number of links that contradict a far clock. One peer alone is not believed.
const CONTRADICTED_BY: usize = 2;
/// Time within which a node that starts dials its peers, in milliseconds.
const DIALS: u64 = 50;

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
        // At the end of the fault the offset must still be within `NEAR`.
        let room = NEAR - self.nodes[id].clock.ahead(now).abs();
        let steepest = DRIFT.min(room.max(0).saturating_mul(1_000_000) / i64::try_from(lasts).unwrap_or(i64::MAX));
        let drift = self.rng.random_range(-steepest..=steepest);
        self.node(id).clock.start_drift(drift, now);
    }

    /// A clock becomes far.
    pub(super) fn turn_clock_far(&mut self, id: &AgencyId) {
        let ahead = self.draw_far_offset();
        if self.plan.scenario == Some(Scenario::FarClock) {
            return self.node(id).clock.set_ahead(ahead);
        }
        // The nodes that must find a lie need right clocks to date it.
        if self.plan.lie.is_some() {
            return self.turn_clock(id);
        }
        let linked = self.lines_of(id).into_iter().filter(|pair| self.is_sound(pair, id)).count();
        if self.nodes[id].state == State::Clear && linked >= CONTRADICTED_BY && self.all_clocks_are_near() {
            self.node(id).clock.set_ahead(ahead);
            self.far_clocks.insert(id.clone());
            self.correct_far_clocks();
        }
    }

    /// A machine stops, and its clock is far when it starts again. It dials its peers at once.
    pub(super) fn restart_with_a_far_clock(&mut self, id: &AgencyId, lasts: u64) {
        if self.plan.scenario == Some(Scenario::FarClock) {
            let ahead = self.draw_far_offset();
            self.crash(id, lasts);
            return self.node(id).clock.set_ahead(ahead);
        }
        if self.nodes[id].state == State::Clear && self.plan.lie.is_none() && self.all_clocks_are_near() {
            self.crash(id, lasts);
            self.far_at_start.insert(id.clone());
        }
    }

    /// Sets the clock of a node that starts. The clock may be far if enough peers are reachable to contradict it.
    pub(super) fn set_clock_at_start(&mut self, id: &AgencyId) {
        if !self.far_at_start.remove(id) || self.healing {
            return;
        }
        let pairs = self.lines_of(id);
        let there: Vec<Pair> = pairs.into_iter().filter(|pair| self.would_connect(pair, id)).collect();
        if there.len() >= CONTRADICTED_BY {
            let ahead = self.draw_far_offset();
            self.node(id).clock.set_ahead(ahead);
            self.far_clocks.insert(id.clone());
            for pair in there {
                let after = self.rng.random_range(1..DIALS);
                self.schedule(after, Event::Connect(pair));
            }
        }
    }

    /// Corrects the far clocks that peers no longer contradict.
    pub(super) fn correct_far_clocks(&mut self) {
        for id in self.far_clocks.clone() {
            let node = &self.nodes[&id];
            let may_be_believed = match node.state {
                State::Hearing => node.has_lost_a_peer(),
                _ => !node.has_a_wrong_clock(self.now),
            };
            if may_be_believed {
                self.set_clock_right(&id);
            }
        }
    }

    /// Corrects the far clock of a node whose wait after its start may end now, if too few peers have contradicted the clock.
    pub(super) fn correct_far_clock_before_signing(&mut self, id: &AgencyId) {
        let node = &self.nodes[id];
        if self.far_clocks.contains(id) && node.state == State::Hearing && !node.has_a_wrong_clock(self.now) {
            self.set_clock_right(id);
        }
    }

    pub(super) fn set_clock_right(&mut self, id: &AgencyId) {
        self.far_clocks.remove(id);
        self.node(id).clock.set_right();
    }

    /// Whether no clock is far. Two far clocks could be the majority for a third node.
    fn all_clocks_are_near(&self) -> bool {
        self.far_clocks.is_empty() && self.far_at_start.is_empty()
    }

    /// Draws the offset of a far clock, in milliseconds: from beyond the limit to a year, ahead or behind.
    fn draw_far_offset(&mut self) -> i64 {
        let most = [HOUR, 24 * HOUR, YEAR][self.rng.random_range(0..3)];
        // The peers' clocks may be wrong by some minutes in the same direction.
        let ahead = self.rng.random_range(2 * NEAR + i64::try_from(MINUTE).unwrap_or_default()..most);
        if self.rng.random_bool(0.5) { ahead } else { -ahead }
    }

    /// Whether a link of the node is up, with a peer whose own clock is not far.
    fn is_sound(&self, pair: &Pair, id: &AgencyId) -> bool {
        let other = if pair.0 == *id { &pair.1 } else { &pair.0 };
        let line = &self.lines[pair];
        line.connection.is_some() && line.mute.is_empty() && !self.far_clocks.contains(other)
    }

    /// Whether a node that starts can connect with the peer of this line at once, and the peer's clock is not far.
    fn would_connect(&self, pair: &Pair, id: &AgencyId) -> bool {
        let other = if pair.0 == *id { &pair.1 } else { &pair.0 };
        let line = &self.lines[pair];
        let is_open = line.cut == 0 && line.slow == 0 && line.mute.is_empty();
        let is_admitted = self.nodes[id].admits(other) && self.nodes[other].admits(id);
        is_open && is_admitted && self.nodes[other].state == State::Clear && !self.far_clocks.contains(other)
    }
}
