//! The names of an entry's codes for operators and scripts: the names in the schema, in lower case.

use sinergi_proto::entry::{Body, CaseAct, CustodyAct};
use sinergi_proto::wire;

/// The reason, state, outcome or word of a body, in lower case.
pub(super) fn code_of(body: &Body) -> String {
    match body {
        Body::Custody { act: CustodyAct::Forwarded { reason, .. } | CustodyAct::Reassigned { reason, .. }, .. } => {
            name(*reason, "FORWARD_REASON_", |code: wire::ForwardReason| code.as_str_name())
        }
        Body::Custody { act: CustodyAct::Returned { reason, .. }, .. } => {
            name(*reason, "RETURN_REASON_", |code: wire::ReturnReason| code.as_str_name())
        }
        Body::Case { act, .. } => match act {
            CaseAct::Verified { category, .. } => category.clone(),
            CaseAct::Progressed { state } => {
                name(*state, "PROGRESS_STATE_", |code: wire::ProgressState| code.as_str_name())
            }
            CaseAct::Resolved { outcome } => name(*outcome, "OUTCOME_", |code: wire::Outcome| code.as_str_name()),
            CaseAct::Replied(reply) => reply.word.says.as_str_name().trim_start_matches("REPLY_WORD_").to_lowercase(),
            CaseAct::Closed { cause, .. } => name(*cause, "CLOSE_CAUSE_", |code: wire::CloseCause| code.as_str_name()),
            CaseAct::ArchiveProposed { reason } => archive_reason(*reason),
            CaseAct::EraseProposed { ground, .. } | CaseAct::Erased { ground, .. } => erase_ground(*ground),
            CaseAct::Escalated { deadline, .. } => deadline_name(*deadline),
            CaseAct::Linked { duplicate_of } => duplicate_of.to_string(),
            CaseAct::Recalled
            | CaseAct::Responded
            | CaseAct::ArchiveApproved { .. }
            | CaseAct::ArchiveRefused { .. }
            | CaseAct::Arrived
            | CaseAct::Remarked
            | CaseAct::Disclosed { .. } => String::new(),
        },
        Body::Lodged(lodged) => name(lodged.kind, "COMPLAINT_KIND_", |code: wire::ComplaintKind| code.as_str_name()),
        Body::Custody { .. } | Body::Proven(_) | Body::Node(_) | Body::Unknown => String::new(),
    }
}

/// An `ArchiveReason`.
pub(super) fn archive_reason(number: i32) -> String {
    name(number, "ARCHIVE_REASON_", |code: wire::ArchiveReason| code.as_str_name())
}

/// An `EraseGround`.
pub(super) fn erase_ground(number: i32) -> String {
    name(number, "ERASE_GROUND_", |code: wire::EraseGround| code.as_str_name())
}

/// A `Deadline`.
pub(super) fn deadline_name(number: i32) -> String {
    name(number, "DEADLINE_", |code: wire::Deadline| code.as_str_name())
}

fn name<T: TryFrom<i32>>(number: i32, prefix: &str, name: impl Fn(T) -> &'static str) -> String {
    match T::try_from(number) {
        Ok(known) => name(known).trim_start_matches(prefix).to_lowercase(),
        Err(_) => number.to_string(),
    }
}
