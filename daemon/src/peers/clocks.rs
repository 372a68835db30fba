//! Whether this node's clock agrees with those of its linked peers.
//!
//! Invariant: one peer alone cannot stop this node, see [`Peers::median_clock_offset`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sinergi_proto::base::limits;

use super::peer::Peers;
use crate::base::alarms::Alarms;

/// Compares the clocks. Cheap to clone.
#[derive(Clone)]
pub struct PeerClocks {
    peers: Peers,
    /// By how much the clocks of most peers are ahead of ours, in milliseconds.
    offset: Arc<AtomicI64>,
    alarms: Alarms,
}

impl PeerClocks {
    /// The clocks of these peers. `offset` is set to how far most of them are ahead, in milliseconds.
    pub fn new(peers: Peers, offset: Arc<AtomicI64>, alarms: Alarms) -> Self {
        Self { peers, offset, alarms }
    }

    /// Compares them now, and alarms if this node's clock is the wrong one.
    pub(super) fn check(&self) {
        let median = self.peers.median_clock_offset();
        self.offset.store(median, Ordering::Relaxed);
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
