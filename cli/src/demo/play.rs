//! Plays the stories: lodges the rows, then lets each agency act when its own node shows that it is the agency's turn.
//!
//! Invariant: every acknowledged entry is recorded, so that it can be looked for at the end.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use sinergi_proto::base::ids::{ComplaintId, EntryId};
use sinergi_proto::citizen::{ReplyCode, Word};
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::{
    Accept, ActRequest, Close, ComplaintDetail, ComplaintSummary, Forward, LodgeReply, Progress, Recall, Reply,
    Resolve, Respond, Return, Verify,
};
use sinergi_proto::wire::{
    CloseCause, ForwardReason, Handling, Outcome, Priority, ProgressState, ReplyWord, ReturnReason, Text,
};

use super::desk::{Desk, Desks};
use super::scenario::{Deed, Step, Story, outcome, story};
use super::wait;
use crate::citizen;
use crate::failure::Failure;
use crate::import::{self, Done, Row};
use crate::view::{complaint_id, short_id};

/// The number of rows that are lodged, and of stories that are played, at the same time.
const AT_A_TIME: usize = 32;
/// The timeout of an agency that waits for its turn.
const TURN: Duration = Duration::from_secs(90);

/// A lodged complaint with its story.
#[derive(Clone, Debug)]
pub struct Case {
    /// The complete id.
    pub complaint: String,
    /// The id's bytes.
    pub id: Vec<u8>,
    /// Its story.
    pub story: Story,
    /// The ids of the acknowledged entries, except that of the lodging.
    pub acknowledged: Vec<Vec<u8>>,
    code: Option<ReplyCode>,
    outcome: Option<String>,
}

/// Lodges all rows, each at its story's intake agency.
///
/// # Errors
/// A node refuses a row, or does not answer.
pub async fn lodge(rows: Vec<Row>, desks: &Desks, bar: &ProgressBar) -> Result<Vec<Case>, Failure> {
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        stories.insert(row.external_id().to_owned(), story(number, row));
    }
    let apis: BTreeMap<String, _> = stories
        .iter()
        .map(|(id, story)| Ok((id.clone(), desks.desk(story.intake)?.api())))
        .collect::<Result<_, Failure>>()?;
    let send = move |request: sinergi_proto::operator_api::LodgeRequest| {
        let api = request.external.as_ref().and_then(|external| apis.get(&external.id)).cloned();
        async move {
            let mut api = api.ok_or_else(|| tonic::Status::internal("a row without a story"))?;
            api.lodge(request).await.map(tonic::Response::into_inner)
        }
    };
    let mut cases = Vec::new();
    let rows = rows.into_iter().map(|row| Ok(row.with_reply_code()));
    let lodged = import::lodge_all(rows, AT_A_TIME, send, |done| {
        bar.inc(1);
        match done {
            Done::Lodged { row, reply } => {
                let story = stories.remove(row.external_id());
                cases.push(case(&row, reply, story.ok_or_else(|| io::Error::other("a row was lodged twice"))?));
                Ok(())
            }
            Done::Existed { row } => Err(io::Error::other(format!("{} was lodged before", row.external_id()))),
            Done::Rejected(rejected) => Err(io::Error::other(rejected.reason())),
        }
    });
    lodged.await.map_err(|error| Failure::failed("a complaint was not lodged").because(error))?;
    Ok(cases)
}

fn case(row: &Row, reply: LodgeReply, story: Story) -> Case {
    Case {
        complaint: complaint_id(&reply.complaint),
        id: reply.complaint,
        story,
        acknowledged: Vec::new(),
        code: row.code.clone(),
        outcome: outcome(row).map(str::to_owned),
    }
}

/// Plays all stories to their ends.
///
/// # Errors
/// An agency's turn does not come, or its node refuses its act.
pub async fn play(cases: Vec<Case>, desks: &Desks, bar: &ProgressBar) -> Result<Vec<Case>, Failure> {
    stream::iter(cases).map(|case| play_one(case, desks, bar)).buffer_unordered(AT_A_TIME).try_collect().await
}

async fn play_one(mut case: Case, desks: &Desks, bar: &ProgressBar) -> Result<Case, Failure> {
    for step in case.story.steps.clone() {
        let desk = desks.desk(step.by)?;
        let seen = turn(&case, step, desk).await?;
        let request = ActRequest {
            complaint: case.complaint.clone(),
            text: text(&case, step.deed).map(|body| Text { body, ..Default::default() }),
            class: 0,
            act: Some(act(&case, step, &seen)?),
        };
        case.acknowledged.push(desk.act(request).await?.entry_id);
        bar.inc(1);
    }
    Ok(case)
}

/// Waits until the agency's own node shows that it may act.
async fn turn(case: &Case, step: Step, desk: &Desk) -> Result<ComplaintDetail, Failure> {
    let mut last = None;
    let seen = wait::until(TURN, async || {
        let detail = desk.show(&case.complaint).await?;
        last = detail.as_ref().and_then(|detail| detail.summary.clone());
        Ok::<_, Failure>(detail.filter(|detail| detail.summary.as_ref().is_some_and(|shown| is_turn(step, shown))))
    });
    if let Some(detail) = seen.await? {
        return Ok(detail);
    }
    let shown = match last {
        None => "has not got it at all".to_owned(),
        Some(shown) => format!(
            "shows: phase {}, held by {}, {}",
            shown.phase,
            shown.holder,
            if shown.offered_to.is_empty() {
                "not offered".to_owned()
            } else {
                format!("offered to {}", shown.offered_to)
            }
        ),
    };
    Err(Failure::failed(format!(
        "complaint {}: the turn of {} to {:?} did not come within {} s; its node {shown}",
        short_id(&case.complaint),
        step.by,
        step.deed,
        TURN.as_secs()
    )))
}

/// Whether a complaint in this state waits for this step.
fn is_turn(step: Step, shown: &ComplaintSummary) -> bool {
    let holds = shown.holder == step.by;
    let ended = matches!(shown.phase.as_str(), "resolved" | "closed");
    match step.deed {
        Deed::Accept | Deed::Return(_) => shown.offered_to == step.by,
        Deed::Recall => holds && !shown.offered_to.is_empty(),
        Deed::Forward(_) | Deed::ForwardAsSuggested | Deed::Verify => holds && shown.offered_to.is_empty(),
        Deed::Progress | Deed::Respond | Deed::Resolve => holds && shown.offered_to.is_empty() && !ended,
        Deed::Reply(_) | Deed::Close => shown.phase == "resolved",
    }
}

fn act(case: &Case, step: Step, seen: &ComplaintDetail) -> Result<Act, Failure> {
    let forward = |to: &str, reason: ForwardReason| {
        Act::Forward(Forward { to: to.to_owned(), reason: reason.into(), answer_by: 0 })
    };
    Ok(match step.deed {
        Deed::Forward(to) => forward(to, ForwardReason::Competence),
        Deed::ForwardAsSuggested => {
            let suggested = seen.timeline.iter().rev().find(|row| row.body == "Returned" && !row.suggestion.is_empty());
            let returned = suggested.ok_or_else(|| {
                Failure::failed(format!("complaint {}: the return names no agency", short_id(&case.complaint)))
            })?;
            forward(&returned.suggestion, ForwardReason::Suggested)
        }
        Deed::Accept => Act::Accept(Accept {}),
        Deed::Return(suggestion) => {
            Act::Return(Return { reason: ReturnReason::NotCompetent.into(), suggestion: suggestion.to_owned() })
        }
        Deed::Recall => Act::Recall(Recall {}),
        Deed::Verify => Act::Verify(Verify {
            category: String::new(),
            priority: Priority::Normal.into(),
            handling: Handling::WithoutSupervision.into(),
        }),
        Deed::Progress => Act::Progress(Progress { state: ProgressState::Started.into() }),
        Deed::Respond => Act::Respond(Respond {}),
        Deed::Resolve => Act::Resolve(Resolve { outcome: Outcome::Answered.into() }),
        Deed::Reply(says) => Act::Reply(reply(case, says, seen)?),
        Deed::Close => Act::Close(Close { cause: CloseCause::Reply.into() }),
    })
}

/// The citizen's word on the newest answer, signed with the key of the citizen's reply code.
fn reply(case: &Case, says: ReplyWord, seen: &ComplaintDetail) -> Result<Reply, Failure> {
    let parts = ComplaintId::from_slice(&case.id).zip(case.code.as_ref());
    let (complaint, code) = parts.ok_or_else(|| Failure::failed("a complaint was lodged without a reply code"))?;
    let (answer, number) = (EntryId::from_slice(&seen.answer_to_reply), seen.word_number.saturating_add(1));
    Ok(citizen::carried(&Word { says, answer, score: 0, number }.sign(complaint, &code.key())))
}

/// The text that goes with an act.
fn text(case: &Case, deed: Deed) -> Option<String> {
    let said = match deed {
        Deed::Forward(to) => format!("This is a matter of {to}."),
        Deed::ForwardAsSuggested => "Passed on as suggested.".to_owned(),
        Deed::Return(suggestion) => format!("Not within our authority; {suggestion} is competent."),
        Deed::Recall => "We can answer it ourselves.".to_owned(),
        Deed::Respond => "Thank you. We are looking into it and will tell you what comes of it.".to_owned(),
        Deed::Resolve => case.outcome.clone().unwrap_or_else(|| "The matter has been dealt with.".to_owned()),
        Deed::Reply(ReplyWord::Dissatisfied) => "It is still the same.".to_owned(),
        Deed::Reply(_) => "Thank you.".to_owned(),
        Deed::Accept | Deed::Verify | Deed::Progress | Deed::Close => return None,
    };
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(holder: &str, offered_to: &str, phase: &str) -> ComplaintSummary {
        ComplaintSummary {
            holder: holder.to_owned(),
            offered_to: offered_to.to_owned(),
            phase: phase.to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn an_agency_acts_only_on_what_its_node_shows() {
        let step = |by, deed| Step { by, deed };
        let offered = shown("kota-bandung", "prov-jabar", "verified");
        assert!(is_turn(step("prov-jabar", Deed::Accept), &offered));
        assert!(!is_turn(step("kominfo", Deed::Accept), &offered));
        assert!(!is_turn(step("kota-bandung", Deed::Progress), &offered), "an offer is open");
        assert!(is_turn(step("kota-bandung", Deed::Recall), &offered));
        let resolved = shown("prov-jabar", "", "resolved");
        assert!(is_turn(step("kota-bandung", Deed::Close), &resolved));
        assert!(!is_turn(step("prov-jabar", Deed::Respond), &resolved), "not before it is reopened");
        assert!(is_turn(step("prov-jabar", Deed::Respond), &shown("prov-jabar", "", "reopened")));
    }
}
