//! The documents of a complaint, for `complaint list` and `complaint show`.

use jiff::Timestamp;
use sinergi_proto::citizen::PublicKeyText;
use sinergi_proto::operator_api;

use super::{TimelineEntry, complaint_id, key_origin, present, word};

document! {
    /// One complaint.
    Complaint from operator_api::ComplaintSummary as summary {
        /// The complete id.
        id: String = complaint_id(&summary.complaint),
        /// The time of the lodging.
        lodged_at: Option<Timestamp>,
        /// `complaint`, `aspiration` or `information_request`.
        kind: String = word(summary.kind().as_str_name(), "COMPLAINT_KIND_"),
        /// The category code.
        category: String,
        /// The area code.
        area: Option<String>,
        /// The class of its text: `public`, `confidential` or `identity`.
        class: String = word(summary.class().as_str_name(), "CONTENT_CLASS_"),
        /// The intake agency.
        intake: String,
        /// The holder: the agency that is accountable now.
        holder: String,
        /// The agency that custody is offered to.
        offered_to: Option<String>,
        /// The deadline for that agency's answer.
        answer_by: Option<Timestamp>,
        /// `received`, `verified`, `in_progress`, `responded`, `resolved`, `reopened`, `closed` or `archived`.
        phase: String,
        /// The number of entries that this node has of it.
        entries: u64,
        /// The clock of the newest entry.
        changed_at: Option<Timestamp>,
        /// Whether the intake agency closed it on its own word.
        self_closed: bool,
        /// The title; null if the text is not at this node.
        title: Option<String>,
        /// SHA-256 over the sorted ids of its entries: equal on nodes that have the same entries.
        digest: String,
        /// The other system that the record came from.
        external_source: Option<String> = summary.external.clone().and_then(|external| present(external.source)),
        /// The record's id in that system.
        external_id: Option<String> = summary.external.clone().and_then(|external| present(external.id)),
    }
}

document! {
    /// A complaint with everything that this node knows about it.
    ComplaintDetail from operator_api::ComplaintDetail as detail {
        /// The complaint.
        complaint: Complaint = detail.summary.clone().unwrap_or_default().into(),
        /// The participants: agencies that get its entries and texts.
        participants: Vec<String>,
        /// The observers: agencies that get only its entries.
        observers: Vec<String>,
        /// The entries, oldest first.
        timeline: Vec<TimelineEntry>,
        /// The holders, oldest first. The last one holds it now.
        custody: Vec<CustodySpan>,
        /// The number of offers on the custody path.
        offers: u32,
        /// Whether it was offered so often that the supervisors are alarmed.
        goes_back_and_forth: bool,
        /// The supervisors of the holder.
        supervisors: Vec<String>,
        /// The number of times that it was reopened.
        reopened: u32,
        /// The agency that resolved it last.
        resolved_by: Option<String>,
        /// The complaint that it is handled together with.
        duplicate_of: Option<String> = present(complaint_id(&detail.duplicate_of)),
        /// Proposals that wait for a second signature.
        proposals: Vec<Proposal>,
        /// The agencies that a text was disclosed to.
        disclosed_to: Vec<String>,
        /// The escalated deadlines: `answer`, `verification`, `follow_up` or `handling`.
        escalated: Vec<String>,
        /// The key under which the citizen signs words; null if there is none.
        citizen_key: Option<String> = citizen_key(&detail.citizen_key),
        /// The origin of that key: `device` or `drawn`; null if there is none.
        citizen_key_origin: Option<String> = key_origin(detail.key_origin),
        /// The highest number of a word of the citizen that has effect; 0 if there is none.
        word_number: u64,
        /// The entry that the citizen's next word is about; null if there is no answer.
        answer_to_reply: Option<String>,
    }
}

fn citizen_key(bytes: &[u8]) -> Option<String> {
    bytes.try_into().ok().map(|public| PublicKeyText(public).to_string())
}

document! {
    /// A period in which one agency held a complaint.
    CustodySpan from operator_api::CustodySpan as span {
        /// The agency.
        holder: String,
        /// The clock of the entry that gave it custody.
        from: Option<Timestamp>,
        /// The end of the period; null if the agency holds it now.
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
        /// The agencies that can approve it. One of them is enough.
        second: Vec<String>,
    }
}
