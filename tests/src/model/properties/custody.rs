//! Custody: one holder who took it, one offer, and acts by the agency that is entitled to them.

use sinergi_proto::base::ids::EntryId;
use stateright::Property;

use super::every_view;
use crate::model::HandOver;
use crate::model::network::State;

pub(super) fn properties() -> Vec<Property<HandOver>> {
    vec![
        Property::always("the fold's own invariants hold", |model, state| {
            every_view(model, state, |view| view.judgement.custody.invariants)
        }),
        Property::always("nobody holds without an own Lodged or Accepted", |model, state| {
            every_view(model, state, |view| view.judgement.custody.own_entry)
        }),
        Property::always("at most one offer is open on the path", |model, state| {
            every_view(model, state, |view| view.judgement.custody.one_offer)
        }),
        Property::always("an offer on the path is answered by its addressee in time, or by nobody", |model, state| {
            every_view(model, state, |view| view.judgement.custody.in_time)
        }),
        Property::always("the supervisor beats the addressee's answer, and the answer the holder", |model, state| {
            every_view(model, state, |view| view.judgement.custody.best_rank)
        }),
        Property::always("nobody wins a fork against an entry that its author had seen", |model, state| {
            every_view(model, state, |view| view.judgement.custody.fair_fork)
        }),
        Property::always("while its addressee may answer an offer, nobody else may act on it", one_side_acts),
    ]
}

/// Whether at most one side may act on an offer at this moment: either its addressee may answer it, or other agencies may act on it,
/// whatever the clocks show within their bounds.
fn one_side_acts(model: &HandOver, state: &State) -> bool {
    let mut book = model.book();
    let views: Vec<_> = state.views(&book).collect();
    let mut sides: Vec<(EntryId, bool)> = Vec::new();
    for (agency, view) in views {
        let Some(offer) = book.view(view).complaint.custody().offer.as_ref().map(|offer| offer.entry) else { continue };
        for (act, _) in book.writable(view, agency, state.moment) {
            if act.is_answer() || act.overrides_offer() {
                sides.push((offer, act.is_answer()));
            }
        }
    }
    sides.iter().all(|(offer, answers)| !answers || !sides.contains(&(*offer, false)))
}
