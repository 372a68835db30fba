//! The citizen's word: signed by the citizen, numbered, about one answer, and carried by any of three agencies.

use super::*;
use crate::citizen::Word;

/// A complaint that was lodged with kota-bandung and resolved by kominfo, with that answer.
fn resolved(federation: &Federation) -> (Case<'_>, EntryId) {
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    let answer = case.take(federation.node("kominfo").resolves(&case));
    (case, answer)
}

fn phase(case: &Case<'_>) -> Phase {
    case.complaint.case().phase
}

#[test]
fn intake_its_supervisor_and_oversight_carry_a_signed_word_and_nobody_else_does() {
    let federation = Federation::new();
    for carrier in ["kota-bandung", "prov-jabar", "ombudsman"] {
        let (mut case, _) = resolved(&federation);
        case.take(federation.node(carrier).replies(&case, ReplyWord::Dissatisfied, REPLY_CODE));
        assert_eq!(phase(&case), Phase::Reopened, "{carrier}");
    }
    let (mut case, _) = resolved(&federation);
    let by_the_holder = federation.node("kominfo").replies(&case, ReplyWord::Satisfied, REPLY_CODE);
    let not_carrier = NoEffect::NotHeard(NotHeard::NotCarrier { intake: agency("kota-bandung") });
    assert_eq!(without_effect(&mut case, by_the_holder), not_carrier);
}

#[test]
fn an_intake_agency_that_holds_the_complaint_cannot_withhold_the_citizen_s_word() {
    let federation = Federation::new();
    for carrier in ["prov-jabar", "ombudsman"] {
        let mut case = federation.case_at("kota-bandung");
        let city = federation.node("kota-bandung");
        case.take(city.resolves(&case));
        case.later(10 * DAY);
        let silence = city.closes(&case, CloseCause::Silence);
        let carried = federation.node(carrier).replies(&case, ReplyWord::Dissatisfied, REPLY_CODE).entry();
        // Whichever comes first, the case is open at the end.
        let mut closed = case.clone();
        closed.take(silence.clone());
        assert_eq!((phase(&closed), closed.complaint.case().self_closed), (Phase::Closed, false));
        closed.learn(&carried);
        closed.later(MINUTE);
        closed.take(federation.node(carrier).replies(&closed, ReplyWord::Dissatisfied, REPLY_CODE));
        assert_eq!(phase(&closed), Phase::Reopened, "{carrier}");
        case.learn(&carried);
        let late = silence.at(case.now + MINUTE);
        assert_eq!(without_effect(&mut case, late), NoEffect::UntrueCause);
        assert_eq!(phase(&case), Phase::Reopened, "{carrier}");
    }
}

#[test]
fn a_word_that_is_shown_again_has_no_effect() {
    let federation = Federation::new();
    let (mut case, answer) = resolved(&federation);
    let satisfied = case.next_word(ReplyWord::Satisfied);
    let city = federation.node("kota-bandung");
    case.take(city.carries(&case, satisfied.clone(), REPLY_CODE));
    case.take(city.closes(&case, CloseCause::Reply));
    assert_eq!(phase(&case), Phase::Closed);
    case.take(federation.node("ombudsman").replies(&case, ReplyWord::Dissatisfied, REPLY_CODE));
    assert_eq!(phase(&case), Phase::Reopened);
    for carrier in ["kota-bandung", "prov-jabar", "ombudsman"] {
        let replay = federation.node(carrier).carries(&case, satisfied.clone(), REPLY_CODE);
        assert_eq!(without_effect(&mut case, replay), NoEffect::NotHeard(NotHeard::Outdated { number: 1, highest: 2 }));
    }
    let closes = city.closes(&case, CloseCause::Reply).on_ground(Some(answer));
    assert_eq!(without_effect(&mut case, closes), NoEffect::UntrueCause);
}

#[test]
fn a_satisfied_word_is_for_the_answer_that_it_names() {
    let federation = Federation::new();
    let (mut case, first) = resolved(&federation);
    let (city, holder) = (federation.node("kota-bandung"), federation.node("kominfo"));
    let about = |case: &Case<'_>, answer| Word { answer: Some(answer), ..case.next_word(ReplyWord::Satisfied) };
    case.take(city.replies(&case, ReplyWord::Dissatisfied, REPLY_CODE));
    // After the reopening the old answer is closed by nothing, and the new one only by a word of its own.
    let old = case.take(city.carries(&case, about(&case, first), REPLY_CODE));
    assert_eq!((case.standing(old), case.complaint.case().citizens_word), (Standing::Effective, None));
    let second = case.take(holder.resolves(&case));
    let old = case.take(city.carries(&case, about(&case, first), REPLY_CODE));
    let closes = city.closes(&case, CloseCause::Reply).on_ground(Some(old));
    assert_eq!(without_effect(&mut case, closes), NoEffect::UntrueCause);
    let new = case.take(city.carries(&case, about(&case, second), REPLY_CODE));
    case.take(city.closes(&case, CloseCause::Reply).on_ground(Some(new)));
    assert_eq!((phase(&case), case.complaint.case().word_number), (Phase::Closed, 4));
}

#[test]
fn a_satisfied_word_ends_the_case_for_an_answer_that_crossed() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    let city = federation.node("kota-bandung");
    let offer = federation.node("kominfo").forwards(&case).to("kemendagri").entry();
    case.learn(&offer);
    let accepts = federation.node("kemendagri").accepts(&case).entry();
    let answer = federation.node("kominfo").resolves(&case).entry();
    case.learn(&accepts);
    case.learn(&answer);
    assert_eq!(case.standing(answer.id), Standing::WithoutEffect(NoEffect::Crossed { by: accepts.id }));
    case.later(MINUTE);
    case.take(federation.node("kemendagri").progresses(&case));
    let word = Word { answer: Some(answer.id), ..case.next_word(ReplyWord::Satisfied) };
    let mut worked_on = case.clone();
    let word = city.carries(&case, word, REPLY_CODE).entry();
    case.learn(&word);
    assert_eq!(phase(&case), Phase::InProgress);
    case.later(MINUTE);
    case.take(city.closes(&case, CloseCause::Reply).on_ground(Some(word.id)));
    assert_eq!((phase(&case), case.holder()), (Phase::Closed, "kemendagri"));
    // If the new holder answers as well, the word is about the older of two answers.
    worked_on.take(federation.node("kemendagri").resolves(&worked_on));
    worked_on.learn(&word);
    assert_eq!((phase(&worked_on), worked_on.complaint.case().citizens_word), (Phase::Resolved, None));
}

#[test]
fn a_word_names_an_answer_that_its_carrier_had_seen() {
    let federation = Federation::new();
    let (mut case, answer) = resolved(&federation);
    let city = federation.node("kota-bandung");
    let next = case.next_word(ReplyWord::Satisfied);
    let others = [None, Some(EntryId([9; 32])), Some(case.complaint.lodged_entry()), Some(case.complaint.tip())];
    for named in others {
        let word = Word { answer: named, ..next.clone() };
        let carries = city.carries(&case, word, REPLY_CODE);
        assert_eq!(without_effect(&mut case, carries), NoEffect::NotHeard(NotHeard::NoAnswer), "{named:?}");
    }
    let unseen = city.carries(&case, next, REPLY_CODE).after(&[case.complaint.tip()]);
    assert_eq!(without_effect(&mut case, unseen), NoEffect::NotHeard(NotHeard::NoAnswer));
    let closes = case.take(city.closes(&case, CloseCause::OwnWord));
    for (says, reason) in
        [(ReplyWord::Satisfied, Some(NoEffect::NotHeard(NotHeard::NoAnswer))), (ReplyWord::Dissatisfied, None)]
    {
        let carries = city.carries(&case, Word { answer: Some(closes), ..case.next_word(says) }, REPLY_CODE);
        match reason {
            Some(reason) => assert_eq!(without_effect(&mut case, carries), reason, "an end satisfies nobody"),
            None => drop(case.take(carries)),
        }
    }
    assert_eq!((phase(&case), case.complaint.case().newest_answer.map(|(_, id)| id)), (Phase::Reopened, Some(answer)));
}

#[test]
fn of_two_words_with_one_number_the_same_one_counts_on_every_node() {
    let federation = Federation::new();
    let (case, _) = resolved(&federation);
    let of = |carrier: &str, says| federation.node(carrier).replies(&case, says, REPLY_CODE).at_leaf(7);
    let earlier = of("kota-bandung", ReplyWord::Satisfied).at(case.now + MINUTE).entry();
    let later = of("ombudsman", ReplyWord::Dissatisfied).at(case.now + 2 * MINUTE).entry();
    let (mut one, mut two) = (case.clone(), case.clone());
    for (case, order) in [(&mut one, [&earlier, &later]), (&mut two, [&later, &earlier])] {
        for entry in order {
            case.learn(entry);
        }
    }
    assert_eq!(one.complaint.case(), two.complaint.case());
    assert_eq!((phase(&one), one.complaint.case().citizens_word), (Phase::Resolved, Some(earlier.id)));
    assert_eq!(
        two.standing(later.id),
        Standing::WithoutEffect(NoEffect::NotHeard(NotHeard::Outdated { number: 1, highest: 1 }))
    );
}

#[test]
fn the_number_zero_and_a_word_after_the_highest_number_have_no_effect() {
    let federation = Federation::new();
    let (mut case, _) = resolved(&federation);
    let city = federation.node("kota-bandung");
    let numbered = |case: &Case<'_>, number| Word { number, ..case.next_word(ReplyWord::Information) };
    let zero = city.carries(&case, numbered(&case, 0), REPLY_CODE);
    assert_eq!(without_effect(&mut case, zero), NoEffect::NotHeard(NotHeard::Outdated { number: 0, highest: 0 }));
    case.take(city.carries(&case, numbered(&case, u64::MAX), REPLY_CODE));
    let again = city.carries(&case, numbered(&case, u64::MAX), REPLY_CODE);
    assert_eq!(
        without_effect(&mut case, again),
        NoEffect::NotHeard(NotHeard::Outdated { number: u64::MAX, highest: u64::MAX })
    );
}
