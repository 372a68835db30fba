//! This node's wall clock, with what is known of it. Links note their peers' clocks, the operator may confirm it, and the writer asks whether it can
//! be trusted.
//!
//! Must not decide that: [`sinergi_proto::engine::OwnClock`] does.

use std::sync::Arc;

use parking_lot::Mutex;
use sinergi_proto::base::clock::Now;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::engine::{ClockState, OwnClock};

use crate::base::time::now;

/// The wall clock. Cheap to clone.
#[derive(Clone)]
pub struct SharedClock(Arc<Mutex<OwnClock>>);

impl SharedClock {
    /// The clock of a node that starts. `newest_in_ledger` is the newest time in its ledger, in milliseconds since 1970; 0 if there is none.
    pub fn of_a_start(newest_in_ledger: u64) -> Self {
        Self(Arc::new(Mutex::new(OwnClock::of_a_start(newest_in_ledger, now()))))
    }

    /// Notes that a peer's clock is `offset` milliseconds ahead of this node's clock.
    pub(crate) fn heard(&self, peer: &AgencyId, offset: i64) {
        self.0.lock().heard(peer, offset, now());
    }

    /// Notes that the operator says that the clock is right at the time `now`.
    pub(crate) fn confirm(&self, now: Now) {
        self.0.lock().confirm(now);
    }

    /// The wall clock now, if it is confirmed, in milliseconds since 1970.
    pub(crate) fn confirmed_time(&self) -> Option<u64> {
        self.0.lock().confirmed_time(now())
    }

    /// The state of the clock at the time `now`.
    pub fn state(&self, now: Now) -> ClockState {
        self.0.lock().state(now)
    }
}
