//! Custody: one holder who took it, one offer, and who may act on it when.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Complaint, KnownEntry, Standing};
use sinergi_proto::entry::{Body, CustodyAct};
use stateright::Property;

use super::every_view;
use crate::model::HandOver;
use crate::model::network::State;

/// Custody in one view.
pub(super) struct Judgement {
    invariants: bool,
    own_entry: bool,
    one_offer: bool,
    in_time: bool,
    best_rank: bool,
    fair_fork: bool,
}

pub(super) fn judge(complaint: &Complaint) -> Judgement {
    let path: Vec<(EntryId, &KnownEntry)> = complaint.path().collect();
    Judgement {
        invariants: catch_unwind(AssertUnwindSafe(|| complaint.check_invariants())).is_ok(),
        own_entry: is_held_by_own_entry(complaint, &path),
        one_offer: has_at_most_one_offer(complaint, &path),
        in_time: path.windows(2).all(|pair| is_in_time(pair[0].1, pair[1].1)),
        best_rank: path.windows(2).all(|pair| has_best_rank(complaint, pair[0].0, pair[1].1)),
        fair_fork: complaint.timeline().all(|(id, _)| lost_to_who_did_not_know(complaint, id)),
    }
}

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
        Property::always(
            "the addressee's answer beats the supervisor, and the supervisor the holder",
            |model, state| every_view(model, state, |view| view.judgement.custody.best_rank),
        ),
        Property::always("nobody wins a fork against what he knew", |model, state| {
            every_view(model, state, |view| view.judgement.custody.fair_fork)
        }),
        Property::always("while its addressee may answer an offer, nobody else may act on it", one_side_acts),
    ]
}

fn act_of(known: &KnownEntry) -> Option<&CustodyAct> {
    match &known.body {
        Body::Custody { act, .. } => Some(act),
        _ => None,
    }
}

fn is_offer(known: &KnownEntry) -> bool {
    act_of(known).is_some_and(|act| act.offers_to().is_some())
}

fn is_answer(known: &KnownEntry) -> bool {
    matches!(act_of(known), Some(CustodyAct::Accepted | CustodyAct::Returned { .. }))
}

/// Whoever took custody last is the holder.
fn is_held_by_own_entry(complaint: &Complaint, path: &[(EntryId, &KnownEntry)]) -> bool {
    let takes =
        |known: &KnownEntry| matches!(known.body, Body::Lodged(_)) || act_of(known) == Some(&CustodyAct::Accepted);
    let last = path.iter().rev().find(|(_, known)| takes(known));
    last.is_some_and(|(_, known)| known.author == complaint.custody().holder)
}

/// Every offer but the last entry of the path was answered, withdrawn or replaced by the next; and what the state calls open is the tip.
fn has_at_most_one_offer(complaint: &Complaint, path: &[(EntryId, &KnownEntry)]) -> bool {
    let closed = path.windows(2).all(|pair| {
        let [(_, before), (_, after)] = pair else { return true };
        !is_offer(before) || !matches!(act_of(after), Some(CustodyAct::Forwarded { .. }))
    });
    let open = complaint.custody().offer.as_ref().map(|offer| offer.entry);
    let at_tip = path.last().filter(|(_, known)| is_offer(known)).map(|(id, _)| *id);
    closed && open == at_tip
}

fn is_in_time(offer: &KnownEntry, next: &KnownEntry) -> bool {
    if !is_answer(next) {
        return true;
    }
    match act_of(offer) {
        Some(CustodyAct::Forwarded { to, answer_by, .. } | CustodyAct::Reassigned { to, answer_by, .. }) => {
            next.author == *to && next.clock.millis() <= *answer_by
        }
        _ => false,
    }
}

/// Of all that act on one entry with effect, nobody has a better claim than the one that counts.
fn has_best_rank(complaint: &Complaint, basis: EntryId, winner: &KnownEntry) -> bool {
    let claim = |known: &KnownEntry| match act_of(known) {
        Some(CustodyAct::Accepted | CustodyAct::Returned { .. }) => 0,
        Some(CustodyAct::Reassigned { .. }) => 1,
        _ => 2,
    };
    let mut rivals = complaint.timeline().filter(|(_, known)| known.body.basis() == Some(basis));
    rivals.all(|(_, rival)| rival.custody().is_none() || claim(winner) <= claim(rival))
}

/// The author of the entry that superseded this one had not seen what it superseded: neither this one nor the one that it goes back to.
fn lost_to_who_did_not_know(complaint: &Complaint, id: EntryId) -> bool {
    let Some(Standing::Superseded { by }) = complaint.standing(&id) else { return true };
    let Some(winner) = complaint.entry(&by) else { return false };
    let known_to_winner = complaint.ancestors(&winner.parents);
    let mut at = id;
    while let Some(known) = complaint.entry(&at) {
        let Some(basis) = known.body.basis() else { return false };
        if Some(basis) == winner.body.basis() {
            return !known_to_winner.contains(&at);
        }
        at = basis;
    }
    false
}

/// At no moment, whatever the clocks show within their bounds, may two sides act on one offer.
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
