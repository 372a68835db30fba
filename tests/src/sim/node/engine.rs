//! The engine of a node: its settings and its surroundings.

use std::sync::Arc;

use sinergi_daemon::base::node_limits;
use sinergi_proto::engine::{Around, Engine, EngineConfig, PeerQuotas, Surroundings};
use sinergi_proto::transparency::rollback_guard::GuardState;

use super::{ANSWER_WITHIN, Node, State};
use crate::sim::topology::FEDERATION;

/// An author's share of a node's disk in a week, in bytes. So small that a run of hours uses it up: it has room for about 250 entries.
const SHARE: u64 = 384 * 1024;

impl Node {
    /// Opens the engine over the durable ledger.
    pub(super) fn open_engine(&mut self) {
        self.starts += 1;
        let config = EngineConfig {
            own: self.id.clone(),
            federation: FEDERATION.to_owned(),
            key: self.key.clone(),
            adjacent: self.adjacent.clone(),
            answer_within_millis: ANSWER_WITHIN,
            batch_bytes: node_limits::BATCH_BYTES,
            cases: self.case_cache_limits,
            quotas: PeerQuotas { share_bytes_a_week: SHARE, ..node_limits::PEER_QUOTAS },
        };
        let snapshot = self.ledger.snapshot(&self.id, &self.adjacent);
        self.engine_knows = Surroundings::of_the_start(Arc::clone(&self.charters));
        self.engine = Some(Engine::open(snapshot, config, Arc::clone(&self.charters)));
    }

    /// The present surroundings of the engine.
    pub(super) fn around(&mut self, now: u64) -> Around {
        let guard = match self.state {
            State::Clear => GuardState::Clear,
            State::SetBack => GuardState::SetBack,
            State::Hearing => self.guard.state(),
            State::Down => GuardState::Waiting,
        };
        let own_clock = self.own_clock.state(self.clocks(now));
        Around { charters: Arc::clone(&self.charters), guard, own_clock, space: self.space }
    }
}
