//! One complaint as `complaint verify` gives it.

use serde::Serialize;
use sinergi_proto::wire;

use super::{complaint_id, hexadecimal, present};

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

/// An entry that was checked anew.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedEntry {
    /// Its whole id.
    pub entry_id: String,
    /// Its place in this node's ledger.
    pub leaf_index: u64,
    /// The agency that signed it.
    pub author: String,
    /// What it is: `Lodged`, `Forwarded`, …
    pub body: String,
    /// The key that it was signed with.
    pub key_id: u32,
    /// The charter that it was judged by.
    pub charter_version: u64,
    /// `effective`, `superseded`, `without_effect` or `kept`.
    pub standing: String,
    /// What does not hold; empty: everything does.
    pub problems: Vec<String>,
}

impl From<wire::VerifyComplaintReply> for Verified {
    fn from(reply: wire::VerifyComplaintReply) -> Self {
        let entries: Vec<VerifiedEntry> = reply.entries.into_iter().map(Into::into).collect();
        let problem = present(reply.problem);
        let sound = problem.is_none() && entries.iter().all(|entry| entry.problems.is_empty());
        Self { complaint: complaint_id(&reply.complaint), sound, problem, entries }
    }
}

impl From<wire::VerifiedEntry> for VerifiedEntry {
    fn from(entry: wire::VerifiedEntry) -> Self {
        Self {
            entry_id: hexadecimal(&entry.entry_id),
            leaf_index: entry.leaf_index,
            author: entry.author,
            body: entry.body,
            key_id: entry.key_id,
            charter_version: entry.charter_version,
            standing: entry.standing,
            problems: entry.problems,
        }
    }
}
