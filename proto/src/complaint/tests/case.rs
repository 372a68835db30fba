//! The case: its phases, the citizen's word, closing and reopening.

use super::*;

#[test]
fn a_case_goes_from_received_to_closed() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let (holder, intake) = (federation.node("kominfo"), federation.node("ombudsman"));
    let phase = |case: &Case<'_>| case.complaint.case().phase;
    case.take(holder.verifies(&case, "internet"));
    assert_eq!((phase(&case), case.complaint.case().category.as_str()), (Phase::Verified, "internet"));
    case.take(holder.progresses(&case));
    assert_eq!(phase(&case), Phase::InProgress);
    case.take(holder.verifies(&case, ""));
    assert_eq!((phase(&case), case.complaint.case().category.as_str()), (Phase::InProgress, "internet"));
    case.take(holder.responds(&case));
    assert_eq!(phase(&case), Phase::Responded);
    case.take(holder.resolves(&case));
    assert_eq!(phase(&case), Phase::Resolved);
    case.take(holder.progresses(&case));
    case.take(holder.responds(&case));
    assert_eq!(phase(&case), Phase::Resolved, "later work does not change a resolved case");
    case.take(intake.replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    case.take(intake.closes(&case, CloseCause::Reply));
    assert_eq!(phase(&case), Phase::Closed);
    case.take(holder.resolves(&case));
    assert_eq!(phase(&case), Phase::Closed);
}

#[test]
fn only_the_holder_works_on_the_case() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let other = federation.node("ombudsman");
    for writing in [other.verifies(&case, "x"), other.progresses(&case), other.responds(&case), other.resolves(&case)] {
        assert_eq!(without_effect(&mut case, writing), NoEffect::NotHolder { holder: agency("kominfo") });
    }
}

#[test]
fn the_holder_works_on_while_an_offer_is_open() {
    let federation = Federation::new();
    let (mut case, _) = offered(&federation, "ombudsman", "kominfo");
    case.take(federation.node("ombudsman").progresses(&case));
    assert_eq!(case.complaint.case().phase, Phase::InProgress);
    let responds = federation.node("kominfo").responds(&case);
    assert_eq!(without_effect(&mut case, responds), NoEffect::NotHolder { holder: agency("ombudsman") });
}

#[test]
fn only_the_intake_agency_speaks_for_the_citizen_and_closes() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let not_intake = NoEffect::NotIntake { intake: agency("ombudsman") };
    let replies = federation.node("kominfo").replies(&case, ReplyWord::Satisfied, "");
    assert_eq!(without_effect(&mut case, replies), not_intake);
    let closes = federation.node("kominfo").closes(&case, CloseCause::Silence);
    assert_eq!(without_effect(&mut case, closes), not_intake);
}

#[test]
fn a_dissatisfied_reply_reopens_also_after_closing() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let (holder, intake) = (federation.node("kominfo"), federation.node("ombudsman"));
    case.take(holder.resolves(&case));
    case.take(intake.replies(&case, ReplyWord::Dissatisfied, REPLY_CODE));
    assert_eq!(case.complaint.case().phase, Phase::Reopened);
    case.take(holder.resolves(&case));
    case.take(intake.closes(&case, CloseCause::OwnWord));
    assert!(case.complaint.case().self_closed);
    case.take(intake.replies(&case, ReplyWord::Dissatisfied, ""));
    assert_eq!(case.complaint.case().phase, Phase::Reopened);
    assert!(!case.complaint.case().self_closed);
    case.take(holder.progresses(&case));
    assert_eq!(case.complaint.case().phase, Phase::InProgress);
}

#[test]
fn a_case_entry_that_arrives_late_takes_effect_in_the_order_of_clocks() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let holder = federation.node("kominfo");
    let verifies = holder.verifies(&case, "earlier").at(case.now + MINUTE).entry();
    let resolves = holder.resolves(&case).at(case.now + 2 * MINUTE).entry();
    let again = holder.verifies(&case, "later").at(case.now + 3 * MINUTE).entry();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut case = case.clone();
        for index in order {
            case.learn([&verifies, &resolves, &again][index]);
        }
        let state = case.complaint.case();
        assert_eq!((state.phase, state.category.as_str()), (Phase::Resolved, "later"), "{order:?}");
    }
    case.learn(&verifies);
    assert_eq!(case.complaint.case().category, "earlier");
}

#[test]
fn an_offer_is_recalled_by_its_holder_before_answer_by() {
    let federation = Federation::new();
    let (mut case, _) = offered(&federation, "ombudsman", "kominfo");
    let until = answer_by(&case);
    let by_other = federation.node("kominfo").recalls(&case);
    assert_eq!(without_effect(&mut case, by_other), NoEffect::NotHolder { holder: agency("ombudsman") });
    let too_late = federation.node("ombudsman").recalls(&case).at(until);
    let after = NoEffect::AfterAnswerBy { answer_by: until, holder: agency("ombudsman") };
    assert_eq!(without_effect(&mut case.clone(), too_late), after);
    let recall = case.take(federation.node("ombudsman").recalls(&case).at(until - 1));
    assert_eq!(case.standing(recall), Standing::Effective);
    assert_eq!(case.offered_to(), Some("kominfo"), "a recall is a wish; the answer closes the offer");
}

#[test]
fn a_remark_is_in_the_timeline_and_changes_nothing() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let before = (case.complaint.custody().clone(), case.complaint.case().clone());
    let remark = case.take(federation.node("ksp").remarks(&case));
    assert_eq!(case.standing(remark), Standing::Effective);
    assert_eq!((case.complaint.custody().clone(), case.complaint.case().clone()), before);
    assert_eq!(case.complaint.parents_of_next(), [remark]);
}
