//! The answers of commands that change something.

use serde::Serialize;
use sinergi_proto::citizen::ReplyCode;
use sinergi_proto::operator_api;

use super::complaint_id;

/// The answer to `complaint lodge`.
#[derive(Clone, Debug, Serialize)]
pub struct Lodged {
    /// The complaint's complete id.
    pub complaint: String,
    /// Whether the external record was lodged before. Nothing was added then.
    pub existed: bool,
    /// The citizen's reply code, which is shown only once; null if the complaint existed, or the citizen has an own key.
    pub reply_code: Option<String>,
}

impl Lodged {
    /// The node's answer, with the reply code that was drawn.
    pub fn new(reply: &operator_api::LodgeReply, code: Option<&ReplyCode>) -> Self {
        let reply_code = code.filter(|_| !reply.existed).map(ToString::to_string);
        Self { complaint: complaint_id(&reply.complaint), existed: reply.existed, reply_code }
    }
}

/// The answer to `citizen key`.
#[derive(Clone, Debug, Serialize)]
pub struct CitizenKey {
    /// The reply code: the citizen's secret.
    pub reply_code: String,
    /// The public key that the complaint commits to.
    pub citizen_key: String,
}

/// The answer to `citizen sign`.
#[derive(Clone, Debug, Serialize)]
pub struct CitizenWord {
    /// The complaint's complete id.
    pub complaint: String,
    /// The number of the word.
    pub number: u64,
    /// The signed word, for `complaint reply --signed`.
    pub word: String,
}

document! {
    /// The answer to every command that acts on a complaint.
    Act from operator_api::ActReply as reply {
        /// The complaint's complete id.
        complaint: String = complaint_id(&reply.complaint),
        /// The complete id of the new entry.
        entry_id: String,
        /// The leaf of that entry in this node's ledger.
        leaf_index: u64,
        /// The addressee of the offer that is open after the act; null if none is.
        offered_to: Option<String>,
    }
}

/// The answer to a proposal to archive or erase.
#[derive(Clone, Debug, Serialize)]
pub struct Proposed {
    /// The complaint's complete id.
    pub complaint: String,
    /// The complete id of the proposal's entry.
    pub entry_id: String,
    /// The leaf of that entry in this node's ledger.
    pub leaf_index: u64,
    /// The agencies that can approve it. One of them is enough.
    pub second: Vec<String>,
}

/// The answer to `complaint import`.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// The number of complaints that were lodged.
    pub lodged: u64,
    /// The number of rows whose external record was lodged before.
    pub already_there: u64,
    /// The number of rejected rows.
    pub rejected: u64,
    /// The file with the rejected rows; null if there are none.
    pub rejected_file: Option<String>,
    /// The file with the reply codes; null if none was requested.
    pub receipts_file: Option<String>,
}
