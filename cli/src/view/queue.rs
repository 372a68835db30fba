//! What waits for peers (`outbox`) and what was refused (`refused`).

use jiff::Timestamp;
use sinergi_proto::operator_api;

use super::{complaint_id, present};

document! {
    /// An entry that a peer has not acknowledged yet.
    Outgoing from operator_api::OutboxItem as item {
        /// Its name in this listing: peer and leaf, `kemendagri/1042`.
        number: String = format!("{}/{}", item.peer, item.leaf_index),
        /// The peer.
        peer: String,
        /// Its place in this node's ledger.
        leaf_index: u64,
        /// Its whole id.
        entry_id: String,
        /// The complaint that it is of.
        complaint: Option<String> = present(complaint_id(&item.complaint)),
        /// What it is: `Lodged`, `Forwarded`, …
        body: String,
        /// The agency that signed it.
        author: String,
        /// Its author's clock.
        at: Option<Timestamp>,
        /// Its size with its texts.
        bytes: u32,
        /// `queued` or `in_flight`.
        state: String,
    }
}

document! {
    /// An entry that was refused or has to wait.
    Refused from operator_api::RefusedItem as item {
        /// Its name in this listing.
        number: String,
        /// The peer at the other end.
        peer: String,
        /// `by_us` or `by_peer`.
        direction: String,
        /// Its whole id.
        entry_id: String,
        /// The refusal code.
        code: u32,
        /// The code's name.
        code_name: String,
        /// Why, in words.
        reason: String,
        /// When.
        at: Option<Timestamp>,
        /// The complaint that it is of, if that could be read.
        complaint: Option<String> = present(complaint_id(&item.complaint)),
        /// The agency that it names as its author, if that could be read.
        author: Option<String>,
        /// What it is, if that could be read.
        body: Option<String>,
    }
}

document! {
    /// What became of an item that was judged again.
    Retried from operator_api::RetriedItem as item {
        /// Its name in the listing of refusals.
        number: String,
        /// Its whole id.
        entry_id: String,
        /// `taken`, `waits` or `refused`.
        outcome: String,
        /// Why it waits or was refused; null: it was taken.
        code: Option<u32>,
        /// Why, in words.
        reason: Option<String>,
    }
}
