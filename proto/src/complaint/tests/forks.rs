//! Forks of the custody tree: which entry wins, and what becomes of the others.

use super::*;

/// Folds two entries in both orders. Checks that the same one wins both times, and returns it.
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
    assert_eq!(tip([&second, &first]), winner, "the order of arrival makes no difference");
    winner
}

#[test]
fn without_witnesses_the_answer_wins_over_the_holder_and_the_supervisor_over_the_answer() {
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
        assert_eq!(winner(&case, answer, &reassigns), reassigns.entry().id);
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
fn at_equal_rank_the_author_decides_then_the_place_and_the_id_last() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    for leaf in 1..6 {
        // However small an id the author grinds for the later leaf.
        let one = federation.node("ombudsman").forwards(&case).to("kominfo");
        let other = federation.node("ombudsman").forwards(&case).to("kemendagri").at_leaf(leaf);
        assert_eq!(winner(&case, &one, &other), one.entry().id, "the same author, leaf {leaf}");
    }
    let (case, _) = offered(&federation, "ombudsman", "kominfo");
    let accepts = federation.node("kominfo").accepts(&case);
    let returns = federation.node("kominfo").returns(&case);
    assert_eq!(winner(&case, &accepts, &returns), accepts.entry().id.min(returns.entry().id), "the same leaf");

    // Two oversight agencies supervise a holder without a parent.
    let federation = Federation::changed(|text| member_of(text, "ksp").oversight = true);
    let case = federation.case_at("kominfo");
    for leaf in 0..4 {
        let ksp = federation.node("ksp").reassigns(&case).to("kota-bandung").at_leaf(7);
        let ombudsman = federation.node("ombudsman").reassigns(&case).to("kemendagri").at_leaf(leaf);
        assert_eq!(winner(&case, &ksp, &ombudsman), ksp.entry().id, "the author comes first, leaf {leaf}");
    }
}

#[test]
fn an_author_that_could_not_know_of_the_hand_over_still_forks_the_path() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let cut_off = case.clone();
    let offer = case.take(federation.node("ombudsman").forwards(&case).to("kominfo").at_leaf(8));
    let accepts = case.take(federation.node("kominfo").accepts(&case));
    let (mut won, mut lost) = (0, 0);
    for leaf in (1..17).filter(|leaf| *leaf != 8) {
        let second = federation.node("ombudsman").forwards(&cut_off).to("kemendagri").at_leaf(leaf).entry();
        let mut case = case.clone();
        let changed = case.learn(&second).path_changed_from;
        if leaf < 8 {
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
fn the_entries_after_a_superseded_one_are_superseded_by_the_winner_at_the_fork() {
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
    assert!(case.complaint.participants().contains(&agency("kominfo")), "an addressee stays a participant");
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
fn an_answer_under_a_superseded_basis_has_no_effect_and_stays_in_the_timeline() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kota-bandung");
    let fork = case.clone();
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    case.take(federation.node("kominfo").accepts(&case));
    let response = case.take(federation.node("kominfo").responds(&case));
    assert_eq!(case.complaint.case().phase, Phase::Responded);
    let reassigns = federation.node("prov-jabar").reassigns(&fork).to("kemendagri").entry();
    case.learn(&reassigns);
    assert_eq!(case.holder(), "kota-bandung");
    assert_eq!(case.standing(response), Standing::WithoutEffect(NoEffect::BasisSuperseded));
    assert_eq!((case.complaint.case().phase, case.complaint.case().answer), (Phase::Received, None));
    assert!(case.complaint.timeline().any(|(id, _)| id == response));
}

#[test]
fn a_duplicate_changes_nothing() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let offer = federation.node("ombudsman").forwards(&case).to("kominfo").entry();
    case.learn(&offer);
    let tip = case.take(federation.node("kominfo").accepts(&case));
    let (digest, parents) = (case.complaint.digest(), case.complaint.parents_of_next());
    assert_eq!(case.complaint.insert(&offer, &federation.charters).path_changed_from, None);
    assert_eq!((case.complaint.digest(), case.complaint.parents_of_next()), (digest, parents));
    assert_eq!((case.complaint.len(), case.complaint.tip(), case.holder()), (3, tip, "kominfo"));
}

#[test]
fn only_a_lodged_entry_makes_a_complaint() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    let lodges = |entry| crate::complaint::Complaint::lodge(&entry, &federation.charters).is_some();
    assert!(!lodges(federation.node("ombudsman").responds(&case).entry()));
    assert!(!lodges(federation.node("ombudsman").witnesses().entry()));
}
