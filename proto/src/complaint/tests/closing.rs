//! Closing: the cause must be true, and the entry names the ground that makes it true.

use super::*;

const SILENCE: u64 = 10 * DAY;

/// A complaint that kominfo answered, with the answer.
fn answered(federation: &Federation) -> (Case<'_>, EntryId) {
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let answer = case.take(federation.node("kominfo").responds(&case));
    (case, answer)
}

fn millis_of(case: &Case<'_>, id: EntryId) -> u64 {
    case.complaint.entry(&id).expect("an entry of the case").clock.millis()
}

/// Whether a closing by reply has effect after these replies. It names the newest reply.
fn closes_after(replies: &[(ReplyWord, &str)]) -> bool {
    let federation = Federation::new();
    let (mut case, _) = answered(&federation);
    let intake = federation.node("ombudsman");
    let newest = replies.iter().map(|(word, code)| case.take(intake.replies(&case, *word, code))).last();
    let before = case.complaint.case().phase;
    let closing = case.take(intake.closes(&case, CloseCause::Reply).on_ground(newest));
    let (phase, standing) = (case.complaint.case().phase, case.standing(closing));
    assert!(!case.complaint.case().self_closed, "only the agency's own word counts as such");
    if standing == Standing::Effective {
        assert_eq!(phase, Phase::Closed);
        return true;
    }
    assert_eq!((phase, standing), (before, Standing::WithoutEffect(NoEffect::UntrueCause)));
    false
}

#[test]
fn a_case_is_not_closed_by_a_reply_that_nobody_gave() {
    let federation = Federation::new();
    let (mut case, answer) = answered(&federation);
    let intake = federation.node("ombudsman");
    let others = [None, Some(answer), Some(case.complaint.lodged_entry()), Some(EntryId([9; 32]))];
    for (leaf, ground) in (0..).zip(others) {
        let closes = intake.closes(&case, CloseCause::Reply).on_ground(ground).at_leaf(leaf);
        assert_eq!(without_effect(&mut case, closes), NoEffect::UntrueCause);
    }
    case.take(intake.closes(&case, CloseCause::OwnWord));
    assert_eq!((case.complaint.case().phase, case.complaint.case().self_closed), (Phase::Closed, true));
}

#[test]
fn only_the_citizen_s_signature_makes_a_reply_the_citizen_s_word() {
    assert!(closes_after(&[(ReplyWord::Satisfied, REPLY_CODE)]));
    assert!(!closes_after(&[(ReplyWord::Satisfied, "")]));
    assert!(!closes_after(&[(ReplyWord::Satisfied, OTHER_CODE)]));
}

#[test]
fn information_closes_nothing_and_takes_no_satisfied_word_back() {
    assert!(!closes_after(&[(ReplyWord::Information, REPLY_CODE)]));
    let federation = Federation::new();
    for code in [REPLY_CODE, ""] {
        let (mut case, _) = answered(&federation);
        let intake = federation.node("ombudsman");
        let word = case.take(intake.replies(&case, ReplyWord::Satisfied, REPLY_CODE));
        case.take(intake.replies(&case, ReplyWord::Information, code));
        case.take(intake.closes(&case, CloseCause::Reply).on_ground(Some(word)));
        assert_eq!(case.complaint.case().phase, Phase::Closed);
    }
}

#[test]
fn a_dissatisfied_reply_closes_nothing() {
    assert!(!closes_after(&[(ReplyWord::Dissatisfied, REPLY_CODE)]));
    assert!(!closes_after(&[(ReplyWord::Satisfied, REPLY_CODE), (ReplyWord::Dissatisfied, REPLY_CODE)]));
    assert!(!closes_after(&[(ReplyWord::Satisfied, REPLY_CODE), (ReplyWord::Dissatisfied, "")]));
    assert!(
        !closes_after(&[(ReplyWord::Dissatisfied, REPLY_CODE), (ReplyWord::Satisfied, REPLY_CODE)]),
        "it was reopened"
    );
}

#[test]
fn a_closing_names_the_reply_with_the_word_and_no_other() {
    let federation = Federation::new();
    let (mut case, answer) = answered(&federation);
    let intake = federation.node("ombudsman");
    let first = case.take(intake.replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    let second = case.take(intake.replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    for ground in [None, Some(first), Some(answer)] {
        let closes = intake.closes(&case, CloseCause::Reply).on_ground(ground);
        assert_eq!(without_effect(&mut case, closes), NoEffect::UntrueCause);
    }
    case.take(intake.closes(&case, CloseCause::Reply).on_ground(Some(second)));
    assert_eq!(case.complaint.case().phase, Phase::Closed);
}

#[test]
fn a_new_answer_takes_the_ground_away() {
    let federation = Federation::new();
    let (mut case, _) = answered(&federation);
    let (holder, intake) = (federation.node("kominfo"), federation.node("ombudsman"));
    let word = case.take(intake.replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    assert_eq!(case.complaint.case().citizens_word, Some(word));
    let resolves = holder.resolves(&case).entry();
    let mut later = case.clone();
    later.learn(&resolves);
    assert_eq!(later.complaint.case().citizens_word, None);
    let closes = intake.closes(&later, CloseCause::Reply).on_ground(Some(word));
    assert_eq!(without_effect(&mut later, closes), NoEffect::UntrueCause);

    // The intake agency had not seen the new answer, which comes first by its clock.
    case.later(MINUTE);
    let closes = intake.closes(&case, CloseCause::Reply).entry();
    case.learn(&closes);
    assert_eq!((case.standing(closes.id), case.complaint.case().phase), (Standing::Effective, Phase::Closed));
    case.learn(&resolves);
    assert_eq!(case.standing(closes.id), Standing::WithoutEffect(NoEffect::UntrueCause));
    assert_eq!((case.complaint.case().phase, case.complaint.case().self_closed), (Phase::Resolved, false));
}

#[test]
fn silence_closes_from_the_millisecond_on_at_which_it_has_lasted() {
    let federation = Federation::new();
    let (mut case, answer) = answered(&federation);
    let due = millis_of(&case, answer) + SILENCE;
    let closes = federation.node("ombudsman").closes(&case, CloseCause::Silence);
    assert_eq!(without_effect(&mut case.clone(), closes.clone().at(due - 1)), NoEffect::UntrueCause);
    case.take(closes.at(due));
    assert_eq!((case.complaint.case().phase, case.complaint.case().self_closed), (Phase::Closed, false));
}

#[test]
fn silence_is_on_the_last_answer_and_on_no_older_one() {
    let federation = Federation::new();
    let (mut case, older) = answered(&federation);
    case.later(5 * DAY);
    let answer = case.take(federation.node("kominfo").resolves(&case));
    let since_older = millis_of(&case, older) + SILENCE;
    let due = millis_of(&case, answer) + SILENCE;
    let closes = |ground: Option<EntryId>, at: u64| {
        federation.node("ombudsman").closes(&case, CloseCause::Silence).on_ground(ground).at(at)
    };
    let lodged = case.complaint.lodged_entry();
    for (ground, at) in
        [(Some(older), since_older), (Some(older), due), (Some(answer), since_older), (None, due), (Some(lodged), due)]
    {
        assert_eq!(without_effect(&mut case.clone(), closes(ground, at)), NoEffect::UntrueCause);
    }
    let closes = closes(Some(answer), due);
    case.take(closes);
    assert_eq!(case.complaint.case().phase, Phase::Closed);
}

#[test]
fn a_reply_ends_the_silence_and_before_an_answer_there_is_none() {
    let federation = Federation::new();
    let intake = federation.node("ombudsman");
    for word in [ReplyWord::Information, ReplyWord::Satisfied, ReplyWord::Dissatisfied] {
        let (mut case, answer) = answered(&federation);
        case.take(intake.replies(&case, word, ""));
        case.later(20 * DAY);
        let closes = intake.closes(&case, CloseCause::Silence).on_ground(Some(answer));
        assert_eq!(without_effect(&mut case, closes), NoEffect::UntrueCause, "{word:?}");
    }
    let mut unanswered = federation.case_at("ombudsman");
    unanswered.later(20 * DAY);
    let closes = intake.closes(&unanswered, CloseCause::Silence);
    assert_eq!(without_effect(&mut unanswered, closes), NoEffect::UntrueCause);
}

#[test]
fn the_charter_that_a_closing_names_says_how_long_the_silence_lasts() {
    let federation = Federation::changed(|text| text.rules.silence_working_days = Some(3));
    let lodged = federation.node("ombudsman").lodges().under_charter(1).entry();
    let mut case = Case::lodged(&federation, &lodged);
    let answer = case.take(federation.node("ombudsman").responds(&case).under_charter(1));
    let since = millis_of(&case, answer);
    let closes =
        |version, at| federation.node("ombudsman").closes(&case, CloseCause::Silence).under_charter(version).at(at);
    for (version, days) in [(1, 10), (2, 3)] {
        let early = closes(version, since + days * DAY - 1);
        assert_eq!(without_effect(&mut case.clone(), early), NoEffect::UntrueCause, "charter {version}");
        let mut closed = case.clone();
        closed.take(closes(version, since + days * DAY));
        assert_eq!(closed.complaint.case().phase, Phase::Closed, "charter {version}");
    }
    // Who has seen an entry under the newer charter cannot choose the older one.
    let mut newer = case.clone();
    newer.take(federation.node("ksp").remarks(&newer));
    let back = federation.node("ombudsman").closes(&newer, CloseCause::Silence).under_charter(1).at(since + SILENCE);
    assert!(matches!(newer.judges(&back.entry()), crate::admission::Verdict::Refuse(_)));
}

#[test]
fn the_own_word_has_no_ground_and_no_other_cause_closes() {
    let federation = Federation::new();
    let (mut case, answer) = answered(&federation);
    let intake = federation.node("ombudsman");
    let with_ground = intake.closes(&case, CloseCause::OwnWord).on_ground(Some(answer));
    assert_eq!(without_effect(&mut case, with_ground), NoEffect::UntrueCause);
    for cause in [0, 4711, -1] {
        let mut closes = intake.closes(&case, CloseCause::Unspecified);
        if let crate::wire::entry::Body::Closed(body) = &mut closes.draft.body {
            body.cause = cause;
        }
        assert_eq!(without_effect(&mut case, closes), NoEffect::UntrueCause, "{cause}");
    }
}

#[test]
fn a_case_that_was_reopened_is_closed_only_after_a_new_answer() {
    let federation = Federation::new();
    let intake = federation.node("ombudsman");
    for code in [REPLY_CODE, ""] {
        let (mut case, _) = answered(&federation);
        case.take(intake.closes(&case, CloseCause::OwnWord));
        case.take(intake.replies(&case, ReplyWord::Dissatisfied, code));
        case.take(federation.node("kominfo").progresses(&case));
        let over = intake.closes(&case, CloseCause::OwnWord);
        assert_eq!(without_effect(&mut case, over), NoEffect::UntrueCause);
        case.take(federation.node("kominfo").resolves(&case));
        case.take(intake.closes(&case, CloseCause::OwnWord));
        assert_eq!((case.complaint.case().phase, case.complaint.case().self_closed), (Phase::Closed, true));
    }
}

#[test]
fn a_case_that_has_ended_is_not_closed_again() {
    let federation = Federation::new();
    let (mut case, _) = answered(&federation);
    let intake = federation.node("ombudsman");
    case.take(intake.closes(&case, CloseCause::OwnWord));
    case.take(intake.replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    for cause in [CloseCause::Reply, CloseCause::Silence, CloseCause::OwnWord] {
        let again = intake.closes(&case, cause);
        assert_eq!(without_effect(&mut case, again), NoEffect::CaseEnded { phase: Phase::Closed });
    }
    assert!(case.complaint.case().self_closed, "it was closed on the agency's own word, and that stays visible");
}
