//! A link as `peer list`, `peer show` and `peer ping` give it.

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
        /// `linked`, `connecting`, `backoff`, `waiting` or `stopped`.
        state: String,
        /// `dials`, `waits` or `both`: what this node does.
        direction: String,
        /// Where it is dialled.
        endpoint: Option<String>,
        /// Since when it is linked.
        linked_since: Option<Timestamp>,
        /// Its last answer.
        last_success: Option<Timestamp>,
        /// The first failure since that answer.
        first_failure: Option<Timestamp>,
        /// What went wrong last.
        last_error: Option<String>,
        /// When it is dialled again.
        next_retry: Option<Timestamp>,
        /// Entries for it that it has not acknowledged.
        queue_depth: u64,
        /// The clock of the oldest of them.
        oldest_queued: Option<Timestamp>,
        /// How far this node's ledger was sent.
        sent: Option<Cursor>,
        /// How far the peer acknowledged it.
        acknowledged: Option<Cursor>,
        /// How far this node has the peer's ledger.
        received: Option<Cursor>,
        /// When the peer's certificate expires.
        certificate_expires: Option<Timestamp>,
        /// The protocol version in use; null before the first link.
        protocol: Option<u32>,
        /// The newest charter that the peer has; null before the first link.
        charter_version: Option<u64>,
        /// Entries sent since the node was started.
        sent_entries: u64,
        /// Entries received since the node was started.
        received_entries: u64,
        /// The peer's clock less this node's, in milliseconds.
        clock_offset_ms: i64 = peer.clock_offset,
        /// Entries refused on this link, by either side.
        refused: u64,
        /// The size in the newest checkpoint that the peer sent; null before the first.
        peer_size: Option<u64> = (peer.peer_epoch != 0).then_some(peer.peer_size),
        /// The epoch of the peer's ledger, by that checkpoint.
        peer_epoch: Option<u32>,
        /// When the peer declared that epoch; null in the first.
        reset_at: Option<Timestamp>,
        /// Why: `disk_lost` or `restored`.
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
        /// Items sent of the history that is owed before that leaf.
        part: u32,
    }
}

impl fmt::Display for Cursor {
    /// `epoch/index`, and `+part` within a history.
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
    /// From the question to the answer, in microseconds.
    pub round_trip_micros: u64,
}
