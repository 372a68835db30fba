//! The network of a run: connections, the frames in transit, and the end of connections.
//!
//! Invariant: a connection keeps its frames in order, unless a fault changes the order. Frames in transit are lost when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rand::RngExt;
use sha2::Digest;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::sync::End;
use sinergi_proto::wire::Frame;
use sinergi_proto::wire::frame::Kind;

use super::{Event, World};
use crate::sim::node::{EndedLink, State};

/// Two agencies, the smaller id first.
pub(super) type Pair = (AgencyId, AgencyId);

/// The line between two agencies, over which they connect.
#[derive(Default)]
pub(super) struct Line {
    /// The number of the connection that is up.
    pub(super) connection: Option<u64>,
    /// Number of faults that cut the line at present.
    pub(super) cut: u32,
    /// The agencies whose frames are lost.
    pub(super) mute: BTreeSet<AgencyId>,
    /// Number of faults that slow the line at present.
    pub(super) slow: u32,
    /// When the last frame to each side arrives.
    pub(super) last: BTreeMap<AgencyId, u64>,
    /// Whether the next frame arrives twice.
    pub(super) duplicate: bool,
    /// Whether the next frame arrives late, after its successor.
    pub(super) swap: bool,
    /// Whether a frame of the connection was lost, or arrived twice or late.
    pub(super) is_disturbed: bool,
}

impl World {
    pub(super) fn pair(a: &AgencyId, b: &AgencyId) -> Pair {
        if a < b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
    }

    /// Connects two agencies, or tries again later.
    pub(super) fn connect(&mut self, pair: Pair) {
        let works = |id: &AgencyId, peer: &AgencyId| {
            matches!(self.nodes[id].state, State::Hearing | State::Clear) && self.nodes[id].admits(peer)
        };
        let line = &self.lines[&pair];
        if line.connection.is_some() {
            return;
        }
        if line.cut > 0 || !line.mute.is_empty() || !works(&pair.0, &pair.1) || !works(&pair.1, &pair.0) {
            return self.connect_later(pair, 5_000..60_000);
        }
        self.connections += 1;
        let connection = self.connections;
        let line = self.lines.get_mut(&pair).expect("linked agencies have a line");
        (line.connection, line.last, line.is_disturbed) = (Some(connection), BTreeMap::new(), false);
        for (id, peer) in [(&pair.0, &pair.1), (&pair.1, &pair.0)] {
            let now = self.now;
            self.node(id).connected(connection, peer, now);
            self.settle(id);
        }
    }

    /// Schedules the next try after a time in this range, in milliseconds. As in the daemon, the time is longer after a failure.
    fn connect_later(&mut self, pair: Pair, after: Range<u64>) {
        let after = self.rng.random_range(after);
        self.schedule(after, Event::Connect(pair));
    }

    pub(super) fn transmit(&mut self, connection: u64, from: &AgencyId, to: &AgencyId, frame: Frame) {
        let latency = self.rng.random_range(1..40);
        let now = self.now;
        let line = self.lines.get_mut(&Self::pair(from, to)).expect("linked agencies have a line");
        if line.connection != Some(connection) {
            return;
        }
        let latency = if line.slow > 0 { latency * 100 } else { latency };
        let last = line.last.get(to).copied().unwrap_or(0);
        let mut at = (now + latency).max(last + 1);
        line.last.insert(to.clone(), at);
        let is_hello = matches!(frame.kind, Some(Kind::Hello(_)));
        let twice = !is_hello && std::mem::take(&mut line.duplicate);
        if !is_hello && std::mem::take(&mut line.swap) {
            at += 200;
            line.is_disturbed = true;
        }
        line.is_disturbed |= twice;
        self.trace.update(at.to_be_bytes());
        self.trace.update(from.as_str());
        if let Some(Kind::Deliver(deliver)) = &frame.kind {
            deliver.items.iter().for_each(|item| self.trace.update(&item.signed_entry));
        }
        let arrive = |frame: Frame, is_copy| {
            let (to, from) = (to.clone(), from.clone());
            Event::Arrive { connection, to, from, frame: Box::new(frame), is_copy }
        };
        if twice {
            self.schedule(at + 3 - now, arrive(frame.clone(), true));
        }
        self.schedule(at - now, arrive(frame, false));
    }

    pub(super) fn arrive(&mut self, connection: u64, to: &AgencyId, from: &AgencyId, frame: Frame, is_copy: bool) {
        let line = self.lines.get_mut(&Self::pair(from, to)).expect("linked agencies have a line");
        if line.connection != Some(connection) {
            return;
        }
        if line.mute.contains(from) {
            line.is_disturbed = true;
            if !is_copy {
                self.has_room(connection, from, to);
            }
            return;
        }
        let now = self.now;
        self.node(to).arrived(connection, from, frame, now);
        self.settle(to);
    }

    /// A node has ended its session. It tells the peer why, and ends the connection.
    pub(super) fn hang_up(&mut self, connection: u64, id: &AgencyId, peer: &AgencyId, end: &End) {
        let line = &self.lines[&Self::pair(id, peer)];
        let mut expected = vec![FaultCode::AheadOfLedger, FaultCode::Superseded];
        let goes_by_others = self.nodes[id].charter().hash != self.nodes[peer].charter().hash;
        expected.extend(goes_by_others.then_some(FaultCode::CharterBehind));
        // Both clocks may be confirmed, by other peers, and yet be far apart.
        let apart = self.nodes[id].wall(self.now).abs_diff(self.nodes[peer].wall(self.now));
        let are_apart = u128::from(apart) > limits::CLOCK_AHEAD.as_millis();
        expected.extend(are_apart.then_some(FaultCode::CheckpointTime));
        // The peer has left.
        expected.extend((!self.nodes[id].admits(peer)).then_some(FaultCode::NotPermitted));
        let with_liar = self.is_liar(peer) || self.is_liar(id);
        if let End::Fault(code, _) = end
            && self.is_liar(peer)
            && line.connection == Some(connection)
            && !line.is_disturbed
        {
            let was_set_back = self.nodes[id].state == State::SetBack;
            self.ended_links.insert(EndedLink { by: id.clone(), connection, code: code.number(), was_set_back });
        }
        if let End::Fault(code, reason) = end
            && !with_liar
            && line.connection == Some(connection)
            && !line.is_disturbed
            && !expected.contains(code)
        {
            self.at_fault = Some(format!("{id} ended its link with {peer}: {code}: {reason}"));
        }
        if let Some(fault) = end.farewell() {
            self.transmit(connection, id, peer, Frame { kind: Some(Kind::Fault(fault)) });
        }
        let arrived = self.lines[&Self::pair(id, peer)].last.get(peer).copied().unwrap_or_default();
        self.schedule((arrived + 1).saturating_sub(self.now), Event::HangUp(connection, end.to_string()));
    }

    /// The transport of a connection has room for one more frame of `from`.
    pub(super) fn has_room(&mut self, connection: u64, from: &AgencyId, to: &AgencyId) {
        if self.lines[&Self::pair(from, to)].connection == Some(connection) {
            let now = self.now;
            self.node(from).has_room(connection, to, now);
            self.settle(from);
        }
    }

    pub(super) fn close(&mut self, connection: u64, why: &str) {
        let Some((pair, line)) = self.lines.iter_mut().find(|(_, line)| line.connection == Some(connection)) else {
            return;
        };
        line.connection = None;
        let pair = pair.clone();
        self.trace.update(why);
        let now = self.now;
        for (id, peer) in [(&pair.0, &pair.1), (&pair.1, &pair.0)] {
            self.node(id).disconnected(connection, peer, now);
            self.settle(id);
        }
        self.connect_later(pair, 2_000..20_000);
    }

    pub(super) fn break_line(&mut self, pair: &Pair) {
        if let Some(connection) = self.lines[pair].connection {
            self.close(connection, "broken");
        }
    }
}
