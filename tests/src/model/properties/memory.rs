//! Memory: nothing disappears, and what was accepted or answered stays visible as that.

use std::collections::{BTreeSet, HashSet};

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Complaint, Phase, Standing};
use sinergi_proto::entry::{Body, CaseAct};
use stateright::Property;

use super::every_view;
use crate::model::HandOver;

/// What one view still shows.
pub(super) struct Judgement {
    complete: bool,
    honest_counts: bool,
    answered: bool,
}

pub(super) fn judge(complaint: &Complaint, entries: &BTreeSet<EntryId>, lies: &HashSet<EntryId>) -> Judgement {
    let timeline: Vec<EntryId> = complaint.timeline().map(|(id, _)| id).collect();
    let counts = |id: &EntryId| {
        lies.contains(id)
            || match complaint.standing(id) {
                Some(Standing::Effective) => true,
                // Only custody is ever superseded: an answer stays an answer.
                Some(Standing::Superseded { .. }) => complaint.is_custody(id),
                _ => false,
            }
    };
    Judgement {
        complete: timeline.len() == entries.len() && timeline.iter().all(|id| entries.contains(id)),
        honest_counts: entries.iter().all(counts),
        answered: shows_its_answers(complaint, lies),
    }
}

pub(super) fn properties() -> Vec<Property<HandOver>> {
    vec![
        Property::always("every entry that a node has taken is in its timeline", |model, state| {
            every_view(model, state, |view| view.judgement.memory.complete)
        }),
        Property::always("what was accepted or answered stays effective or is shown as superseded", |model, state| {
            every_view(model, state, |view| view.judgement.memory.honest_counts)
        }),
        Property::always("a complaint that was answered shows it", |model, state| {
            every_view(model, state, |view| view.judgement.memory.answered)
        }),
    ]
}

/// Nothing in the model reopens a case: the last answer but those after the end of the work is its phase.
fn shows_its_answers(complaint: &Complaint, lies: &HashSet<EntryId>) -> bool {
    let says = |wanted: fn(&CaseAct) -> bool| {
        let mut honest = complaint.timeline().filter(|(id, _)| !lies.contains(id));
        honest.any(|(_, known)| matches!(&known.body, Body::Case { act, .. } if wanted(act)))
    };
    let (resolved, responded) =
        (says(|act| matches!(act, CaseAct::Resolved { .. })), says(|act| *act == CaseAct::Responded));
    let expected = match (resolved, responded) {
        (true, _) => Phase::Resolved,
        (false, true) => Phase::Responded,
        (false, false) => Phase::Received,
    };
    complaint.case().phase == expected
}
