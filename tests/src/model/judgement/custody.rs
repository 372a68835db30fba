//! Custody in one view: one holder who took it, one offer at most, and acts by the agency that was entitled to them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Complaint, KnownEntry, Standing};
use sinergi_proto::entry::{Body, CustodyAct};

/// The judgement of custody in one view. Each field is one property of `properties::custody`.
pub struct Judgement {
    /// The fold finds none of its own invariants broken.
    pub invariants: bool,
    /// The holder wrote the `Lodged` or `Accepted` entry that gave it custody.
    pub own_entry: bool,
    /// At most one offer is open, and it is the tip of the path.
    pub one_offer: bool,
    /// Every answer on the path comes from the addressee, no later than `answer_by`.
    pub in_time: bool,
    /// No rival of an entry on the path has a better rank.
    pub best_rank: bool,
    /// Every superseded entry lost to an author who had not seen it.
    pub fair_fork: bool,
}

/// Judges custody in one view.
pub(super) fn judge(complaint: &Complaint) -> Judgement {
    let path: Vec<(EntryId, &KnownEntry)> = complaint.path().collect();
    Judgement {
        invariants: catch_unwind(AssertUnwindSafe(|| complaint.check_invariants())).is_ok(),
        own_entry: is_held_by_own_entry(complaint, &path),
        one_offer: has_at_most_one_offer(complaint, &path),
        in_time: path.windows(2).all(|pair| is_in_time(pair[0].1, pair[1].1)),
        best_rank: path.windows(2).all(|pair| has_best_rank(complaint, pair[0].0, pair[1].1)),
        fair_fork: complaint.timeline().all(|(id, _)| lost_to_an_author_who_had_not_seen_it(complaint, id)),
    }
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

/// Whether the holder is the author of the last entry on the path that takes custody.
fn is_held_by_own_entry(complaint: &Complaint, path: &[(EntryId, &KnownEntry)]) -> bool {
    let takes =
        |known: &KnownEntry| matches!(known.body, Body::Lodged(_)) || act_of(known) == Some(&CustodyAct::Accepted);
    let last = path.iter().rev().find(|(_, known)| takes(known));
    last.is_some_and(|(_, known)| known.author == complaint.custody().holder)
}

/// Whether the next entry on the path answers, withdraws or replaces each offer before it, and the open offer of the state is the tip.
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

/// Whether no act on `basis` has a better rank than the one on the path, `winner`. Nobody shows a receipt in the model, so no act has a witness.
fn has_best_rank(complaint: &Complaint, basis: EntryId, winner: &KnownEntry) -> bool {
    let claim = |known: &KnownEntry| match act_of(known) {
        Some(CustodyAct::Reassigned { .. }) => 0,
        Some(CustodyAct::Accepted | CustodyAct::Returned { .. }) => 1,
        _ => 2,
    };
    let mut rivals = complaint.timeline().filter(|(_, known)| known.body.basis() == Some(basis));
    rivals.all(|(_, rival)| rival.custody().is_none() || claim(winner) <= claim(rival))
}

/// Whether, if this entry is superseded, the author of the entry that superseded it had not seen the rival act on the same basis from which this
/// entry descends.
fn lost_to_an_author_who_had_not_seen_it(complaint: &Complaint, id: EntryId) -> bool {
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
