//! One complaint as `complaint verify` gives it.

use serde::Serialize;
use sinergi_proto::operator_api;

use super::{complaint_id, present};

/// A complaint that was checked anew.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Its whole id.
    pub complaint: String,
    /// Whether everything holds.
    pub sound: bool,
    /// What is wrong with it as a whole.
    pub problem: Option<String>,
    /// Its entries, parents before their children.
    pub entries: Vec<VerifiedEntry>,
}

document! {
    /// An entry that was checked anew.
    VerifiedEntry from operator_api::VerifiedEntry as entry {
        /// Its whole id.
        entry_id: String,
        /// Its place in this node's ledger.
        leaf_index: u64,
        /// The agency that signed it.
        author: String,
        /// What it is: `Lodged`, `Forwarded`, …
        body: String,
        /// The key that it was signed with.
        key_id: u32,
        /// The charter that it was judged by.
        charter_version: u64,
        /// `effective`, `superseded`, `without_effect` or `kept`.
        standing: String,
        /// What does not hold; empty: everything does.
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
