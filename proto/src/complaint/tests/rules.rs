//! The numbers and the dates of the charter, by which offers and escalations are judged.

use super::*;
use crate::wire::{self, Deadline, entry::Body as Wire};

#[test]
fn the_charter_that_an_offer_names_says_how_long_the_addressee_may_take() {
    let federation = Federation::changed(|text| text.rules.answer_by_days = Some(30));
    let lodged = federation.node("kota-bandung").lodges().under_charter(1).entry();
    let mut case = Case::lodged(&federation, &lodged);
    case.later(MINUTE);
    for (number, days) in [(1, 14), (2, 30)] {
        let offers = |answer_by: u64| {
            let forwards = federation.node("kota-bandung").forwards(&case).to("kominfo");
            let reassigns = federation.node("prov-jabar").reassigns(&case).to("kominfo");
            [forwards, reassigns].map(|offer| offer.answer_by(answer_by).at(case.now).under_charter(number))
        };
        let longest = case.now + days * DAY;
        for offer in offers(longest) {
            let mut case = case.clone();
            case.take(offer);
            assert_eq!((case.offered_to(), answer_by(&case)), (Some("kominfo"), longest), "charter {number}");
        }
        for offer in offers(longest + 1) {
            let days = u32::try_from(days).expect("few");
            let reason = NoEffect::AnswerByOutOfRange { answer_by: longest + 1, days };
            assert_eq!(without_effect(&mut case.clone(), offer), reason, "charter {number}");
        }
    }
}

#[test]
fn offers_end_with_the_grace_of_the_charter_and_answers_do_not() {
    let federation = Federation::changed(|text| {
        text.valid_until = "2025-11-28T00:00:00Z".to_owned();
        text.grace_days = 2;
    });
    let ended: u64 = 1_764_460_800_000;
    assert_eq!(federation.charter().offers_end(), ended, "2025-11-30T00:00:00Z");
    let node = federation.node("kota-bandung");
    let lodged = node.lodges().under_charter(1).entry();
    let mut case = Case::lodged(&federation, &lodged);
    case.now = ended;
    let offers = |at: u64| {
        let forwards = node.forwards(&case).to("kominfo");
        let reassigns = federation.node("prov-jabar").reassigns(&case).to("kominfo");
        [forwards, reassigns].map(|offer| offer.answer_by(at + DAY).at(at))
    };
    for offer in offers(ended + 1) {
        assert_eq!(without_effect(&mut case.clone(), offer.clone()), NoEffect::CharterExpired { ended });
        let mut under_first = case.clone();
        under_first.take(offer.under_charter(1));
        assert_eq!(under_first.offered_to(), Some("kominfo"), "the charter counts that the offer names");
    }
    for offer in offers(ended) {
        let mut case = case.clone();
        case.take(offer);
        assert_eq!(case.offered_to(), Some("kominfo"));
        case.later(DAY / 2);
        let (mut accepted, mut returned, mut withdrawn) = (case.clone(), case.clone(), case);
        accepted.take(federation.node("kominfo").accepts(&accepted));
        assert_eq!(accepted.holder(), "kominfo", "an answer to an earlier offer stays allowed");
        accepted.take(federation.node("kominfo").resolves(&accepted));
        assert_eq!(accepted.complaint.case().phase, Phase::Resolved, "and so does work");
        returned.take(federation.node("kominfo").returns(&returned));
        assert_eq!((returned.holder(), returned.offered_to()), ("kota-bandung", None));
        withdrawn.later(DAY);
        withdrawn.take(node.withdraws(&withdrawn));
        assert_eq!(withdrawn.offered_to(), None);
    }
}

#[test]
fn only_the_time_to_answer_that_the_offer_gives_escalates_and_only_when_it_is_over() {
    let federation = Federation::new();
    let (case, offer) = offered(&federation, "kota-bandung", "kominfo");
    let due = answer_by(&case);
    let escalates = |deadline: i32, due: u64, at: u64| {
        let body = wire::Escalated { deadline, due, ..Default::default() };
        federation.node("prov-jabar").says(&case, Wire::Escalated(body)).at(at)
    };
    let reason = |writing: Writing| {
        let mut case = case.clone();
        let reason = without_effect(&mut case, writing);
        assert_eq!(case.complaint.escalations().count(), 0);
        reason
    };
    let answer = i32::from(Deadline::Answer);
    let late = due + MARGIN + DAY;
    for invented in [0, START, due - 1, due + 1, u64::MAX] {
        let other = NoEffect::OtherDue { due: invented, answer_by: due };
        assert_eq!(reason(escalates(answer, invented, late)), other);
    }
    for deadline in [0, 2, 3, 4, 4711, -1] {
        assert_eq!(reason(escalates(deadline, due, late)), NoEffect::UnknownDeadline { deadline });
    }
    for early in [due, due + MARGIN - 1] {
        assert_eq!(reason(escalates(answer, due, early)), NoEffect::NotYetDue { due: due + MARGIN });
    }
    let mut case = case.clone();
    let escalation = case.take(escalates(answer, due, due + MARGIN));
    assert_eq!(case.standing(escalation), Standing::Effective);
    assert_eq!(case.complaint.escalations().collect::<Vec<_>>(), [(answer, offer, escalation)]);
}

#[test]
fn without_an_open_offer_nothing_escalates() {
    let federation = Federation::new();
    let mut case = federation.case_at("kota-bandung");
    case.later(30 * DAY);
    let body = wire::Escalated { deadline: Deadline::Answer.into(), due: case.now - DAY, ..Default::default() };
    let escalates = federation.node("prov-jabar").says(&case, Wire::Escalated(body));
    assert_eq!(without_effect(&mut case, escalates), NoEffect::NoOpenOffer);
}
