//! The documents of unacknowledged entries (`outbox`), and of refused and deferred ones (`refused`).

use jiff::Timestamp;
use sinergi_proto::operator_api;

use super::{complaint_id, present};

document! {
    /// An entry that a peer has not acknowledged yet.
    Outgoing from operator_api::OutboxItem as item {
        /// Its number in this listing: peer and leaf, as in `kemendagri/1042`.
        number: String = format!("{}/{}", item.peer, item.leaf_index),
        /// The peer.
        peer: String,
        /// Its leaf in this node's ledger.
        leaf_index: u64,
        /// The complete id.
        entry_id: String,
        /// The complaint.
        complaint: Option<String> = present(complaint_id(&item.complaint)),
        /// The entry's body: `Lodged`, `Forwarded`, …
        body: String,
        /// The author.
        author: String,
        /// The author's clock.
        at: Option<Timestamp>,
        /// The size with its texts, in bytes.
        bytes: u32,
        /// `queued` or `in_flight`.
        state: String,
    }
}

document! {
    /// A refused or deferred entry.
    Refused from operator_api::RefusedItem as item {
        /// Its number in this listing.
        number: String,
        /// The peer at the other end.
        peer: String,
        /// `by_us` or `by_peer`.
        direction: String,
        /// The complete id.
        entry_id: String,
        /// The refusal or deferral code.
        code: u32,
        /// The code's name.
        code_name: String,
        /// The reason, in words.
        reason: String,
        /// The time of the refusal or deferral.
        at: Option<Timestamp>,
        /// The complaint, if the entry could be read.
        complaint: Option<String> = present(complaint_id(&item.complaint)),
        /// The agency that the entry names as its author, if it could be read.
        author: Option<String>,
        /// The entry's body, if it could be read.
        body: Option<String>,
    }
}

document! {
    /// The outcome of judging an entry again.
    Retried from operator_api::RetriedItem as item {
        /// Its number in the listing of refusals.
        number: String,
        /// The complete id.
        entry_id: String,
        /// `taken`, `waits` or `refused`.
        outcome: String,
        /// The deferral or refusal code; null if the entry was taken.
        code: Option<u32>,
        /// The reason, in words.
        reason: Option<String>,
    }
}
