//! What the commands that change something answer.

use serde::Serialize;
use sinergi_proto::wire;

use super::{complaint_id, hexadecimal, present};

/// The answer to `complaint lodge`.
#[derive(Clone, Debug, Serialize)]
pub struct Lodged {
    /// The complaint's whole id.
    pub complaint: String,
    /// The external reference was lodged before; nothing was added.
    pub existed: bool,
    /// The citizen's reply code, shown this once; null if the complaint existed.
    pub reply_code: Option<String>,
    /// Why it was lodged but not forwarded, although that was asked for.
    pub forward_declined: Option<String>,
}

impl From<wire::LodgeReply> for Lodged {
    fn from(reply: wire::LodgeReply) -> Self {
        Self {
            complaint: complaint_id(&reply.complaint),
            existed: reply.existed,
            reply_code: present(reply.reply_code),
            forward_declined: present(reply.forward_declined),
        }
    }
}

/// The answer to every command that acts on a complaint.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    /// The complaint's whole id.
    pub complaint: String,
    /// The whole id of the entry that was written.
    pub entry_id: String,
    /// Its place in this node's ledger.
    pub leaf_index: u64,
}

impl From<wire::ActReply> for Act {
    fn from(reply: wire::ActReply) -> Self {
        Self {
            complaint: complaint_id(&reply.complaint),
            entry_id: hexadecimal(&reply.entry_id),
            leaf_index: reply.leaf_index,
        }
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
