//! Sights: rare events that must occur somewhere in the space. A space in which nothing goes wrong would prove little.

use stateright::Property;

use crate::model::judgement::Sights;
use crate::model::network::State;
use crate::model::{Bounds, HandOver};

/// The sights of a space with these bounds. The number of a sight is the least number of entries, `Lodged` included, that it needs.
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
            sight("a former holder answers the citizen and moves nothing", |model, state| {
                seen(model, state, |sights| sights.answer_crossed)
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
