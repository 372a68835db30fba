//! The documents of audits and findings.

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::operator_api;
use sinergi_proto::transparency::evidence::{Opened, Statement};

use super::{moment, present};

/// The audit of one agency.
#[derive(Clone, Debug, Serialize)]
pub struct Audited {
    /// The agency.
    pub agency: String,
    /// The reason why it was not audited.
    pub problem: Option<String>,
    /// The number of leaves of the ledger that it showed.
    pub size: Option<u64>,
    /// The number of leaves that were compared or proved.
    pub checked: u64,
    /// The number of leaves before them that earlier audits compared.
    pub checked_before: u64,
    /// The number of entries that it acknowledged in earlier epochs only.
    pub of_earlier_epochs: u64,
    /// The number of those that its present ledger does not hold.
    pub lost: u64,
    /// The first of them.
    pub lost_entries: Vec<LostEntry>,
    /// The findings.
    pub findings: Vec<Finding>,
    /// The reason why not all questions were answered.
    pub unfinished: Option<String>,
}

document! {
    /// An entry that an agency acknowledged in an earlier epoch of its ledger, and no longer holds.
    LostEntry from operator_api::LostEntry as lost {
        /// The id of the entry.
        entry: String,
        /// The id of its complaint.
        complaint: String,
    }
}

document! {
    /// One finding.
    Finding from operator_api::AuditFinding as finding {
        /// `forked`, `rolled_back`, `omitted`, `concealed`, `back_dated`, `withheld`, `unsigned`, `undelivered`, `unanswered`, `misreported` or `unresponsive`.
        finding: String,
        /// The accused agency.
        accused: String,
        /// Whether the accused's own signatures prove it. If not, the accuser states it.
        proven: bool,
        /// The complaint; null if the finding is about the ledger.
        complaint: Option<String>,
        /// The finding in a sentence.
        text: String,
        /// The id of its evidence.
        evidence: Option<String>,
        /// The accuser; null for the node that was asked.
        accuser: Option<String>,
        /// The time at which the evidence was made.
        made_at: Option<Timestamp>,
    }
}

impl Audited {
    /// The result for an agency.
    pub fn new(agency: String, result: operator_api::AuditResult) -> Self {
        Self {
            agency,
            problem: present(result.problem),
            size: Some(result.size).filter(|size| *size > 0),
            checked: result.checked,
            checked_before: result.checked_before,
            of_earlier_epochs: result.of_earlier_epochs,
            lost: result.lost,
            lost_entries: result.lost_entries.into_iter().map(Into::into).collect(),
            findings: result.findings.into_iter().map(Into::into).collect(),
            unfinished: present(result.unfinished),
        }
    }
}

impl Finding {
    /// The findings of an evidence file.
    pub fn of_file(opened: Opened) -> Vec<Self> {
        let (accuser, made_at) = (opened.accuser.to_string(), moment(opened.made_at));
        let finding = |statement: Statement| Self {
            finding: statement.finding.name().to_owned(),
            accused: statement.accused.to_string(),
            proven: statement.finding.is_proven(),
            complaint: statement.complaint,
            text: statement.text,
            evidence: None,
            accuser: Some(accuser.clone()),
            made_at,
        };
        opened.statements.into_iter().map(finding).collect()
    }
}
