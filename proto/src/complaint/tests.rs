//! The rules of the fold for custody and case, one claim at a time.

mod ancestors;
mod case;
mod closing;
mod crossed;
mod custody;
mod forks;
mod histories;
mod powers;
mod revocation;
mod rules;
mod two_signatures;
mod whole_life;
mod witness;
mod words;

use super::{NoEffect, NotHeard, NotWitnessed, Phase, Standing};
use crate::base::ids::EntryId;
use crate::base::limits;
use crate::charter::MemberStatus;
use crate::fixture::{
    ANSWER_WITHIN, Case, DAY, Federation, MINUTE, OTHER_CODE, REPLY_CODE, START, Writing, agency, member_of,
};
use crate::wire::{CloseCause, ReplyWord};

const MARGIN: u64 = 10 * MINUTE;

/// Takes an entry that has no effect, and returns the reason.
fn without_effect(case: &mut Case<'_>, writing: Writing) -> NoEffect {
    let (custody, phase) = (case.complaint.custody().clone(), case.complaint.case().phase);
    let id = case.take(writing);
    assert_eq!((case.complaint.custody(), case.complaint.case().phase), (&custody, phase));
    match case.standing(id) {
        Standing::WithoutEffect(reason) => reason,
        other => panic!("expected no effect, got {other:?}"),
    }
}

/// A complaint that `intake` offered to `to`, with the offer.
fn offered<'f>(federation: &'f Federation, intake: &str, to: &str) -> (Case<'f>, EntryId) {
    let mut case = federation.case_at(intake);
    let offer = case.take(federation.node(intake).forwards(&case).to(to));
    (case, offer)
}

fn answer_by(case: &Case<'_>) -> u64 {
    case.complaint.custody().offer.as_ref().expect("an open offer").answer_by
}

#[test]
fn the_limits_are_those_of_the_design() {
    assert_eq!(u64::try_from(limits::ANSWER_MARGIN.as_millis()), Ok(MARGIN));
}
