//! The document of a checked complaint, for `complaint verify`.

use serde::Serialize;
use sinergi_proto::operator_api;

use super::{complaint_id, present};

/// A checked complaint.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The complete id.
    pub complaint: String,
    /// Whether all checks have passed.
    pub sound: bool,
    /// The problem of the complaint as a whole.
    pub problem: Option<String>,
    /// The entries, parents before their children.
    pub entries: Vec<VerifiedEntry>,
}

document! {
    /// A checked entry.
    VerifiedEntry from operator_api::VerifiedEntry as entry {
        /// The complete id.
        entry_id: String,
        /// Its leaf in this node's ledger.
        leaf_index: u64,
        /// The author.
        author: String,
        /// The body: `Lodged`, `Forwarded`, …
        body: String,
        /// The id of the key that signed it.
        key_id: u32,
        /// The version of the charter that it was judged by.
        charter_version: u64,
        /// `effective`, `superseded`, `without_effect` or `kept`.
        standing: String,
        /// The failed checks; empty if all have passed.
        problems: Vec<String>,
    }
}

impl From<operator_api::VerifyComplaintReply> for Verified {
    fn from(reply: operator_api::VerifyComplaintReply) -> Self {
        let entries: Vec<VerifiedEntry> = reply.entries.into_iter().map(Into::into).collect();
        let problem = present(reply.problem);
        let sound = problem.is_none() && entries.iter().all(|entry| entry.problems.is_empty());
        Self { complaint: complaint_id(&reply.complaint), sound, problem, entries }
    }
}
