//! What happens to wall clocks: they are off by seconds or minutes, they drift, they jump forward and back, and some are off by as much as a
//! year.
//!
//! Protocol 1 withstands a clock that is off by more than five minutes only as long as most of the peers that the node is linked with
//! say so. So that is where such a clock is put right in these runs, as an operator would who sees the alarm: before the node loses the links
//! that contradict it. [`Scenario::FarClock`] is what happens otherwise.

use rand::RngExt;
use sinergi_proto::base::ids::AgencyId;

use super::network::Pair;
use super::{Event, MINUTE, World};
use crate::sim::node::State;
use crate::sim::scenarios::Scenario;

const SECOND: i64 = 1_000;
/// As far as a clock is off that no peer contradicts; a little less than the bound, because times are told in seconds.
const NEAR: i64 = 5 * 60 * SECOND - SECOND;
const HOUR: i64 = 60 * 60 * SECOND;
const YEAR: i64 = 365 * 24 * HOUR;
/// The steepest drift, in millionths: it adds up to less than [`NEAR`] over the longest fault.
const DRIFT: i64 = 40_000;
/// Links that contradict a far clock: one peer alone is not believed.
const CONTRADICTED_BY: usize = 2;
/// A node that starts dials within this time.
const DIALS: u64 = 50;

impl World {
    /// A clock jumps: mostly by minutes, at times by seconds.
    pub(super) fn turn_clock(&mut self, id: &AgencyId) {
        let most = if self.rng.random_ratio(1, 4) { 60 * SECOND } else { NEAR };
        let ahead = self.rng.random_range(-most..=most);
        self.node(id).clock.set_ahead(ahead);
    }

    /// A clock begins to drift.
    pub(super) fn drift_clock(&mut self, id: &AgencyId, lasts: u64) {
        let now = self.now;
        // Until the end of the fault it must stay near.
        let room = NEAR - self.nodes[id].clock.ahead(now).abs();
        let steepest = DRIFT.min(room.max(0).saturating_mul(1_000_000) / i64::try_from(lasts).unwrap_or(i64::MAX));
        let drift = self.rng.random_range(-steepest..=steepest);
        self.node(id).clock.drifts(drift, now);
    }

    /// A clock jumps far.
    pub(super) fn turn_clock_far(&mut self, id: &AgencyId) {
        let ahead = self.far();
        if self.plan.scenario == Some(Scenario::FarClock) {
            return self.node(id).clock.set_ahead(ahead);
        }
        // Who must find a lie must be able to date it.
        if self.plan.lie.is_some() {
            return self.turn_clock(id);
        }
        let linked = self.lines_of(id).into_iter().filter(|pair| self.is_sound(pair, id)).count();
        if self.nodes[id].state == State::Clear && linked >= CONTRADICTED_BY && self.all_clocks_are_near() {
            self.node(id).clock.set_ahead(ahead);
            self.far.insert(id.clone());
            self.watch_far_clocks();
        }
    }

    /// A machine stops, and its clock is far off when it starts again. It dials its peers at once.
    pub(super) fn restart_with_a_far_clock(&mut self, id: &AgencyId, lasts: u64) {
        if self.plan.scenario == Some(Scenario::FarClock) {
            let ahead = self.far();
            self.crash(id, lasts);
            return self.node(id).clock.set_ahead(ahead);
        }
        if self.nodes[id].state == State::Clear && self.plan.lie.is_none() && self.all_clocks_are_near() {
            self.crash(id, lasts);
            self.starts_far.insert(id.clone());
        }
    }

    /// A node starts. Its clock may be far off if its peers are there to say so.
    pub(super) fn starts_with_its_clock(&mut self, id: &AgencyId) {
        if !self.starts_far.remove(id) || self.healing {
            return;
        }
        let pairs = self.lines_of(id);
        let there: Vec<Pair> = pairs.into_iter().filter(|pair| self.would_connect(pair, id)).collect();
        if there.len() >= CONTRADICTED_BY {
            let ahead = self.far();
            self.node(id).clock.set_ahead(ahead);
            self.far.insert(id.clone());
            for pair in there {
                let after = self.rng.random_range(1..DIALS);
                self.at(after, Event::Connect(pair));
            }
        }
    }

    /// Far clocks that peers do not contradict any more are put right.
    pub(super) fn watch_far_clocks(&mut self) {
        for id in self.far.clone() {
            let node = &self.nodes[&id];
            if node.state != State::Hearing && !node.has_a_wrong_clock(self.now) {
                self.set_clock_right(&id);
            }
        }
    }

    /// The wait of a node that has just started may be over: a far clock is put right that too few have contradicted by now.
    pub(super) fn before_the_wait_ends(&mut self, id: &AgencyId) {
        let node = &self.nodes[id];
        if self.far.contains(id) && node.state == State::Hearing && !node.has_a_wrong_clock(self.now) {
            self.set_clock_right(id);
        }
    }

    pub(super) fn set_clock_right(&mut self, id: &AgencyId) {
        self.far.remove(id);
        self.node(id).clock.set_right();
    }

    /// Two clocks that are far off could be the majority for a third.
    fn all_clocks_are_near(&self) -> bool {
        self.far.is_empty() && self.starts_far.is_empty()
    }

    /// From beyond the bound to a year, forward or back.
    fn far(&mut self) -> i64 {
        let most = [HOUR, 24 * HOUR, YEAR][self.rng.random_range(0..3)];
        // Peers may be off by some minutes in the same direction.
        let ahead = self.rng.random_range(2 * NEAR + i64::try_from(MINUTE).unwrap_or_default()..most);
        if self.rng.random_bool(0.5) { ahead } else { -ahead }
    }

    /// Whether a link is up, with a peer whose own clock is not far off.
    fn is_sound(&self, pair: &Pair, id: &AgencyId) -> bool {
        let other = if pair.0 == *id { &pair.1 } else { &pair.0 };
        let line = &self.lines[pair];
        line.connection.is_some() && line.mute.is_empty() && !self.far.contains(other)
    }

    /// Whether nothing keeps a node that starts from hearing the peer of this line within a moment.
    fn would_connect(&self, pair: &Pair, id: &AgencyId) -> bool {
        let other = if pair.0 == *id { &pair.1 } else { &pair.0 };
        let line = &self.lines[pair];
        let is_open = line.cut == 0 && line.slow == 0 && line.mute.is_empty();
        is_open && self.nodes[other].state == State::Clear && !self.far.contains(other)
    }
}
