//! Charters that take a power away: nothing that happened before changes, and nobody keeps a power by naming an old charter.

use super::*;

/// The time from which on charter version 2 is in force: a day after the complaint was lodged.
const SECOND_FROM: u64 = START + DAY;

/// The second charter gives `kota-bandung` another parent.
fn with_another_parent() -> Federation {
    Federation::changed(|text| {
        text.valid_from = "2025-11-25T16:00:00Z".to_owned();
        member_of(text, "kota-bandung").parent = Some(agency("kominfo"));
    })
}

/// The standing of the former parent's `Reassigned`, which names the first charter and is dated so.
fn former_parent_reassigns_at(federation: &Federation, millis: u64) -> Standing {
    let mut case = lodged_under_the_first(federation);
    case.now = millis;
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("ksp").under_charter(1).at(millis);
    let id = case.take(reassigns);
    case.standing(id)
}

fn lodged_under_the_first(federation: &Federation) -> Case<'_> {
    Case::lodged(federation, &federation.node("kota-bandung").lodges().under_charter(1).entry())
}

#[test]
fn a_former_supervisor_loses_its_power_seven_days_after_the_charter_that_took_it() {
    let federation = with_another_parent();
    assert_eq!(federation.charter().valid_from, SECOND_FROM);
    assert_eq!(former_parent_reassigns_at(&federation, START + MINUTE), Standing::Effective);
    assert_eq!(former_parent_reassigns_at(&federation, SECOND_FROM + 7 * DAY), Standing::Effective);
    let ended = Standing::WithoutEffect(NoEffect::PowerEnded { version: 2 });
    assert_eq!(former_parent_reassigns_at(&federation, SECOND_FROM + 7 * DAY + 1), ended);
}

#[test]
fn the_new_supervisor_has_its_power_under_the_charter_that_gives_it() {
    let federation = with_another_parent();
    let mut case = lodged_under_the_first(&federation);
    case.later(2 * DAY);
    let reassigns = case.take(federation.node("kominfo").reassigns(&case).to("ksp"));
    assert_eq!(case.standing(reassigns), Standing::Effective);
}

#[test]
fn a_charter_changes_nothing_of_before_and_is_judged_by_when_it_comes() {
    let (first, second) = (Federation::new(), with_another_parent());
    let mut case = lodged_under_the_first(&first);
    case.later(MINUTE);
    let early = case.take(first.node("prov-jabar").reassigns(&case).to("ksp"));
    case.later(MINUTE);
    let returned = case.take(first.node("ksp").returns(&case));
    case.now = SECOND_FROM + 9 * DAY;
    let late = case.take(first.node("prov-jabar").reassigns(&case).to("ksp"));
    assert!(case.complaint.may_change_under(&second.charters) && !case.complaint.may_change_under(&first.charters));
    let again = case.complaint.under(&second.charters);
    again.check_invariants();
    let standings = [early, returned, late].map(|id| again.standing(&id).expect("it is here"));
    let ended = Standing::WithoutEffect(NoEffect::PowerEnded { version: 2 });
    assert_eq!(standings, [Standing::Effective, Standing::Effective, ended]);
}

#[test]
fn an_agency_that_has_left_acts_no_more_and_what_it_did_stands() {
    let federation = Federation::changed(|text| {
        text.valid_from = "2025-11-25T16:00:00Z".to_owned();
        member_of(text, "kominfo").status = MemberStatus::Retired;
    });
    let mut case = lodged_under_the_first(&federation);
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo").under_charter(1));
    case.take(federation.node("kominfo").accepts(&case).under_charter(1));
    case.now = SECOND_FROM + 8 * DAY;
    let resolves = federation.node("kominfo").resolves(&case).under_charter(1);
    let work = without_effect(&mut case, resolves);
    assert_eq!(work, NoEffect::PowerEnded { version: 2 });
    assert_eq!(case.holder(), "kominfo", "its custody stands until a supervisor gives it to another agency");
    let reassigns = case.take(federation.node("ombudsman").reassigns(&case).to("ksp"));
    assert_eq!(case.standing(reassigns), Standing::Effective, "oversight supervises an agency without a parent");
}
