//! A node as `status` gives it.

use jiff::Timestamp;
use sinergi_proto::operator_api;

document! {
    /// The state of a node.
    NodeStatus from operator_api::NodeStatus as status {
        /// The federation that it belongs to.
        federation: String,
        /// The agency that it speaks for.
        agency: String,
        /// The version of the daemon.
        version: String,
        /// The newest charter that it has.
        charter_version: u64,
        /// When the daemon was started.
        started_at: Option<Timestamp>,
        /// The ledger's epoch.
        epoch: u32,
        /// The ledger's leaves.
        ledger_size: u64,
        /// The ledger's root hash, base64.
        ledger_root: Option<String>,
        /// Complaints that it knows.
        complaints: u64,
        /// Complaints that it holds.
        held: u64,
        /// Open offers that wait for its answer.
        offered_to_us: u64,
        /// Open offers to anybody whose answer_by has passed.
        offers_overdue: u64,
        /// Peers in its configuration.
        peers: u32,
        /// Peers that it is linked with now.
        peers_linked: u32,
        /// Entries that peers have not acknowledged yet, over all links.
        outbox: u64,
        /// Entries that wait for something before they can be judged.
        deferred: u64,
        /// Entries of peers that it refused.
        refused_by_us: u64,
        /// Entries that peers refused.
        refused_by_peers: u64,
        /// Texts of its own that no peer has acknowledged.
        content_only_here: u64,
        /// Bytes that its data takes on the disk.
        disk_bytes: u64,
        /// Submissions that wait for the writer.
        writer_queue: u64,
        /// What needs somebody to act: what happened and what to do.
        alarms: Vec<String>,
    }
}
