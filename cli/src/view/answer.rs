//! What the commands that change something answer.

use serde::Serialize;
use sinergi_proto::operator_api;

use super::complaint_id;

document! {
    /// The answer to `complaint lodge`.
    Lodged from operator_api::LodgeReply as reply {
        /// The complaint's whole id.
        complaint: String = complaint_id(&reply.complaint),
        /// The external reference was lodged before; nothing was added.
        existed: bool,
        /// The citizen's reply code, shown this once; null if the complaint existed.
        reply_code: Option<String>,
        /// Why it was lodged but not forwarded, although that was asked for.
        forward_declined: Option<String>,
    }
}

document! {
    /// The answer to every command that acts on a complaint.
    Act from operator_api::ActReply as reply {
        /// The complaint's whole id.
        complaint: String = complaint_id(&reply.complaint),
        /// The whole id of the entry that was written.
        entry_id: String,
        /// Its place in this node's ledger.
        leaf_index: u64,
    }
}

/// The answer to the commands that propose what needs a second signature.
#[derive(Clone, Debug, Serialize)]
pub struct Proposed {
    /// The complaint's whole id.
    pub complaint: String,
    /// The whole id of the entry that was written: the proposal.
    pub entry_id: String,
    /// Its place in this node's ledger.
    pub leaf_index: u64,
    /// The agencies any of which may approve it.
    pub second: Vec<String>,
}

/// The answer to `complaint import`.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// Complaints that were lodged.
    pub lodged: u64,
    /// Rows whose external reference had been lodged before.
    pub already_there: u64,
    /// Rows that were not lodged.
    pub rejected: u64,
    /// Where these rows are kept; null if there are none.
    pub rejected_file: Option<String>,
    /// Where the reply codes are kept; null if nobody asked for them.
    pub receipts_file: Option<String>,
}
