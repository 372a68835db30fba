//! Tests that documents do not change: all documents, made from full and from empty messages, are compared with `golden/documents.txt`.
//!
//! Fields may be added to that file with `SINERGI_WRITE_GOLDEN=1 cargo test -p sinergi-cli documents`.

use std::path::Path;

use serde::Serialize;
use sinergi_proto::citizen::ReplyCode;
use sinergi_proto::operator_api;
use sinergi_proto::wire;

use super::{
    Act, Audited, Complaint, ComplaintDetail, Finding, Lodged, NodeStatus, Outgoing, Peer, Refused, Retried,
    TimelineEntry, VerificationFinding, Verified, complaint_id, moment, short_id,
};

/// 2026-03-01T12:00:00Z.
const AT: u64 = 1_772_366_400_000;

/// The document of a message with every field, and that of an empty one, as they are printed.
fn both<W: Default, V: From<W> + Serialize>(name: &str, full: W) -> String {
    page(&format!("{name}, full"), &V::from(full)) + &page(&format!("{name}, empty"), &V::from(W::default()))
}

fn page(name: &str, document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("a document is JSON");
    format!("# {name}\n{text}\n")
}

fn text(word: &str) -> String {
    format!("a {word}")
}

fn summary() -> operator_api::ComplaintSummary {
    operator_api::ComplaintSummary {
        complaint: vec![0x5a; 32],
        lodged_at: AT,
        kind: wire::ComplaintKind::InformationRequest.into(),
        category: text("category"),
        area: text("area"),
        class: wire::ContentClass::Confidential.into(),
        intake: text("intake"),
        holder: text("holder"),
        offered_to: text("addressee"),
        answer_by: AT + 1,
        phase: text("phase"),
        entries: 2,
        changed_at: AT + 2,
        self_closed: true,
        title: text("title"),
        digest: vec![0x5b; 32],
        external: Some(operator_api::ExternalReference { source: text("source"), id: text("record") }),
    }
}

fn row() -> operator_api::TimelineRow {
    let said = wire::Text {
        title: text("title"),
        body: text("body"),
        location: text("location"),
        reporter: text("reporter"),
        occurred_at: text("time"),
    };
    let content = operator_api::TimelineContent {
        class: wire::ContentClass::Identity.into(),
        length: 3,
        availability: text("availability"),
        text: Some(said),
        why: text("cause"),
    };
    operator_api::TimelineRow {
        entry_id: vec![0x5c; 32],
        leaf_index: 4,
        at: AT + 3,
        received_at: AT + 4,
        author: text("author"),
        received_from: text("peer"),
        body: text("body"),
        standing: text("standing"),
        standing_reason: text("reason"),
        to: text("addressee"),
        answer_by: AT + 5,
        code: text("code"),
        suggestion: text("suggestion"),
        basis: vec![0x5d; 32],
        content: vec![content, operator_api::TimelineContent::default()],
        proposal: vec![0x5e; 32],
        proven: vec![0x5f; 32],
        witness: "ombudsman".to_owned(),
        answer: vec![0x6e; 32],
        score: 6,
        word_number: 7,
        parents: vec![vec![0x5f; 32], vec![0x60; 32]],
    }
}

fn detail() -> operator_api::ComplaintDetail {
    let span = operator_api::CustodySpan { holder: text("holder"), from: AT, until: AT + 1, entry_id: vec![0x61; 32] };
    let proposal = operator_api::Proposal {
        entry_id: vec![0x62; 32],
        kind: text("kind"),
        code: text("code"),
        author: text("author"),
        second: vec![text("second")],
    };
    operator_api::ComplaintDetail {
        summary: Some(summary()),
        timeline: vec![row()],
        participants: vec![text("participant")],
        observers: vec![text("observer")],
        custody: vec![span, operator_api::CustodySpan::default()],
        offers: 5,
        goes_back_and_forth: true,
        supervisors: vec![text("supervisor")],
        reopened: 6,
        resolved_by: text("resolver"),
        duplicate_of: vec![0x63; 32],
        proposals: vec![proposal, operator_api::Proposal::default()],
        disclosed_to: vec![text("reader")],
        escalated: vec![text("deadline")],
        citizen_key: vec![0x6f; 32],
        key_origin: wire::KeyOrigin::Drawn.into(),
        word_number: 7,
        answer_to_reply: vec![0x70; 32],
    }
}

fn status() -> operator_api::NodeStatus {
    operator_api::NodeStatus {
        federation: text("federation"),
        agency: text("agency"),
        version: text("version"),
        charter_version: 1,
        started_at: AT,
        epoch: 2,
        ledger_size: 3,
        ledger_root: text("root"),
        complaints: 4,
        held: 5,
        offered_to_us: 6,
        offers_overdue: 7,
        peers: 8,
        peers_linked: 9,
        outbox: 10,
        deferred: 11,
        refused_by_us: 12,
        refused_by_peers: 13,
        content_only_here: 14,
        disk_bytes: 15,
        alarms: vec![operator_api::Alarm {
            topic: text("topic"),
            severity: text("severity"),
            since: AT + 1,
            text: text("alarm"),
        }],
        writer_queue: 16,
        clock_confirmed: true,
        alarms_dropped: 17,
    }
}

fn peer() -> operator_api::PeerStatus {
    let cursor = |index| Some(wire::Cursor { epoch: 1, index, part: 2 });
    operator_api::PeerStatus {
        agency: text("agency"),
        state: text("state"),
        direction: text("direction"),
        endpoint: text("endpoint"),
        linked_since: AT,
        last_success: AT + 1,
        first_failure: AT + 2,
        last_error: text("failure"),
        next_retry: AT + 3,
        queue_depth: 3,
        oldest_queued: AT + 4,
        sent: cursor(4),
        acknowledged: cursor(5),
        received: cursor(6),
        certificate_expires: AT + 5,
        protocol: 7,
        charter_version: 8,
        sent_entries: 9,
        received_entries: 10,
        clock_offset: -11,
        refused: 12,
        peer_size: 13,
        peer_epoch: 14,
        reset_at: AT + 6,
        reset_reason: text("reason"),
    }
}

fn outgoing() -> operator_api::OutboxItem {
    operator_api::OutboxItem {
        peer: text("peer"),
        leaf_index: 1,
        entry_id: vec![0x64; 32],
        complaint: vec![0x65; 32],
        body: text("body"),
        author: text("author"),
        at: AT,
        bytes: 2,
        state: text("state"),
    }
}

fn refused() -> operator_api::RefusedItem {
    operator_api::RefusedItem {
        number: text("number"),
        peer: text("peer"),
        direction: text("direction"),
        entry_id: vec![0x66; 32],
        code: 3,
        code_name: text("name"),
        reason: text("reason"),
        at: AT,
        complaint: vec![0x67; 32],
        author: text("author"),
        body: text("body"),
    }
}

fn finding() -> operator_api::AuditFinding {
    operator_api::AuditFinding {
        finding: text("finding"),
        accused: text("accused"),
        proven: true,
        complaint: text("complaint"),
        text: text("text"),
        evidence: text("evidence"),
        made_at: AT,
        accuser: text("accuser"),
    }
}

fn verified() -> operator_api::VerifyComplaintReply {
    let entry = operator_api::VerifiedEntry {
        entry_id: vec![0x68; 32],
        leaf_index: 1,
        author: text("author"),
        body: text("body"),
        key_id: 2,
        charter_version: 3,
        standing: text("standing"),
        problems: vec![text("problem")],
    };
    let entries = vec![entry, operator_api::VerifiedEntry::default()];
    operator_api::VerifyComplaintReply { complaint: vec![0x69; 32], entries, problem: text("problem") }
}

fn documents() -> String {
    let lodged = |existed| operator_api::LodgeReply { complaint: vec![0x6a; 32], existed };
    let code = ReplyCode::from([7; 16]);
    let act = operator_api::ActReply {
        complaint: vec![0x6b; 32],
        entry_id: vec![0x6c; 32],
        leaf_index: 1,
        offered_to: text("offered_to"),
    };
    let retried = operator_api::RetriedItem {
        number: text("number"),
        entry_id: vec![0x6d; 32],
        outcome: text("outcome"),
        code: 2,
        reason: text("reason"),
    };
    let damage =
        operator_api::VerifyFinding { file: text("file"), offset: 3, problem: text("problem"), advice: text("advice") };
    let audited = |name, result| page(name, &Audited::new(text("agency"), result));
    let result = operator_api::AuditResult {
        problem: text("problem"),
        size: 4,
        checked: 5,
        checked_before: 20,
        of_earlier_epochs: 6,
        lost: 7,
        lost_entries: vec![operator_api::LostEntry { entry: text("entry"), complaint: text("complaint") }],
        findings: vec![finding()],
        unfinished: text("unfinished"),
    };
    [
        page("lodged, full", &Lodged::new(&lodged(false), Some(&code))),
        page("lodged, empty", &Lodged::new(&lodged(true), Some(&code))),
        both::<_, Act>("act", act),
        both::<_, Complaint>("complaint", summary()),
        both::<_, ComplaintDetail>("complaint_detail", detail()),
        both::<_, TimelineEntry>("timeline_entry", row()),
        both::<_, Verified>("verified", verified()),
        both::<_, NodeStatus>("status", status()),
        both::<_, Peer>("peer", peer()),
        both::<_, Outgoing>("outgoing", outgoing()),
        both::<_, Refused>("refused", refused()),
        both::<_, Retried>("retried", retried),
        both::<_, Finding>("finding", finding()),
        audited("audited, full", result),
        audited("audited, empty", operator_api::AuditResult::default()),
        both::<_, VerificationFinding>("verification_finding", damage),
    ]
    .concat()
}

#[test]
fn documents_have_the_fields_of_the_golden_file() {
    let now = documents();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/documents.txt");
    if std::env::var_os("SINERGI_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &now).expect("the golden folder is writable");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("a golden file"), now);
}

#[test]
fn a_time_of_0_on_the_wire_is_null() {
    assert_eq!(moment(0), None);
    assert_eq!(moment(1_772_366_400_123).map(|time| time.to_string()), Some("2026-03-01T12:00:00.123Z".to_owned()));
    assert_eq!(moment(u64::MAX), None);
}

#[test]
fn a_short_id_is_the_end_of_the_complete_one() {
    let id = complaint_id(&[0x5a; 32]);
    assert_eq!(id.len(), 52);
    assert!(id.ends_with(short_id(&id)) && short_id(&id).len() == 10);
    assert_eq!(complaint_id(&[1, 2]), "0102");
}
