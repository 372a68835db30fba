//! A complaint as `complaint list` and `complaint show` give it.

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::wire;

use super::{TimelineEntry, complaint_id, hexadecimal, moment, present, word};

/// One complaint.
#[derive(Clone, Debug, Serialize)]
pub struct Complaint {
    /// Its whole id.
    pub id: String,
    /// When it was lodged.
    pub lodged_at: Option<Timestamp>,
    /// `complaint`, `aspiration` or `information_request`.
    pub kind: String,
    /// Its category code.
    pub category: String,
    /// Its area code.
    pub area: Option<String>,
    /// Of its text: `public`, `confidential` or `identity`.
    pub class: String,
    /// The agency where it was lodged.
    pub intake: String,
    /// The agency accountable now.
    pub holder: String,
    /// The agency that custody is offered to.
    pub offered_to: Option<String>,
    /// Until when that agency can answer.
    pub answer_by: Option<Timestamp>,
    /// `received`, `verified`, `in_progress`, `responded`, `resolved`, `reopened`, `closed` or `archived`.
    pub phase: String,
    /// How many entries this node has of it.
    pub entries: u64,
    /// The clock of the newest of them.
    pub changed_at: Option<Timestamp>,
    /// The citizen's word was given without the citizen's reply code.
    pub self_closed: bool,
    /// Null if the text is not at this node.
    pub title: Option<String>,
    /// SHA-256 over the sorted ids of its entries: equal on nodes that hold the same set.
    pub digest: String,
    /// The system that the record came from.
    pub external_source: Option<String>,
    /// Its id there.
    pub external_id: Option<String>,
}

impl From<wire::ComplaintSummary> for Complaint {
    fn from(summary: wire::ComplaintSummary) -> Self {
        let (source, id) = summary.external.clone().map(|external| (external.source, external.id)).unzip();
        Self {
            id: complaint_id(&summary.complaint),
            lodged_at: moment(summary.lodged_at),
            kind: word(summary.kind().as_str_name(), "COMPLAINT_KIND_"),
            class: word(summary.class().as_str_name(), "CONTENT_CLASS_"),
            category: summary.category,
            area: present(summary.area),
            intake: summary.intake,
            holder: summary.holder,
            offered_to: present(summary.offered_to),
            answer_by: moment(summary.answer_by),
            phase: summary.phase,
            entries: summary.entries,
            changed_at: moment(summary.changed_at),
            self_closed: summary.self_closed,
            title: present(summary.title),
            digest: hexadecimal(&summary.digest),
            external_source: source.and_then(present),
            external_id: id.and_then(present),
        }
    }
}

/// A complaint with everything that this node knows of it.
#[derive(Clone, Debug, Serialize)]
pub struct ComplaintDetail {
    /// The complaint.
    pub complaint: Complaint,
    /// Agencies that get its entries and texts.
    pub participants: Vec<String>,
    /// Agencies that get its entries only.
    pub observers: Vec<String>,
    /// Its entries, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// Who was accountable, in order; the last one is.
    pub custody: Vec<CustodySpan>,
    /// How often custody was offered on the way to where it is.
    pub offers: u32,
    /// It was offered so often that the supervisors are alarmed.
    pub goes_back_and_forth: bool,
    /// The supervisors of the holder.
    pub supervisors: Vec<String>,
    /// How often it was reopened.
    pub reopened: u32,
    /// The agency that ended the work last.
    pub resolved_by: Option<String>,
    /// The complaint that it is handled with.
    pub duplicate_of: Option<String>,
    /// What waits for a second signature.
    pub proposals: Vec<Proposal>,
    /// Agencies that a text was disclosed to.
    pub disclosed_to: Vec<String>,
    /// Deadlines that were escalated: `answer`, `verification`, `follow_up` or `handling`.
    pub escalated: Vec<String>,
}

impl From<wire::ComplaintDetail> for ComplaintDetail {
    fn from(detail: wire::ComplaintDetail) -> Self {
        Self {
            complaint: detail.summary.unwrap_or_default().into(),
            participants: detail.participants,
            observers: detail.observers,
            timeline: detail.timeline.into_iter().map(Into::into).collect(),
            custody: detail.custody.into_iter().map(Into::into).collect(),
            offers: detail.offers,
            goes_back_and_forth: detail.goes_back_and_forth,
            supervisors: detail.supervisors,
            reopened: detail.reopened,
            resolved_by: present(detail.resolved_by),
            duplicate_of: present(complaint_id(&detail.duplicate_of)),
            proposals: detail.proposals.into_iter().map(Into::into).collect(),
            disclosed_to: detail.disclosed_to,
            escalated: detail.escalated,
        }
    }
}

/// A time during which one agency was accountable.
#[derive(Clone, Debug, Serialize)]
pub struct CustodySpan {
    /// The agency.
    pub holder: String,
    /// The clock of the entry that gave it custody.
    pub from: Option<Timestamp>,
    /// Null: it holds it.
    pub until: Option<Timestamp>,
    /// The entry that gave it custody.
    pub entry_id: String,
}

impl From<wire::CustodySpan> for CustodySpan {
    fn from(span: wire::CustodySpan) -> Self {
        Self {
            holder: span.holder,
            from: moment(span.from),
            until: moment(span.until),
            entry_id: hexadecimal(&span.entry_id),
        }
    }
}

/// What waits for a second signature.
#[derive(Clone, Debug, Serialize)]
pub struct Proposal {
    /// The entry that proposes it.
    pub entry_id: String,
    /// `archive` or `erase`.
    pub kind: String,
    /// The reason or ground.
    pub code: String,
    /// The agency that proposed it.
    pub author: String,
    /// The agencies any of which may approve it.
    pub second: Vec<String>,
}

impl From<wire::Proposal> for Proposal {
    fn from(proposal: wire::Proposal) -> Self {
        Self {
            entry_id: hexadecimal(&proposal.entry_id),
            kind: proposal.kind,
            code: proposal.code,
            author: proposal.author,
            second: proposal.second,
        }
    }
}
