//! Custody and case: every rule of the fold, one claim at a time.

mod histories;
mod two_signatures;
mod whole_life;

use super::{NoEffect, Phase, Standing};
use crate::base::ids::EntryId;
use crate::base::limits;
use crate::charter::MemberStatus;
use crate::fixture::{ANSWER_WITHIN, Case, DAY, Federation, MINUTE, REPLY_CODE, START, Writing, agency, member_of};
use crate::wire::{CloseCause, ReplyWord};

const MARGIN: u64 = 10 * MINUTE;

/// Why an entry that was admitted had no effect.
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

// Custody.

#[test]
fn the_intake_agency_holds_what_was_lodged_with_it() {
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
    assert_eq!(without_effect(&mut case, second), NoEffect::OfferOpen { to: agency("kominfo") });
}

#[test]
fn nothing_is_offered_to_its_holder_or_to_one_who_takes_no_part() {
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
    assert_eq!(case.holder(), "kominfo", "a suspended member finishes what it was offered");
}

#[test]
fn an_answer_by_lies_after_the_offer_and_within_a_year() {
    let federation = Federation::new();
    let longest = u64::try_from(limits::ANSWER_BY_MAX.as_millis()).expect("a year");
    let mut case = federation.case_at("ombudsman");
    case.later(MINUTE);
    for wrong in [0, case.now, case.now + longest + 1, u64::MAX] {
        let offer = federation.node("ombudsman").forwards(&case).to("kominfo").answer_by(wrong).at(case.now);
        let mut case = case.clone();
        assert_eq!(without_effect(&mut case, offer), NoEffect::AnswerByOutOfRange { answer_by: wrong });
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
    let accepts = federation.node("kominfo").accepts(&late).at(until + 1);
    assert_eq!(without_effect(&mut late, accepts), NoEffect::AfterAnswerBy { answer_by: until });
    let returns = federation.node("kominfo").returns(&late).at(until + 2);
    assert_eq!(without_effect(&mut late, returns), NoEffect::AfterAnswerBy { answer_by: until });
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
    let from = answer_by(&case) + MARGIN;
    let (mut early, mut due) = (case.clone(), case);
    let withdraws = federation.node("ombudsman").withdraws(&early).at(from - 1);
    assert_eq!(without_effect(&mut early, withdraws), NoEffect::BeforeMargin { from });
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
    assert_eq!(without_effect(&mut fork.clone(), late), NoEffect::AfterAnswerBy { answer_by: until });
    let from = until + MARGIN;
    let withdraws = federation.node("kota-bandung").withdraws(&case).at(at);
    assert_eq!(without_effect(&mut fork.clone(), withdraws), NoEffect::BeforeMargin { from });
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("ksp").at(at).answer_by(at + DAY);
    assert_eq!(without_effect(&mut fork.clone(), reassigns), NoEffect::BeforeMargin { from });
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
fn a_former_holder_s_work_on_an_old_basis_has_no_effect_once_it_knew_other_act() {
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
fn who_knew_better_never_takes_custody_back_whatever_the_id_of_the_entry() {
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
        // To have seen the offer is enough: it need not be a parent, nor need the answer have been seen.
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
fn a_better_rank_does_not_help_who_knew_other_act() {
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
fn only_a_custody_entry_with_effect_ends_what_may_be_done_on_its_basis() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let by_other = federation.node("ksp").forwards(&case).to("kominfo");
    assert_eq!(without_effect(&mut case, by_other), NoEffect::NotHolder { holder: agency("ombudsman") });
    case.take(federation.node("ombudsman").progresses(&case));
    case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    assert_eq!(case.offered_to(), Some("kominfo"));
}

// Forks.

/// Folds `second` after `first` and `first` after `second`; both ways the same must be on the path, and it is returned.
fn winner(case: &Case<'_>, first: &Writing, second: &Writing) -> EntryId {
    let (first, second) = (first.entry(), second.entry());
    let tip = |order: [&crate::entry::Entry; 2]| {
        let mut case = case.clone();
        let tip_before = case.complaint.tip();
        assert_eq!(case.learn(order[0]).path_changed_from, None, "the first extends the path from {tip_before:?}");
        let changed = case.learn(order[1]).path_changed_from;
        let winner = case.complaint.tip();
        let loser = if winner == order[0].id { order[1].id } else { order[0].id };
        assert_eq!(changed, (winner == order[1].id).then_some(order[0].id), "a path that changed is reported");
        assert_eq!(case.standing(winner), Standing::Effective);
        assert_eq!(case.standing(loser), Standing::Superseded { by: winner });
        winner
    };
    let winner = tip([&first, &second]);
    assert_eq!(tip([&second, &first]), winner, "the order of arrival decides nothing");
    winner
}

#[test]
fn the_addressee_s_answer_wins_over_everything() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    let late = answer_by(&case) + MARGIN;
    let accepts = federation.node("kominfo").accepts(&case);
    let returns = federation.node("kominfo").returns(&case);
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("ksp").at(late).answer_by(late + DAY);
    let withdraws = federation.node("kota-bandung").withdraws(&case).at(late);
    for answer in [&accepts, &returns] {
        assert_eq!(winner(&case, answer, &withdraws), answer.entry().id);
        assert_eq!(winner(&case, answer, &reassigns), answer.entry().id);
    }
}

#[test]
fn the_supervisor_wins_over_the_holder() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    let forwards = federation.node("kota-bandung").forwards(&case).to("kominfo");
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("ksp");
    assert_eq!(winner(&case, &forwards, &reassigns), reassigns.entry().id);

    case.take(forwards);
    let late = answer_by(&case) + MARGIN;
    let withdraws = federation.node("kota-bandung").withdraws(&case).at(late);
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("ksp").at(late).answer_by(late + DAY);
    assert_eq!(winner(&case, &withdraws, &reassigns), reassigns.entry().id);
}

#[test]
fn at_equal_rank_the_smallest_id_wins() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    for leaf in 1..6 {
        let one = federation.node("ombudsman").forwards(&case).to("kominfo");
        let other = federation.node("ombudsman").forwards(&case).to("kemendagri").at_leaf(leaf);
        assert_eq!(winner(&case, &one, &other), one.entry().id.min(other.entry().id));
    }
    let (case, _) = offered(&federation, "ombudsman", "kominfo");
    let accepts = federation.node("kominfo").accepts(&case);
    let returns = federation.node("kominfo").returns(&case);
    assert_eq!(winner(&case, &accepts, &returns), accepts.entry().id.min(returns.entry().id));
}

#[test]
fn who_could_not_know_still_forks_the_path() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let cut_off = case.clone();
    let offer = case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    let accepts = case.take(federation.node("kominfo").accepts(&case));
    let (mut won, mut lost) = (0, 0);
    for leaf in 1..17 {
        let second = federation.node("ombudsman").forwards(&cut_off).to("kemendagri").at_leaf(leaf).entry();
        let mut case = case.clone();
        let changed = case.learn(&second).path_changed_from;
        if second.id < offer {
            assert_eq!((changed, case.complaint.tip()), (Some(accepts), second.id));
            assert_eq!(case.standing(offer), Standing::Superseded { by: second.id });
            won += 1;
        } else {
            assert_eq!((changed, case.complaint.tip()), (None, accepts));
            assert_eq!(case.standing(second.id), Standing::Superseded { by: offer });
            lost += 1;
        }
    }
    assert!(won > 0 && lost > 0, "{won} won, {lost} lost");
}

#[test]
fn what_follows_a_superseded_entry_is_superseded_by_the_winner_at_the_fork() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    let fork = case.clone();
    let forwards = case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    let accepts = case.take(federation.node("kominfo").accepts(&case));
    let onward = case.take(federation.node("kominfo").forwards(&case).to("ksp"));

    let reassigns = federation.node("prov-jabar").reassigns(&fork).to("kemendagri").entry();
    assert_eq!(case.learn(&reassigns).path_changed_from, Some(onward));
    for superseded in [forwards, accepts, onward] {
        assert_eq!(case.standing(superseded), Standing::Superseded { by: reassigns.id });
    }
    assert_eq!((case.holder(), case.offered_to()), ("kota-bandung", Some("kemendagri")));
    assert!(case.complaint.participants().contains(&agency("kominfo")), "who was offered it stays a participant");
    let next = case.take(federation.node("kemendagri").accepts(&case));
    assert_eq!((case.complaint.tip(), case.holder()), (next, "kemendagri"));
}

#[test]
fn an_entry_under_a_superseded_one_reports_no_change_of_the_path() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    let mut elsewhere = case.clone();
    elsewhere.take(federation.node("kota-bandung").forwards(&elsewhere).to("kominfo"));
    let offer = federation.node("kota-bandung").forwards(&case).to("kominfo").entry();
    let accepts = federation.node("kominfo").accepts(&elsewhere).entry();

    let reassigns = case.take(federation.node("prov-jabar").reassigns(&case).to("ksp"));
    assert_eq!(case.learn(&offer).path_changed_from, None);
    assert_eq!(case.learn(&accepts).path_changed_from, None);
    assert_eq!(case.standing(accepts.id), Standing::Superseded { by: reassigns });
    assert_eq!((case.holder(), case.complaint.tip()), ("kota-bandung", reassigns));
}

#[test]
fn an_answer_under_a_superseded_basis_stays_an_answer() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    let fork = case.clone();
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    case.take(federation.node("kominfo").accepts(&case));
    let response = case.take(federation.node("kominfo").responds(&case));
    let reassigns = federation.node("prov-jabar").reassigns(&fork).to("kemendagri").entry();
    case.learn(&reassigns);
    assert_eq!(case.holder(), "kota-bandung");
    assert_eq!(case.standing(response), Standing::Effective);
    assert_eq!(case.complaint.case().phase, Phase::Responded);
}

#[test]
fn a_duplicate_changes_nothing() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let offer = federation.node("ombudsman").forwards(&case).to("kominfo").entry();
    case.learn(&offer);
    let tip = case.take(federation.node("kominfo").accepts(&case));
    let (digest, parents) = (case.complaint.digest(), case.complaint.parents_of_next());
    assert_eq!(case.complaint.insert(&offer, federation.charter()).path_changed_from, None);
    assert_eq!((case.complaint.digest(), case.complaint.parents_of_next()), (digest, parents));
    assert_eq!((case.complaint.len(), case.complaint.tip(), case.holder()), (3, tip, "kominfo"));
}

#[test]
fn only_a_lodged_entry_makes_a_complaint() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    assert!(super::Complaint::lodge(&federation.node("ombudsman").responds(&case).entry()).is_none());
    assert!(super::Complaint::lodge(&federation.node("ombudsman").witnesses().entry()).is_none());
}

// The case.

#[test]
fn the_case_goes_its_way() {
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
    assert_eq!(phase(&case), Phase::Resolved, "work after the end does not hide that it had ended");
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
    let replies = federation.node("kominfo").replies(&case, ReplyWord::Satisfied, REPLY_CODE);
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
    case.take(intake.closes(&case, CloseCause::Reply));
    assert!(case.complaint.case().self_closed);
    case.take(intake.replies(&case, ReplyWord::Dissatisfied, ""));
    assert_eq!(case.complaint.case().phase, Phase::Reopened);
    assert!(!case.complaint.case().self_closed);
    case.take(holder.progresses(&case));
    assert_eq!(case.complaint.case().phase, Phase::InProgress);
}

/// Whether a case counts as self-closed after these replies and this closing.
fn self_closed(replies: &[(ReplyWord, &str)], cause: i32) -> bool {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    case.take(federation.node("kominfo").resolves(&case));
    for (word, code) in replies {
        case.take(federation.node("ombudsman").replies(&case, *word, code));
    }
    let mut closes = federation.node("ombudsman").closes(&case, CloseCause::Reply);
    if let crate::wire::entry::Body::Closed(body) = &mut closes.draft.body {
        body.cause = cause;
    }
    case.take(closes);
    assert_eq!(case.complaint.case().phase, Phase::Closed);
    case.complaint.case().self_closed
}

#[test]
fn the_citizen_s_code_proves_a_reply() {
    let reply = i32::from(CloseCause::Reply);
    assert!(!self_closed(&[(ReplyWord::Satisfied, REPLY_CODE)], reply));
    assert!(!self_closed(&[(ReplyWord::Satisfied, "K7QM 2D9X P4VT 0HSZ")], reply));
    assert!(self_closed(&[(ReplyWord::Satisfied, "")], reply));
    assert!(self_closed(&[(ReplyWord::Satisfied, "k7qm-2d9x-p4vt-0hs0")], reply));
    assert!(self_closed(&[], reply), "there was no reply at all");
    assert!(self_closed(&[(ReplyWord::Satisfied, REPLY_CODE), (ReplyWord::Information, "")], reply));
}

#[test]
fn a_dissatisfied_reply_proves_no_closing() {
    let reply = i32::from(CloseCause::Reply);
    assert!(self_closed(&[(ReplyWord::Dissatisfied, REPLY_CODE)], reply));
    assert!(self_closed(&[(ReplyWord::Satisfied, REPLY_CODE), (ReplyWord::Dissatisfied, REPLY_CODE)], reply));
    assert!(!self_closed(&[(ReplyWord::Dissatisfied, REPLY_CODE), (ReplyWord::Satisfied, REPLY_CODE)], reply));
}

#[test]
fn a_closing_without_a_cause_is_self_closed() {
    assert!(self_closed(&[], CloseCause::Unspecified.into()));
    assert!(self_closed(&[], 4711));
}

#[test]
fn a_case_entry_that_arrives_late_takes_its_place_in_the_order_of_clocks() {
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
    assert_eq!(without_effect(&mut case.clone(), too_late), NoEffect::AfterAnswerBy { answer_by: until });
    let recall = case.take(federation.node("ombudsman").recalls(&case).at(until - 1));
    assert_eq!(case.standing(recall), Standing::Effective);
    assert_eq!(case.offered_to(), Some("kominfo"), "a recall is a wish; the answer closes the offer");
}

#[test]
fn a_remark_stands_in_the_timeline_and_changes_nothing() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let before = (case.complaint.custody().clone(), case.complaint.case().clone());
    let remark = case.take(federation.node("ksp").remarks(&case));
    assert_eq!(case.standing(remark), Standing::Effective);
    assert_eq!((case.complaint.custody().clone(), case.complaint.case().clone()), before);
    assert_eq!(case.complaint.parents_of_next(), [remark]);
}

// What the next entry builds on.

#[test]
fn the_next_entry_s_parents_are_the_newest_entries_and_lead_to_the_tip() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let root = case.complaint.tip();
    case.later(MINUTE);
    let tip = case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    // More concurrent entries than an entry has parents, all newer than the tip.
    for leaf in 0..40 {
        case.take(federation.node("ksp").remarks(&case).on(root).after(&[root]).at(case.now + MINUTE).at_leaf(leaf));
    }
    let parents = case.complaint.parents_of_next();
    assert_eq!(parents.len(), limits::PARENTS);
    assert!(parents.contains(&tip));
    let accepts = federation.node("kominfo").accepts(&case).entry();
    case.learn(&accepts);
    assert_eq!(case.holder(), "kominfo");
    assert!(case.complaint.parents_of_next().contains(&accepts.id));
}

#[test]
fn the_parents_suffice_when_the_tip_is_no_newest_entry() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let root = case.complaint.tip();
    let tip = case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    case.take(federation.node("ombudsman").progresses(&case));
    for leaf in 0..40 {
        case.take(federation.node("ksp").remarks(&case).on(root).after(&[root]).at(case.now + MINUTE).at_leaf(leaf));
    }
    case.later(DAY);
    let accepts = federation.node("kominfo").accepts(&case).entry();
    assert_eq!(accepts.body.basis(), Some(tip));
    case.learn(&accepts);
    assert_eq!(case.holder(), "kominfo");
}

#[test]
fn ancestors_are_everything_below() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let root = case.complaint.tip();
    let left = case.take(federation.node("ombudsman").responds(&case));
    let right = case.take(federation.node("ksp").remarks(&case).after(&[root]));
    assert_eq!(case.complaint.ancestors(&[left]), [root, left].into());
    assert_eq!(case.complaint.ancestors(&[]), [].into());
    assert!(case.complaint.are_heads(&[right, left]));
    assert!(!case.complaint.are_heads(&[left]));
    assert!(!case.complaint.are_heads(&[left, left]));
    let both = case.take(federation.node("ombudsman").progresses(&case));
    assert_eq!(case.complaint.ancestors(&[both]).len(), 4);
    assert!(case.complaint.are_heads(&[both]));
}

#[test]
fn equal_sets_have_equal_digests_and_other_sets_have_others() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    let one = federation.node("ombudsman").responds(&case).entry();
    let two = federation.node("ksp").remarks(&case).entry();
    let (mut first, mut second) = (case.clone(), case.clone());
    first.learn(&one);
    assert_ne!(first.complaint.digest(), case.complaint.digest());
    first.learn(&two);
    second.learn(&two);
    assert_ne!(first.complaint.digest(), second.complaint.digest());
    second.learn(&one);
    assert_eq!(first.complaint.digest(), second.complaint.digest());
}

#[test]
fn every_reason_reads_as_a_sentence_with_its_values() {
    let reasons = [
        (NoEffect::AfterAnswerBy { answer_by: START }, "the time to answer ended at 2025-11-24T16:00:00Z"),
        (NoEffect::OfferOpen { to: agency("ksp") }, "an offer to ksp is open"),
        (
            NoEffect::AnswerByOutOfRange { answer_by: u64::MAX },
            "answer-by 18446744073709551615 ms is not within 366 days after the offer",
        ),
    ];
    for (reason, words) in reasons {
        assert_eq!(reason.to_string(), words);
    }
}
