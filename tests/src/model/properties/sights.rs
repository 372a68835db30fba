//! Sights: what must be met somewhere, so that the space that was checked is one in which things go wrong.

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Complaint, KnownEntry, NoEffect, Standing};
use sinergi_proto::entry::{Body, CaseAct, CustodyAct};
use sinergi_proto::wire::ReturnReason;
use stateright::Property;

use crate::model::network::State;
use crate::model::{Bounds, HandOver};

/// What can be seen in one view.
pub(super) struct Sights {
    superseded: bool,
    two_acceptances: bool,
    reassigned: bool,
    recall_crosses: bool,
    recall_answered: bool,
    late_answer: bool,
    answer_survives: bool,
    lie: bool,
}

pub(super) fn see(complaint: &Complaint) -> Sights {
    let custody = |act: &'static dyn Fn(&CustodyAct) -> bool| {
        let all = complaint.timeline().filter(|(_, known)| known.custody().is_some());
        all.filter(|(_, known)| matches!(&known.body, Body::Custody { act: done, .. } if act(done)))
    };
    let is_superseded = |id: &EntryId| matches!(complaint.standing(id), Some(Standing::Superseded { .. }));
    let accepted = || custody(&|act| *act == CustodyAct::Accepted);
    let on_path = |act: &'static dyn Fn(&CustodyAct) -> bool| custody(act).any(|(id, _)| !is_superseded(&id));
    let crosses = |(recall, recalled): (EntryId, &KnownEntry)| {
        accepted().any(|(accept, known)| {
            known.body.basis() == recalled.body.basis()
                && !complaint.ancestors(&known.parents).contains(&recall)
                && !complaint.ancestors(&recalled.parents).contains(&accept)
        })
    };
    let case = |wanted: CaseAct| {
        complaint.timeline().filter(move |(_, known)| matches!(&known.body, Body::Case { act, .. } if *act == wanted))
    };
    let recalled: i32 = ReturnReason::Recalled.into();
    Sights {
        superseded: complaint.timeline().any(|(id, _)| is_superseded(&id)),
        two_acceptances: accepted().any(|(id, _)| is_superseded(&id)) && accepted().any(|(id, _)| !is_superseded(&id)),
        reassigned: on_path(&|act| matches!(act, CustodyAct::Reassigned { .. })),
        recall_crosses: case(CaseAct::Recalled).any(crosses),
        recall_answered: custody(&|act| matches!(act, CustodyAct::Returned { .. }))
            .any(|(_, known)| matches!(&known.body, Body::Custody { act: CustodyAct::Returned { reason, .. }, .. } if *reason == recalled)),
        late_answer: custody(&|act| *act == CustodyAct::Withdrawn).any(|(id, _)| is_superseded(&id)),
        answer_survives: case(CaseAct::Responded).any(|(id, known)| {
            known.body.basis().is_some_and(|basis| is_superseded(&basis))
                && complaint.standing(&id) == Some(Standing::Effective)
        }),
        lie: complaint
            .timeline()
            .any(|(id, _)| complaint.standing(&id) == Some(Standing::WithoutEffect(NoEffect::BasisActedOn))),
    }
}

/// The sights of a space with these bounds: each takes so many entries, `Lodged` among them.
pub(super) fn properties(bounds: Bounds) -> Vec<Property<HandOver>> {
    let mut sights = vec![
        (3, sight("an entry is superseded", |model, state| seen(model, state, |sights| sights.superseded))),
        (3, sight("the supervisor reassigns", |model, state| seen(model, state, |sights| sights.reassigned))),
        (
            3,
            sight("a recalled offer is returned by itself", |model, state| {
                seen(model, state, |sights| sights.recall_answered)
            }),
        ),
        (4, sight("a recall crosses an acceptance", |model, state| seen(model, state, |sights| sights.recall_crosses))),
        (
            4,
            sight("an answer in time comes after the offer was withdrawn", |model, state| {
                seen(model, state, |sights| sights.late_answer)
            }),
        ),
        (5, sight("two acceptances fork", |model, state| seen(model, state, |sights| sights.two_acceptances))),
        (
            5,
            sight("an answer to the citizen outlives its superseded custody", |model, state| {
                seen(model, state, |sights| sights.answer_survives)
            }),
        ),
        (
            3,
            sight("an entry waits for its parents", |_, state| state.nodes.iter().any(|node| !node.waiting.is_empty())),
        ),
        (
            3,
            sight("the network is quiet when all entries are written", |model, state| {
                state.written >= model.bounds.entries && state.is_quiet()
            }),
        ),
    ];
    if bounds.lost > 0 {
        sights.push((1, sight("a message is lost", |_, state| !state.lost.is_empty())));
    }
    if bounds.repeated > 0 {
        sights.push((1, sight("a message comes twice", |_, state| !state.repeated.is_empty())));
    }
    if bounds.lies > 0 {
        sights.push((4, sight("a lie has no effect", |model, state| seen(model, state, |sights| sights.lie))));
    }
    sights.into_iter().filter(|(entries, _)| *entries <= bounds.entries).map(|(_, sight)| sight).collect()
}

fn sight(name: &'static str, is_seen: fn(&HandOver, &State) -> bool) -> Property<HandOver> {
    Property::sometimes(name, is_seen)
}

fn seen(model: &HandOver, state: &State, sight: impl Fn(&Sights) -> bool) -> bool {
    let book = model.book();
    state.views(&book).any(|(_, view)| sight(&book.view(view).judgement.sights))
}
