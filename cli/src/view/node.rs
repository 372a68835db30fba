//! The document of a node, for `status`.

use jiff::Timestamp;
use sinergi_proto::operator_api;

document! {
    /// The state of a node.
    NodeStatus from operator_api::NodeStatus as status {
        /// The federation that it belongs to.
        federation: String,
        /// The agency of the node.
        agency: String,
        /// The version of the daemon.
        version: String,
        /// The version of its newest charter.
        charter_version: u64,
        /// The time at which the daemon was started.
        started_at: Option<Timestamp>,
        /// The ledger's epoch.
        epoch: u32,
        /// The number of the ledger's leaves.
        ledger_size: u64,
        /// The ledger's root hash in base64.
        ledger_root: Option<String>,
        /// The number of complaints that it knows.
        complaints: u64,
        /// The number of complaints that it holds.
        held: u64,
        /// The number of open offers that wait for its answer.
        offered_to_us: u64,
        /// The number of open offers to any agency whose deadline has passed.
        offers_overdue: u64,
        /// The number of peers in its configuration.
        peers: u32,
        /// The number of peers that it is linked with now.
        peers_linked: u32,
        /// The number of entries that peers have not acknowledged yet, over all links.
        outbox: u64,
        /// The number of deferred entries: those that lack a parent or a charter, or whose time has not come.
        deferred: u64,
        /// The number of entries of peers that it refused.
        refused_by_us: u64,
        /// The number of its entries that peers refused.
        refused_by_peers: u64,
        /// The number of its own texts that no peer has acknowledged.
        content_only_here: u64,
        /// The size of its data on the disk, in bytes.
        disk_bytes: u64,
        /// The number of submissions that wait for the writer.
        writer_queue: u64,
        /// Whether peers or the operator have confirmed its clock. Otherwise its checkpoints carry no time.
        clock_confirmed: bool,
        /// The alarms: the gravest first, then the oldest first.
        alarms: Vec<Alarm>,
        /// The number of alarms for which there was no room since the operator last confirmed all.
        alarms_dropped: u64,
    }
}

document! {
    /// A problem that an operator must act on.
    Alarm from operator_api::Alarm as alarm {
        /// Names the problem, for `sinergi confirm alarm`.
        topic: String,
        /// `critical`, `warning` or `notice`.
        severity: String,
        /// The time at which it was raised first; null if it is not known.
        since: Option<Timestamp>,
        /// The problem and the advice, in words.
        text: String,
    }
}
