//! The rules of custody: who may offer, answer, withdraw and reassign, and when.

use super::*;

#[test]
fn the_intake_agency_holds_a_complaint_lodged_with_it() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    assert_eq!((case.holder(), case.offered_to()), ("ombudsman", None));
    assert_eq!(case.complaint.case().phase, Phase::Received);
    assert_eq!(case.complaint.case().category, "jalan");
}

#[test]
fn an_offer_leaves_custody_until_it_is_accepted() {
    let federation = Federation::new();
    let (mut case, offer) = offered(&federation, "ombudsman", "kominfo");
    assert_eq!((case.holder(), case.offered_to()), ("ombudsman", Some("kominfo")));
    assert_eq!(case.complaint.custody().offer.as_ref().map(|open| open.entry), Some(offer));
    case.take(federation.node("kominfo").accepts(&case));
    assert_eq!((case.holder(), case.offered_to()), ("kominfo", None));
}

#[test]
fn a_returned_complaint_goes_back_to_its_holder() {
    let federation = Federation::new();
    let (mut case, _) = offered(&federation, "ombudsman", "kominfo");
    case.take(federation.node("kominfo").returns(&case));
    assert_eq!((case.holder(), case.offered_to()), ("ombudsman", None));
    case.take(federation.node("ombudsman").forwards(&case).to("kemendagri"));
    assert_eq!(case.offered_to(), Some("kemendagri"));
}

#[test]
fn custody_is_handed_down_a_chain() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kemendagri");
    for (from, to) in [("kemendagri", "prov-jabar"), ("prov-jabar", "kota-bandung"), ("kota-bandung", "ombudsman")] {
        case.take(federation.node(from).forwards(&case).to(to));
        case.take(federation.node(to).accepts(&case));
        assert_eq!(case.holder(), to);
    }
    let participants: Vec<&str> = case.complaint.participants().iter().map(|agency| agency.as_str()).collect();
    assert_eq!(participants, ["kemendagri", "kota-bandung", "ombudsman", "prov-jabar"]);
}

#[test]
fn only_the_holder_forwards() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let forwards = federation.node("ombudsman").forwards(&case).to("kemendagri");
    assert_eq!(without_effect(&mut case, forwards), NoEffect::NotHolder { holder: agency("kominfo") });
}

#[test]
fn one_offer_at_a_time() {
    let federation = Federation::new();
    let (mut case, _) = offered(&federation, "ombudsman", "kominfo");
    let second = federation.node("ombudsman").forwards(&case).to("kemendagri");
    let open = NoEffect::OfferOpen { to: agency("kominfo"), answer_by: answer_by(&case) };
    assert_eq!(without_effect(&mut case, second), open);
}

#[test]
fn no_offer_goes_to_the_holder_or_to_an_inactive_member() {
    let federation = Federation::changed(|text| {
        member_of(text, "kominfo").status = MemberStatus::Suspended;
        member_of(text, "kemenpanrb").status = MemberStatus::Retired;
    });
    let mut case = federation.case_at("ombudsman");
    let own = federation.node("ombudsman").forwards(&case).to("ombudsman");
    assert_eq!(without_effect(&mut case, own), NoEffect::OfferToHolder);
    for to in ["kominfo", "kemenpanrb", "setneg"] {
        let offer = federation.node("ombudsman").forwards(&case).to(to);
        assert_eq!(without_effect(&mut case, offer), NoEffect::AddresseeNotActive { to: agency(to) });
    }
}

#[test]
fn the_charter_that_an_offer_names_says_who_is_active() {
    let federation = Federation::changed(|text| member_of(text, "kominfo").status = MemberStatus::Suspended);
    let lodged = federation.node("ombudsman").lodges().under_charter(1).entry();
    let mut case = Case::lodged(&federation, &lodged);
    let offer = federation.node("ombudsman").forwards(&case).to("kominfo");
    let under_newer = offer.clone().under_charter(2);
    assert_eq!(without_effect(&mut case.clone(), under_newer), NoEffect::AddresseeNotActive { to: agency("kominfo") });
    case.take(offer.under_charter(1));
    assert_eq!(case.offered_to(), Some("kominfo"));
    case.take(federation.node("kominfo").accepts(&case).under_charter(2));
    assert_eq!(case.holder(), "kominfo", "a suspended member may accept an earlier offer");
}

#[test]
fn an_answer_by_lies_after_the_offer_and_within_the_days_of_the_charter() {
    let federation = Federation::new();
    let longest = 14 * DAY;
    let mut case = federation.case_at("ombudsman");
    case.later(MINUTE);
    for wrong in [0, case.now, case.now + longest + 1, u64::MAX] {
        let offer = federation.node("ombudsman").forwards(&case).to("kominfo").answer_by(wrong).at(case.now);
        let mut case = case.clone();
        assert_eq!(without_effect(&mut case, offer), NoEffect::AnswerByOutOfRange { answer_by: wrong, days: 14 });
    }
    for right in [case.now + 1, case.now + longest] {
        let mut case = case.clone();
        case.take(federation.node("ombudsman").forwards(&case).to("kominfo").answer_by(right).at(case.now));
        assert_eq!(case.offered_to(), Some("kominfo"));
    }
}

#[test]
fn only_the_addressee_answers() {
    let federation = Federation::new();
    let (mut case, _) = offered(&federation, "ombudsman", "kota-bandung");
    for other in ["ombudsman", "prov-jabar", "ksp"] {
        let accepts = federation.node(other).accepts(&case);
        assert_eq!(without_effect(&mut case, accepts), NoEffect::NotAddressee { to: agency("kota-bandung") });
        let returns = federation.node(other).returns(&case);
        assert_eq!(without_effect(&mut case, returns), NoEffect::NotAddressee { to: agency("kota-bandung") });
    }
}

#[test]
fn the_addressee_answers_until_answer_by_and_not_later() {
    let federation = Federation::new();
    let (case, _) = offered(&federation, "ombudsman", "kominfo");
    let until = answer_by(&case);
    assert_eq!(until, START + ANSWER_WITHIN);
    let (mut in_time, mut late) = (case.clone(), case);
    in_time.take(federation.node("kominfo").accepts(&in_time).at(until));
    assert_eq!(in_time.holder(), "kominfo");
    let after = NoEffect::AfterAnswerBy { answer_by: until, holder: agency("ombudsman") };
    let accepts = federation.node("kominfo").accepts(&late).at(until + 1);
    assert_eq!(without_effect(&mut late, accepts), after);
    let returns = federation.node("kominfo").returns(&late).at(until + 2);
    assert_eq!(without_effect(&mut late, returns), after);
}

#[test]
fn there_is_nothing_to_answer_withdraw_or_recall_without_an_offer() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let node = federation.node("ombudsman");
    for writing in [node.accepts(&case), node.returns(&case), node.withdraws(&case), node.recalls(&case)] {
        assert_eq!(without_effect(&mut case, writing), NoEffect::NoOpenOffer);
    }
}

#[test]
fn an_offer_is_withdrawn_only_after_the_margin() {
    let federation = Federation::new();
    let (case, _) = offered(&federation, "ombudsman", "kominfo");
    let until = answer_by(&case);
    let from = until + MARGIN;
    let (mut early, mut due) = (case.clone(), case);
    let withdraws = federation.node("ombudsman").withdraws(&early).at(from - 1);
    let before = NoEffect::BeforeMargin { to: agency("kominfo"), answer_by: until };
    assert_eq!(without_effect(&mut early, withdraws), before);
    due.take(federation.node("ombudsman").withdraws(&due).at(from));
    assert_eq!((due.holder(), due.offered_to()), ("ombudsman", None));
}

#[test]
fn only_the_holder_withdraws() {
    let federation = Federation::new();
    let (mut case, _) = offered(&federation, "ombudsman", "kominfo");
    let withdraws = federation.node("kominfo").withdraws(&case).at(answer_by(&case) + MARGIN);
    assert_eq!(without_effect(&mut case, withdraws), NoEffect::NotHolder { holder: agency("ombudsman") });
}

#[test]
fn nobody_acts_between_answer_by_and_the_margin() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    let fork = case.clone();
    let until = answer_by(&case);
    let at = until + MARGIN - 1;
    let late = federation.node("kominfo").accepts(&case).at(at);
    let after = NoEffect::AfterAnswerBy { answer_by: until, holder: agency("kota-bandung") };
    assert_eq!(without_effect(&mut fork.clone(), late), after);
    let before = NoEffect::BeforeMargin { to: agency("kominfo"), answer_by: until };
    let withdraws = federation.node("kota-bandung").withdraws(&case).at(at);
    assert_eq!(without_effect(&mut fork.clone(), withdraws), before);
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("ksp").at(at).answer_by(at + DAY);
    assert_eq!(without_effect(&mut fork.clone(), reassigns), before);
}

#[test]
fn the_supervisor_of_the_holder_reassigns() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    case.take(federation.node("prov-jabar").reassigns(&case).to("kominfo"));
    assert_eq!((case.holder(), case.offered_to()), ("kota-bandung", Some("kominfo")));
    case.take(federation.node("kominfo").accepts(&case));
    assert_eq!(case.holder(), "kominfo");
}

#[test]
fn nobody_else_reassigns() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ksp", "kota-bandung");
    // Oversight has a role, and the holder has a parent; the intake agency and the holder itself are no supervisors.
    for other in ["ombudsman", "ksp", "kota-bandung"] {
        let reassigns = federation.node(other).reassigns(&case).to("kominfo");
        assert_eq!(without_effect(&mut case, reassigns), NoEffect::NotSupervisor { agency: agency("kota-bandung") });
    }
}

#[test]
fn oversight_reassigns_where_there_is_no_parent() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ksp", "kominfo");
    case.take(federation.node("ombudsman").reassigns(&case).to("kemendagri"));
    assert_eq!((case.holder(), case.offered_to()), ("kominfo", Some("kemendagri")));

    let mut own = federation.case_at("ksp");
    let reassigns = federation.node("ksp").reassigns(&own).to("kominfo");
    assert_eq!(without_effect(&mut own, reassigns), NoEffect::NotSupervisor { agency: agency("ksp") });
}

#[test]
fn a_reassignment_replaces_an_unanswered_offer_after_the_margin() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    let from = answer_by(&case) + MARGIN;
    case.take(federation.node("prov-jabar").reassigns(&case).to("kemendagri").at(from).answer_by(from + DAY));
    assert_eq!((case.holder(), case.offered_to()), ("kota-bandung", Some("kemendagri")));
}

#[test]
fn an_act_on_an_entry_without_effect_has_none() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let void = case.take(federation.node("ksp").forwards(&case).to("kominfo"));
    // The void offer gave kominfo no role; the intake agency has one.
    let on_void = federation.node("ombudsman").accepts(&case).on(void);
    assert_eq!(without_effect(&mut case, on_void), NoEffect::BasisWithoutEffect);
    let on_void = federation.node("ombudsman").responds(&case).on(void);
    assert_eq!(without_effect(&mut case, on_void), NoEffect::BasisWithoutEffect);
}

#[test]
fn a_former_holder_s_work_on_an_old_basis_has_no_effect_if_it_knew_of_the_hand_over() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let lodged = case.complaint.tip();
    case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    case.take(federation.node("kominfo").accepts(&case));
    let former = federation.node("ombudsman");
    for writing in [former.resolves(&case), former.responds(&case), former.progresses(&case)] {
        assert_eq!(without_effect(&mut case, writing.on(lodged)), NoEffect::BasisActedOn);
    }
    case.take(federation.node("kominfo").resolves(&case));
    assert_eq!(case.complaint.case().phase, Phase::Resolved, "the holder resolves it");
}

#[test]
fn an_author_that_knew_of_the_hand_over_never_takes_custody_back() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let lodged = case.complaint.tip();
    let offer = case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    let accepts = case.take(federation.node("kominfo").accepts(&case));
    let mut smaller = 0;
    for leaf in 1..17 {
        let again = federation.node("ombudsman").forwards(&case).to("kemendagri").on(lodged).at_leaf(leaf);
        smaller += usize::from(again.entry().id < offer);
        assert_eq!(without_effect(&mut case.clone(), again), NoEffect::BasisActedOn);
        // It is enough that the author saw the offer. The offer need not be a parent, and the author need not have seen the answer.
        let remark = federation.node("ksp").remarks(&case).on(offer).after(&[offer]).entry();
        let mut case = case.clone();
        case.learn(&remark);
        let again = federation.node("ombudsman").forwards(&case).to("kemendagri").on(lodged).at_leaf(leaf);
        assert_eq!(without_effect(&mut case, again.after(&[remark.id])), NoEffect::BasisActedOn);
        assert_eq!((case.complaint.tip(), case.holder()), (accepts, "kominfo"));
    }
    assert!((1..16).contains(&smaller), "ids that would win a fork, and ids that would lose it: {smaller} of 16");
}

#[test]
fn a_better_rank_does_not_help_an_author_that_knew_of_the_hand_over() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    let held = case.complaint.tip();
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    let accepts = case.take(federation.node("kominfo").accepts(&case));
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("ksp").on(held);
    assert_eq!(without_effect(&mut case, reassigns), NoEffect::BasisActedOn);
    assert_eq!((case.complaint.tip(), case.holder()), (accepts, "kominfo"));
}

#[test]
fn only_a_custody_entry_with_effect_uses_up_its_basis() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let by_other = federation.node("ksp").forwards(&case).to("kominfo");
    assert_eq!(without_effect(&mut case, by_other), NoEffect::NotHolder { holder: agency("ombudsman") });
    case.take(federation.node("ombudsman").progresses(&case));
    case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    assert_eq!(case.offered_to(), Some("kominfo"));
}
