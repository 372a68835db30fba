//! Complaints for tests of pages, as a node gives them.

use sinergi_proto::operator_api;
use sinergi_proto::wire;

use crate::view::ComplaintDetail;

/// 2026-03-01 12:00 UTC.
const NOON: u64 = 1_772_366_400_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

fn id(number: u8) -> Vec<u8> {
    vec![number; 32]
}

/// Entry `number`, written this many minutes after noon by an author who knew all earlier entries, with the basis `basis` (0: none).
pub(super) fn row(number: u8, minute: u64, author: &str, body: &str, basis: u8) -> operator_api::TimelineRow {
    operator_api::TimelineRow {
        entry_id: id(number),
        leaf_index: u64::from(number),
        at: NOON + minute * MINUTE,
        received_at: NOON + minute * MINUTE + 1_000,
        author: author.to_owned(),
        body: body.to_owned(),
        standing: "effective".to_owned(),
        basis: if basis == 0 { Vec::new() } else { id(basis) },
        parents: if number > 1 { vec![id(number - 1)] } else { Vec::new() },
        ..Default::default()
    }
}

fn offer(mut row: operator_api::TimelineRow, to: &str) -> operator_api::TimelineRow {
    row.to = to.to_owned();
    row.code = "competence".to_owned();
    row.answer_by = row.at + 3 * DAY;
    row
}

fn coded(mut row: operator_api::TimelineRow, code: &str) -> operator_api::TimelineRow {
    row.code = code.to_owned();
    row
}

fn without(mut row: operator_api::TimelineRow, standing: &str, reason: &str) -> operator_api::TimelineRow {
    row.standing = standing.to_owned();
    row.standing_reason = reason.to_owned();
    row
}

fn text(title: &str, body: &str) -> operator_api::TimelineContent {
    operator_api::TimelineContent {
        class: wire::ContentClass::Public.into(),
        length: 100,
        availability: "here".to_owned(),
        text: Some(wire::Text { title: title.to_owned(), body: body.to_owned(), ..Default::default() }),
        why: String::new(),
    }
}

fn absent(class: wire::ContentClass, availability: &str, why: &str) -> operator_api::TimelineContent {
    operator_api::TimelineContent {
        class: class.into(),
        length: 412,
        availability: availability.to_owned(),
        text: None,
        why: why.to_owned(),
    }
}

fn held(holder: &str, minutes: (u64, u64), entry: u8) -> operator_api::CustodySpan {
    let until = if minutes.1 == 0 { 0 } else { NOON + minutes.1 * MINUTE };
    operator_api::CustodySpan { holder: holder.to_owned(), from: NOON + minutes.0 * MINUTE, until, entry_id: id(entry) }
}

fn detail(
    holder: &str,
    phase: &str,
    rows: Vec<operator_api::TimelineRow>,
    custody: Vec<operator_api::CustodySpan>,
) -> ComplaintDetail {
    let changed_at = rows.last().map(|row| row.at).unwrap_or_default();
    operator_api::ComplaintDetail {
        summary: Some(operator_api::ComplaintSummary {
            complaint: vec![0x5a; 32],
            lodged_at: NOON,
            kind: wire::ComplaintKind::Complaint.into(),
            class: wire::ContentClass::Public.into(),
            category: "road".to_owned(),
            intake: "kota-bandung".to_owned(),
            holder: holder.to_owned(),
            phase: phase.to_owned(),
            changed_at,
            entries: rows.len() as u64,
            title: "Jalan rusak".to_owned(),
            ..Default::default()
        }),
        timeline: rows,
        custody,
        participants: vec!["kota-bandung".to_owned(), "prov-jabar".to_owned()],
        ..Default::default()
    }
    .into()
}

/// A complaint that was offered, returned too late, and answered.
pub(super) fn handed_over() -> ComplaintDetail {
    let mut lodged = coded(row(1, 0, "kemenpanrb", "Lodged", 0), "complaint");
    let mut content = text(
        "HEAP Assistance",
        "The Department for the Aging determined that this issue is not within its jurisdiction. It has been \
         referred to the Human Resources Administration.\nStatus at the source: Closed",
    );
    if let Some(text) = &mut content.text {
        text.location = "RIDGEWOOD, 11385".to_owned();
        text.occurred_at = "2011-03-01T12:13:46-05:00".to_owned();
    }
    lodged.content.push(content);
    let forwarded = offer(row(2, 5, "kemenpanrb", "Forwarded", 1), "kemendagri");
    let answer_by = forwarded.answer_by;
    let returned = coded(row(3, 9, "kemendagri", "Returned", 2), "not_competent");
    let mut returned = without(returned, "without_effect", "the time to answer ended at 2026-03-01T12:08:00Z");
    returned.received_from = "ksp".to_owned();
    returned.suggestion = "prov-jabar".to_owned();
    returned.content.push(text("", "Not our authority."));
    let mut responded = row(4, 30, "kemenpanrb", "Responded", 2);
    let why = "observers and relays get entries; contents go to participants";
    responded.content.push(absent(wire::ContentClass::Confidential, "withheld", why));
    let rows = vec![lodged, forwarded, returned, responded];
    let mut detail = detail("kemenpanrb", "responded", rows, vec![held("kemenpanrb", (0, 0), 1)]);
    let complaint = &mut detail.complaint;
    complaint.title = Some("HEAP Assistance".to_owned());
    complaint.category = "heap-assistance".to_owned();
    complaint.intake = "kemenpanrb".to_owned();
    complaint.offered_to = Some("kemendagri".to_owned());
    complaint.answer_by = crate::view::moment(answer_by);
    complaint.external_source = Some("nyc311".to_owned());
    complaint.external_id = Some("19937945".to_owned());
    detail.participants = vec!["kemenpanrb".to_owned(), "kemendagri".to_owned()];
    detail.observers = vec!["ombudsman".to_owned()];
    detail.offers = 1;
    detail
}

/// A complaint that was offered and accepted, with a progress entry.
pub(super) fn accepted() -> ComplaintDetail {
    let rows = vec![
        coded(row(1, 0, "kota-bandung", "Lodged", 0), "complaint"),
        offer(row(2, 5, "kota-bandung", "Forwarded", 1), "prov-jabar"),
        row(3, 185, "prov-jabar", "Accepted", 2),
        coded(row(4, 200, "prov-jabar", "Progressed", 3), "started"),
    ];
    detail("prov-jabar", "in_progress", rows, vec![held("kota-bandung", (0, 185), 1), held("prov-jabar", (185, 0), 3)])
}

/// A complaint that was returned with a suggestion, and accepted by the suggested agency.
pub(super) fn returned_and_accepted() -> ComplaintDetail {
    let mut returned = coded(row(3, 65, "prov-jabar", "Returned", 2), "not_competent");
    returned.suggestion = "kemendagri".to_owned();
    let rows = vec![
        coded(row(1, 0, "kota-bandung", "Lodged", 0), "complaint"),
        offer(row(2, 5, "kota-bandung", "Forwarded", 1), "prov-jabar"),
        returned,
        offer(row(4, 70, "kota-bandung", "Forwarded", 3), "kemendagri"),
        row(5, 90, "kemendagri", "Accepted", 4),
    ];
    detail("kemendagri", "received", rows, vec![held("kota-bandung", (0, 90), 1), held("kemendagri", (90, 0), 5)])
}

/// A complaint whose offer was withdrawn while the addressee accepted it; the addressee continued to work.
pub(super) fn forked() -> ComplaintDetail {
    let mut accepted = row(4, 7, "prov-jabar", "Accepted", 2);
    accepted.parents = vec![id(2)];
    accepted.received_from = "kemendagri".to_owned();
    let winner = "0303030303030303030303030303030303030303030303030303030303030303";
    let accepted = without(accepted, "superseded", &format!("Withdrawn of kota-bandung stands instead ({winner})"));
    let mut onward = offer(row(5, 8, "kota-bandung", "Forwarded", 3), "kemendagri");
    onward.parents = vec![id(3)];
    let mut worked = coded(row(6, 9, "prov-jabar", "Progressed", 4), "started");
    worked.parents = vec![id(4)];
    let rows = vec![
        coded(row(1, 0, "kota-bandung", "Lodged", 0), "complaint"),
        offer(row(2, 5, "kota-bandung", "Forwarded", 1), "prov-jabar"),
        row(3, 6, "kota-bandung", "Withdrawn", 2),
        accepted,
        onward,
        worked,
    ];
    detail("kota-bandung", "in_progress", rows, vec![held("kota-bandung", (0, 0), 1)])
}

/// A complaint with two concurrent entries, and a later one that knows both.
pub(super) fn concurrent() -> ComplaintDetail {
    let mut remarked = row(3, 6, "prov-jabar", "Remarked", 1);
    remarked.parents = vec![id(1)];
    let mut responded = row(4, 7, "kota-bandung", "Responded", 1);
    responded.parents = vec![id(2)];
    let mut resolved = coded(row(5, 30, "kota-bandung", "Resolved", 1), "fixed");
    resolved.parents = vec![id(3), id(4)];
    let rows = vec![
        coded(row(1, 0, "kota-bandung", "Lodged", 0), "complaint"),
        coded(row(2, 5, "kota-bandung", "Progressed", 1), "started"),
        remarked,
        responded,
        resolved,
    ];
    detail("kota-bandung", "resolved", rows, vec![held("kota-bandung", (0, 0), 1)])
}

/// A complaint that was archived on two signatures, and whose text was erased on two more.
pub(super) fn archived_and_erased() -> ComplaintDetail {
    let mut lodged = coded(row(1, 0, "kota-bandung", "Lodged", 0), "complaint");
    lodged.content.push(absent(wire::ContentClass::Public, "erased", "it was erased on two signatures"));
    let mut approved = row(3, 90, "prov-jabar", "ArchiveApproved", 1);
    approved.proposal = id(2);
    let mut erased = coded(row(5, 200, "prov-jabar", "Erased", 1), "subject_request");
    erased.proposal = id(4);
    let rows = vec![
        lodged,
        coded(row(2, 60, "kota-bandung", "ArchiveProposed", 1), "out_of_scope"),
        approved,
        coded(row(4, 120, "kota-bandung", "EraseProposed", 1), "subject_request"),
        erased,
    ];
    let mut detail = detail("kota-bandung", "archived", rows, vec![held("kota-bandung", (0, 0), 1)]);
    detail.complaint.title = None;
    detail
}
