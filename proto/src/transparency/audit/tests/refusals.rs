//! Entries that the agency refused or deferred, and never took.

use prost::Message;

use super::*;
use crate::base::refusal::{DeferralCode, RefusalCode};
use crate::receipt::{Deferral, ItemOutcome};

/// The ministry has written one more entry of the complaint, and got these answers of the province.
fn answered<'f>(federation: &'f Federation, answers: &[(ItemOutcome, u64)]) -> (Scene<'f>, Entry) {
    let mut scene = Scene::honest(federation);
    let remark = federation.node(MINISTRY).remarks(&scene.case).at_leaf(9).entry();
    scene.has(&remark);
    for (outcome, at) in answers {
        scene.own.receipts.push((scene.shown.replies(PROVINCE, remark.id, *outcome, *at, 1).encode_to_vec(), *at));
    }
    (scene, remark)
}

const REFUSED: ItemOutcome = ItemOutcome::Refused(RefusalCode::NoRole as u32);

#[test]
fn a_wrong_refusal_is_found_unless_the_entry_was_taken_later() {
    let federation = Federation::new();
    answered(&federation, &[(REFUSED, START + 50 * MINUTE)]).0.finds(&[Finding::RefusedWrongly]);
    let (mut scene, remark) = answered(&federation, &[(REFUSED, START + 50 * MINUTE)]);
    scene.shown.push_entry(&remark);
    scene.has_receipt(&remark, 8, START + 60 * MINUTE);
    scene.finds(&[]);
}

#[test]
fn a_refusal_outside_the_scope_is_not_looked_at() {
    let federation = Federation::new();
    let (mut scene, _) = answered(&federation, &[(REFUSED, START + 50 * MINUTE)]);
    scene.scope.since = START + DAY;
    scene.finds(&[]);
}

#[test]
fn an_entry_that_is_deferred_for_over_a_week_is_found() {
    let federation = Federation::new();
    let waits = ItemOutcome::Deferred(Deferral::kept(DeferralCode::ClockAhead.number()));
    let answers = [(waits, START + DAY), (waits, START + 4 * DAY), (waits, START + 8 * DAY)];
    let audited = |answers: &[(ItemOutcome, u64)]| {
        let (mut scene, _) = answered(&federation, answers);
        scene.signs_at = START + 9 * DAY;
        kinds(&scene.audited())
    };
    assert_eq!(audited(&answers), [Finding::Unresponsive]);
    assert_eq!(audited(&answers[..2]), []);
    assert_eq!(audited(&answers[1..]), []);
}
