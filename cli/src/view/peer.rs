//! The documents of a link, for `peer list`, `peer show` and `peer ping`.

use sinergi_proto::operator_api;
use sinergi_proto::wire;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

document! {
    /// The state of the link to one peer.
    Peer from operator_api::PeerStatus as peer {
        /// The agency at the other end.
        agency: String,
        /// `linked`, `greeting`, `connecting`, `backoff`, `waiting` or `stopped`.
        state: String,
        /// This node's part in linking: `dials`, `waits` or `both`.
        direction: String,
        /// The address that this node dials.
        endpoint: Option<String>,
        /// The time at which the link came up.
        linked_since: Option<Timestamp>,
        /// The time of its last answer.
        last_success: Option<Timestamp>,
        /// The time of the first failure since that answer.
        first_failure: Option<Timestamp>,
        /// The last error.
        last_error: Option<String>,
        /// The time of the next dial.
        next_retry: Option<Timestamp>,
        /// The number of entries that it has not acknowledged.
        queue_depth: u64,
        /// The clock of the oldest of these entries.
        oldest_queued: Option<Timestamp>,
        /// The position up to which this node's ledger was sent.
        sent: Option<Cursor>,
        /// The position up to which the peer acknowledged this node's ledger.
        acknowledged: Option<Cursor>,
        /// The position up to which this node has the peer's ledger.
        received: Option<Cursor>,
        /// The end of the peer's certificate.
        certificate_expires: Option<Timestamp>,
        /// The protocol version in use; null before the first link.
        protocol: Option<u32>,
        /// The version of the peer's newest charter; null before the first link.
        charter_version: Option<u64>,
        /// The number of entries sent since the node was started.
        sent_entries: u64,
        /// The number of entries received since the node was started.
        received_entries: u64,
        /// The peer's clock minus this node's, in milliseconds.
        clock_offset_ms: i64 = peer.clock_offset,
        /// The number of entries that either side refused on this link.
        refused: u64,
        /// The size in the newest checkpoint that the peer sent; null before the first.
        peer_size: Option<u64> = (peer.peer_epoch != 0).then_some(peer.peer_size),
        /// The epoch of the peer's ledger in that checkpoint.
        peer_epoch: Option<u32>,
        /// The time at which the peer declared that epoch; null in the first.
        reset_at: Option<Timestamp>,
        /// The declared reason: `disk_lost` or `restored`.
        reset_reason: Option<String>,
    }
}

document! {
    /// A position in a ledger.
    #[derive(Copy, PartialEq, Eq, Deserialize)]
    Cursor from wire::Cursor as cursor {
        /// The ledger's epoch.
        epoch: u32,
        /// The next leaf.
        index: u64,
        /// The number of items sent of the history that goes before that leaf.
        part: u32,
    }
}

impl fmt::Display for Cursor {
    /// Writes `epoch/index`, and `+part` within a history.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch, self.index)?;
        if self.part > 0 { write!(f, "+{}", self.part) } else { Ok(()) }
    }
}

/// The answer to one ping.
#[derive(Clone, Debug, Serialize)]
pub struct Ping {
    /// The agency that answered.
    pub agency: String,
    /// The time from the ping to the answer, in microseconds.
    pub round_trip_micros: u64,
}
