//! Compares this node's clock with the clocks of its linked peers, and raises an alarm if this node's clock is wrong.
//!
//! Must not decide which clock is wrong: [`sinergi_proto::sync::PeerClocks`] does.

use sinergi_proto::base::limits;

use crate::base::alarms::Alarms;
use crate::base::peer_clocks::SharedPeerClocks;

/// Compares the clocks. Cheap to clone.
#[derive(Clone)]
pub struct PeerClocks {
    clocks: SharedPeerClocks,
    alarms: Alarms,
}

impl PeerClocks {
    /// Compares the offsets in `clocks`, and raises the alarm in `alarms`.
    pub fn new(clocks: SharedPeerClocks, alarms: Alarms) -> Self {
        Self { clocks, alarms }
    }

    /// Compares the clocks now, and raises or settles the alarm.
    pub(super) fn check(&self) {
        let median = self.clocks.offset();
        let bound = u64::try_from(limits::CLOCK_AHEAD.as_millis()).unwrap_or(u64::MAX);
        if median.unsigned_abs() > bound {
            let seconds = median / 1000;
            let text = format!(
                "this node's clock differs by {seconds} s from most of its peers': it signs nothing until the clock is set (NTP)"
            );
            self.alarms.raise("clock", text);
        } else {
            self.alarms.settle("clock");
        }
    }
}
