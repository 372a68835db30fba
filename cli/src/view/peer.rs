//! A link as `peer list`, `peer show` and `peer ping` give it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sinergi_proto::wire;

use super::{moment, present};

/// The state of the link to one peer.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// The agency at the other end.
    pub agency: String,
    /// `linked`, `connecting`, `backoff`, `waiting` or `stopped`.
    pub state: String,
    /// `dials`, `waits` or `both`: what this node does.
    pub direction: String,
    /// Where it is dialled.
    pub endpoint: Option<String>,
    /// Since when it is linked.
    pub linked_since: Option<Timestamp>,
    /// Its last answer.
    pub last_success: Option<Timestamp>,
    /// The first failure since that answer.
    pub first_failure: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it is dialled again.
    pub next_retry: Option<Timestamp>,
    /// Entries for it that it has not acknowledged.
    pub queue_depth: u64,
    /// The clock of the oldest of them.
    pub oldest_queued: Option<Timestamp>,
    /// How far this node's ledger was sent.
    pub sent: Option<Cursor>,
    /// How far the peer acknowledged it.
    pub acknowledged: Option<Cursor>,
    /// How far this node has the peer's ledger.
    pub received: Option<Cursor>,
    /// When the peer's certificate expires.
    pub certificate_expires: Option<Timestamp>,
    /// The protocol version in use; null before the first link.
    pub protocol: Option<u32>,
    /// The newest charter that the peer has; null before the first link.
    pub charter_version: Option<u64>,
    /// Entries sent since the node was started.
    pub sent_entries: u64,
    /// Entries received since the node was started.
    pub received_entries: u64,
    /// The peer's clock less this node's, in milliseconds.
    pub clock_offset_ms: i64,
    /// Entries refused on this link, by either side.
    pub refused: u64,
    /// The size in the newest checkpoint that the peer sent; null before the first.
    pub peer_size: Option<u64>,
    /// The epoch of the peer's ledger, by that checkpoint.
    pub peer_epoch: Option<u32>,
    /// When the peer declared that epoch; null in the first.
    pub reset_at: Option<Timestamp>,
    /// Why: `disk_lost` or `restored`.
    pub reset_reason: Option<String>,
}

impl From<wire::PeerStatus> for Peer {
    fn from(peer: wire::PeerStatus) -> Self {
        Self {
            agency: peer.agency,
            state: peer.state,
            direction: peer.direction,
            endpoint: present(peer.endpoint),
            linked_since: moment(peer.linked_since),
            last_success: moment(peer.last_success),
            first_failure: moment(peer.first_failure),
            last_error: present(peer.last_error),
            next_retry: moment(peer.next_retry),
            queue_depth: peer.queue_depth,
            oldest_queued: moment(peer.oldest_queued),
            sent: peer.sent.map(Into::into),
            acknowledged: peer.acknowledged.map(Into::into),
            received: peer.received.map(Into::into),
            certificate_expires: moment(peer.certificate_expires),
            protocol: (peer.protocol != 0).then_some(peer.protocol),
            charter_version: (peer.charter_version != 0).then_some(peer.charter_version),
            sent_entries: peer.sent_entries,
            received_entries: peer.received_entries,
            clock_offset_ms: peer.clock_offset,
            refused: peer.refused,
            peer_size: (peer.peer_epoch != 0).then_some(peer.peer_size),
            peer_epoch: (peer.peer_epoch != 0).then_some(peer.peer_epoch),
            reset_at: moment(peer.reset_at),
            reset_reason: present(peer.reset_reason),
        }
    }
}

/// A position in a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The ledger's epoch.
    pub epoch: u32,
    /// The next leaf.
    pub index: u64,
    /// Items sent of the history that is owed before that leaf.
    pub part: u32,
}

impl From<wire::Cursor> for Cursor {
    fn from(cursor: wire::Cursor) -> Self {
        Self { epoch: cursor.epoch, index: cursor.index, part: cursor.part }
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
