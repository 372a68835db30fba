//! A complaint as `complaint list` and `complaint show` give it.

use jiff::Timestamp;
use sinergi_proto::operator_api;

use super::{TimelineEntry, complaint_id, present, word};

document! {
    /// One complaint.
    Complaint from operator_api::ComplaintSummary as summary {
        /// Its whole id.
        id: String = complaint_id(&summary.complaint),
        /// When it was lodged.
        lodged_at: Option<Timestamp>,
        /// `complaint`, `aspiration` or `information_request`.
        kind: String = word(summary.kind().as_str_name(), "COMPLAINT_KIND_"),
        /// Its category code.
        category: String,
        /// Its area code.
        area: Option<String>,
        /// Of its text: `public`, `confidential` or `identity`.
        class: String = word(summary.class().as_str_name(), "CONTENT_CLASS_"),
        /// The agency where it was lodged.
        intake: String,
        /// The agency accountable now.
        holder: String,
        /// The agency that custody is offered to.
        offered_to: Option<String>,
        /// Until when that agency can answer.
        answer_by: Option<Timestamp>,
        /// `received`, `verified`, `in_progress`, `responded`, `resolved`, `reopened`, `closed` or `archived`.
        phase: String,
        /// How many entries this node has of it.
        entries: u64,
        /// The clock of the newest of them.
        changed_at: Option<Timestamp>,
        /// The citizen's word was given without the citizen's reply code.
        self_closed: bool,
        /// Null if the text is not at this node.
        title: Option<String>,
        /// SHA-256 over the sorted ids of its entries: equal on nodes that hold the same set.
        digest: String,
        /// The system that the record came from.
        external_source: Option<String> = summary.external.clone().and_then(|external| present(external.source)),
        /// Its id there.
        external_id: Option<String> = summary.external.clone().and_then(|external| present(external.id)),
    }
}

document! {
    /// A complaint with everything that this node knows of it.
    ComplaintDetail from operator_api::ComplaintDetail as detail {
        /// The complaint.
        complaint: Complaint = detail.summary.clone().unwrap_or_default().into(),
        /// Agencies that get its entries and texts.
        participants: Vec<String>,
        /// Agencies that get its entries only.
        observers: Vec<String>,
        /// Its entries, oldest first.
        timeline: Vec<TimelineEntry>,
        /// The accountable agencies, oldest first; the last one is accountable now.
        custody: Vec<CustodySpan>,
        /// How often custody was offered on the way to where it is.
        offers: u32,
        /// It was offered so often that the supervisors are alarmed.
        goes_back_and_forth: bool,
        /// The supervisors of the holder.
        supervisors: Vec<String>,
        /// How often it was reopened.
        reopened: u32,
        /// The agency that ended the work last.
        resolved_by: Option<String>,
        /// The complaint that it is handled with.
        duplicate_of: Option<String> = present(complaint_id(&detail.duplicate_of)),
        /// Proposals that wait for a second signature.
        proposals: Vec<Proposal>,
        /// Agencies that a text was disclosed to.
        disclosed_to: Vec<String>,
        /// Deadlines that were escalated: `answer`, `verification`, `follow_up` or `handling`.
        escalated: Vec<String>,
    }
}

document! {
    /// A time during which one agency was accountable.
    CustodySpan from operator_api::CustodySpan as span {
        /// The agency.
        holder: String,
        /// The clock of the entry that gave it custody.
        from: Option<Timestamp>,
        /// Null: it holds it.
        until: Option<Timestamp>,
        /// The entry that gave it custody.
        entry_id: String,
    }
}

document! {
    /// A proposal that waits for a second signature.
    Proposal from operator_api::Proposal as proposal {
        /// The entry that proposes it.
        entry_id: String,
        /// `archive` or `erase`.
        kind: String,
        /// The reason or ground.
        code: String,
        /// The agency that proposed it.
        author: String,
        /// The agencies any of which may approve it.
        second: Vec<String>,
    }
}
