//! A node as `status` gives it.

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::wire;

use super::{moment, present};

/// The state of a node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// The federation that it belongs to.
    pub federation: String,
    /// The agency that it speaks for.
    pub agency: String,
    /// The version of the daemon.
    pub version: String,
    /// The newest charter that it has.
    pub charter_version: u64,
    /// When the daemon was started.
    pub started_at: Option<Timestamp>,
    /// The ledger's epoch.
    pub epoch: u32,
    /// The ledger's leaves.
    pub ledger_size: u64,
    /// The ledger's root hash, base64.
    pub ledger_root: Option<String>,
    /// Complaints that it knows.
    pub complaints: u64,
    /// Complaints that it holds.
    pub held: u64,
    /// Open offers that wait for its answer.
    pub offered_to_us: u64,
    /// Open offers to anybody whose answer_by has passed.
    pub offers_overdue: u64,
    /// Peers in its configuration.
    pub peers: u32,
    /// Peers that it is linked with now.
    pub peers_linked: u32,
    /// Entries that peers have not acknowledged yet, over all links.
    pub outbox: u64,
    /// Entries that wait for something before they can be judged.
    pub deferred: u64,
    /// Entries of peers that it refused.
    pub refused_by_us: u64,
    /// Entries that peers refused.
    pub refused_by_peers: u64,
    /// Texts of its own that no peer has acknowledged.
    pub content_only_here: u64,
    /// Bytes that its data takes on the disk.
    pub disk_bytes: u64,
    /// Submissions that wait for the writer.
    pub writer_queue: u64,
    /// What needs somebody to act: what happened and what to do.
    pub alarms: Vec<String>,
}

impl From<wire::NodeStatus> for NodeStatus {
    fn from(status: wire::NodeStatus) -> Self {
        Self {
            federation: status.federation,
            agency: status.agency,
            version: status.version,
            charter_version: status.charter_version,
            started_at: moment(status.started_at),
            epoch: status.epoch,
            ledger_size: status.ledger_size,
            ledger_root: present(status.ledger_root),
            complaints: status.complaints,
            held: status.held,
            offered_to_us: status.offered_to_us,
            offers_overdue: status.offers_overdue,
            peers: status.peers,
            peers_linked: status.peers_linked,
            outbox: status.outbox,
            deferred: status.deferred,
            refused_by_us: status.refused_by_us,
            refused_by_peers: status.refused_by_peers,
            content_only_here: status.content_only_here,
            disk_bytes: status.disk_bytes,
            writer_queue: status.writer_queue,
            alarms: status.alarms,
        }
    }
}
