//! What waits for peers (`outbox`) and what was refused (`refused`).

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::wire;

use super::{complaint_id, hexadecimal, moment, present};

/// An entry that a peer has not acknowledged yet.
#[derive(Clone, Debug, Serialize)]
pub struct Outgoing {
    /// Its name in this listing: peer and leaf, `kemendagri/1042`.
    pub number: String,
    /// The peer.
    pub peer: String,
    /// Its place in this node's ledger.
    pub leaf_index: u64,
    /// Its whole id.
    pub entry_id: String,
    /// The complaint that it is of.
    pub complaint: Option<String>,
    /// What it is: `Lodged`, `Forwarded`, …
    pub body: String,
    /// The agency that signed it.
    pub author: String,
    /// Its author's clock.
    pub at: Option<Timestamp>,
    /// Its size with its texts.
    pub bytes: u32,
    /// `queued` or `in_flight`.
    pub state: String,
}

impl From<wire::OutboxItem> for Outgoing {
    fn from(item: wire::OutboxItem) -> Self {
        Self {
            number: format!("{}/{}", item.peer, item.leaf_index),
            peer: item.peer,
            leaf_index: item.leaf_index,
            entry_id: hexadecimal(&item.entry_id),
            complaint: present(complaint_id(&item.complaint)),
            body: item.body,
            author: item.author,
            at: moment(item.at),
            bytes: item.bytes,
            state: item.state,
        }
    }
}

/// An entry that was refused or has to wait.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// Its name in this listing.
    pub number: String,
    /// The peer at the other end.
    pub peer: String,
    /// `by_us` or `by_peer`.
    pub direction: String,
    /// Its whole id.
    pub entry_id: String,
    /// The refusal code.
    pub code: u32,
    /// The code's name.
    pub code_name: String,
    /// Why, in words.
    pub reason: String,
    /// When.
    pub at: Option<Timestamp>,
    /// The complaint that it is of, if that could be read.
    pub complaint: Option<String>,
    /// The agency that it names as its author, if that could be read.
    pub author: Option<String>,
    /// What it is, if that could be read.
    pub body: Option<String>,
}

impl From<wire::RefusedItem> for Refused {
    fn from(item: wire::RefusedItem) -> Self {
        Self {
            number: item.number,
            peer: item.peer,
            direction: item.direction,
            entry_id: hexadecimal(&item.entry_id),
            code: item.code,
            code_name: item.code_name,
            reason: item.reason,
            at: moment(item.at),
            complaint: present(complaint_id(&item.complaint)),
            author: present(item.author),
            body: present(item.body),
        }
    }
}

/// What became of an item that was judged again.
#[derive(Clone, Debug, Serialize)]
pub struct Retried {
    /// Its name in the listing of refusals.
    pub number: String,
    /// Its whole id.
    pub entry_id: String,
    /// `taken`, `waits` or `refused`.
    pub outcome: String,
    /// Why it waits or was refused; null: it was taken.
    pub code: Option<u32>,
    /// Why, in words.
    pub reason: Option<String>,
}

impl From<wire::RetriedItem> for Retried {
    fn from(item: wire::RetriedItem) -> Self {
        Self {
            number: item.number,
            entry_id: hexadecimal(&item.entry_id),
            outcome: item.outcome,
            code: (item.code != 0).then_some(item.code),
            reason: present(item.reason),
        }
    }
}
