//! Commands: which become a body, and which are declined before anything is signed.

use super::{Author, Command, Declined, NewOffer, decide, recall_to_answer};
use crate::base::clock::HybridClock;
use crate::base::clock::rfc3339 as time;
use crate::base::ids::EntryId;
use crate::citizen::{Reply, Word};
use crate::complaint::{NoEffect, NotHeard, Phase, Standing};
use crate::fixture::{ANSWER_WITHIN, Case, DAY, Federation, MINUTE, OTHER_CODE, REPLY_CODE, agency, code};
use crate::wire::{CloseCause, ReplyWord, entry::Body as Wire};

fn command(federation: &Federation, case: &Case<'_>, by: &str, command: &Command) -> Result<Wire, Declined> {
    let id = agency(by);
    let millis = HybridClock::tick(case.now, case.complaint.newest_clock()).expect("a clock before its end").millis();
    let author = Author { agency: &id, millis, charters: &federation.charters, answer_within_millis: ANSWER_WITHIN };
    decide(&case.complaint, command, author)
}

/// Decides a command, and signs, admits and folds its entry. The entry must have effect.
fn done<'f>(federation: &'f Federation, case: &mut Case<'f>, by: &str, ordered: Command) {
    let body = command(federation, case, by, &ordered).unwrap_or_else(|declined| panic!("{ordered:?}: {declined}"));
    let id = case.take(federation.node(by).says(case, body));
    assert_eq!(case.standing(id), Standing::Effective, "{ordered:?}");
}

fn declined(federation: &Federation, case: &Case<'_>, by: &str, ordered: Command) -> Declined {
    match command(federation, case, by, &ordered) {
        Err(declined) => declined,
        Ok(body) => panic!("{ordered:?} became {body:?}"),
    }
}

fn forward(to: &str) -> Command {
    Command::Forward(NewOffer { to: agency(to), reason: 1, answer_by: None })
}

/// The agency's own note.
fn note(says: ReplyWord) -> Command {
    Command::Reply(Reply { word: Word { says, answer: None, score: 0, number: 0 }, signature: None })
}

/// The citizen's next word, signed with the key of a reply code.
fn word(case: &Case<'_>, says: ReplyWord, reply_code: &str) -> Command {
    signed(case, case.next_word(says), reply_code)
}

fn signed(case: &Case<'_>, word: Word, reply_code: &str) -> Command {
    let signed = word.sign(case.complaint.id(), &code(reply_code).key());
    Command::Reply(Reply { word: signed.word, signature: Some(signed.signature) })
}

fn verify(category: &str) -> Command {
    Command::Verify { category: category.to_owned(), priority: 1, handling: 1 }
}

fn close(cause: CloseCause) -> Command {
    Command::Close { cause: cause.into() }
}

fn resolve() -> Command {
    Command::Resolve { outcome: 1 }
}

fn progress() -> Command {
    Command::Progress { state: 1 }
}

fn give_back() -> Command {
    Command::Return { reason: 1, suggestion: Some(agency("kota-bandung")) }
}

#[test]
fn a_complaint_is_commanded_from_intake_to_closing() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    done(&federation, &mut case, "ombudsman", Command::Recall);
    done(&federation, &mut case, "kominfo", give_back());
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    case.later(ANSWER_WITHIN + 10 * MINUTE);
    done(&federation, &mut case, "ombudsman", Command::Withdraw);
    done(&federation, &mut case, "ombudsman", forward("kota-bandung"));
    done(&federation, &mut case, "kota-bandung", Command::Accept);
    done(&federation, &mut case, "kota-bandung", verify("lampu jalan"));
    done(&federation, &mut case, "kota-bandung", progress());
    done(&federation, &mut case, "kota-bandung", Command::Respond);
    done(&federation, &mut case, "kota-bandung", resolve());
    let said = word(&case, ReplyWord::Satisfied, REPLY_CODE);
    done(&federation, &mut case, "ombudsman", said);
    done(&federation, &mut case, "ombudsman", close(CloseCause::Reply));
    assert_eq!(case.complaint.case().phase, Phase::Closed);
    assert!(!case.complaint.case().self_closed);
}

#[test]
fn an_offer_without_an_answer_by_gets_the_configured_one() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    case.later(DAY);
    let body = command(&federation, &case, "ombudsman", &forward("kominfo")).expect("a body");
    let Wire::Forwarded(body) = body else { panic!("{body:?}") };
    assert_eq!(body.answer_by, case.now + ANSWER_WITHIN);
    let given = Command::Forward(NewOffer { to: agency("kominfo"), reason: 1, answer_by: Some(case.now + 7) });
    let body = command(&federation, &case, "ombudsman", &given).expect("a body");
    let Wire::Forwarded(body) = body else { panic!("{body:?}") };
    assert_eq!(body.answer_by, case.now + 7);
}

#[test]
fn the_configured_time_to_answer_is_cut_to_the_bound_of_the_charter() {
    let answer_by = |federation: &Federation, within: u64, given: Option<u64>| {
        let case = federation.case_at("ombudsman");
        let id = agency("ombudsman");
        let author =
            Author { agency: &id, millis: case.now + 1, charters: &federation.charters, answer_within_millis: within };
        let offer = NewOffer { to: agency("kominfo"), reason: 1, answer_by: given.map(|after| author.millis + after) };
        match decide(&case.complaint, &Command::Forward(offer), author) {
            Ok(Wire::Forwarded(body)) => Ok(body.answer_by - author.millis),
            Ok(body) => panic!("{body:?}"),
            Err(Declined::NoEffect { reason, .. }) => Err(reason),
            Err(declined) => panic!("{declined}"),
        }
    };
    let federation = Federation::new();
    for (configured, expected) in [(3 * DAY, 3 * DAY), (14 * DAY, 14 * DAY), (15 * DAY, 14 * DAY), (u64::MAX, 14 * DAY)]
    {
        assert_eq!(answer_by(&federation, configured, None), Ok(expected));
    }
    let strict = Federation::changed(|text| text.rules.answer_by_days = Some(2));
    assert_eq!(answer_by(&strict, ANSWER_WITHIN, None), Ok(2 * DAY));
    assert_eq!(answer_by(&strict, ANSWER_WITHIN, Some(2 * DAY)), Ok(2 * DAY));
    let refused = answer_by(&strict, ANSWER_WITHIN, Some(2 * DAY + 1));
    assert!(matches!(refused, Err(NoEffect::AnswerByOutOfRange { days: 2, .. })), "what the operator names is not cut");
}

#[test]
fn a_command_without_effect_is_declined_with_the_reason() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let reason = |case: &Case<'_>, by: &str, ordered: Command| match declined(&federation, case, by, ordered) {
        Declined::NoEffect { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let not_holder = NoEffect::NotHolder { holder: agency("kominfo") };
    for ordered in
        [forward("ksp"), verify("x"), progress(), Command::Respond, resolve(), Command::Withdraw, Command::Recall]
    {
        assert_eq!(reason(&case, "ombudsman", ordered), not_holder);
    }
    for ordered in [Command::Accept, give_back(), Command::Withdraw, Command::Recall] {
        assert_eq!(reason(&case, "kominfo", ordered), NoEffect::NoOpenOffer);
    }
    assert_eq!(reason(&case, "kominfo", forward("kominfo")), NoEffect::OfferToHolder);
    let not_active = NoEffect::AddresseeNotActive { to: agency("setneg") };
    assert_eq!(reason(&case, "kominfo", forward("setneg")), not_active);
    assert_eq!(
        reason(&case, "kominfo", note(ReplyWord::Satisfied)),
        NoEffect::NotIntake { intake: agency("ombudsman") }
    );
    done(&federation, &mut case, "kominfo", forward("ksp"));
    let answer_by = case.now + ANSWER_WITHIN;
    let open = NoEffect::OfferOpen { to: agency("ksp"), answer_by };
    assert_eq!(reason(&case, "kominfo", forward("kemendagri")), open);
    let early = NoEffect::BeforeMargin { to: agency("ksp"), answer_by };
    assert_eq!(reason(&case, "kominfo", Command::Withdraw), early);
    case.later(ANSWER_WITHIN + 1);
    let late = NoEffect::AfterAnswerBy { answer_by, holder: agency("kominfo") };
    assert_eq!(reason(&case, "ksp", Command::Accept), late);
}

#[test]
fn an_ended_case_is_not_worked_on_until_it_is_reopened() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", resolve());
    done(&federation, &mut case, "ombudsman", close(CloseCause::OwnWord));
    for ordered in [forward("ksp"), verify("x"), progress(), Command::Respond, resolve()] {
        let phase = Phase::Closed;
        let complaint = case.complaint.id().short();
        assert_eq!(declined(&federation, &case, "ombudsman", ordered), Declined::Ended { complaint, phase });
    }
    done(&federation, &mut case, "ombudsman", note(ReplyWord::Dissatisfied));
    done(&federation, &mut case, "ombudsman", progress());
}

/// A complaint that the ombudsman resolved while it was on offer to kominfo.
fn resolved_on_offer(federation: &Federation) -> Case<'_> {
    let mut case = federation.case_at("ombudsman");
    done(federation, &mut case, "ombudsman", forward("kominfo"));
    done(federation, &mut case, "ombudsman", resolve());
    assert_eq!((case.complaint.case().phase, case.offered_to()), (Phase::Resolved, Some("kominfo")));
    case
}

#[test]
fn the_addressee_of_a_case_that_was_resolved_meanwhile_accepts_it_and_works_on() {
    let federation = Federation::new();
    let mut case = resolved_on_offer(&federation);
    done(&federation, &mut case, "kominfo", Command::Accept);
    assert_eq!((case.holder(), case.complaint.case().phase), ("kominfo", Phase::Resolved));
    let taken = case.clone();
    done(&federation, &mut case, "kominfo", progress());
    assert_eq!(case.complaint.case().phase, Phase::InProgress);
    done(&federation, &mut case, "kominfo", resolve());
    let by = |case: &Case<'_>| (case.complaint.case().phase, case.complaint.case().resolved_by.clone());
    assert_eq!(by(&case), (Phase::Resolved, Some(agency("kominfo"))));

    let mut at_once = taken.clone();
    done(&federation, &mut at_once, "kominfo", resolve());
    assert_eq!(by(&at_once), (Phase::Resolved, Some(agency("kominfo"))));
    let mut answered = taken.clone();
    done(&federation, &mut answered, "kominfo", verify("air"));
    done(&federation, &mut answered, "kominfo", Command::Respond);
    assert_eq!(answered.complaint.case().phase, Phase::Responded);
    let mut onward = taken;
    done(&federation, &mut onward, "kominfo", forward("kota-bandung"));
    done(&federation, &mut onward, "kota-bandung", Command::Accept);
    done(&federation, &mut onward, "kota-bandung", progress());
    assert_eq!((onward.holder(), onward.complaint.case().phase), ("kota-bandung", Phase::InProgress));
}

#[test]
fn the_addressee_of_a_case_that_was_resolved_meanwhile_returns_it() {
    let federation = Federation::new();
    let mut case = resolved_on_offer(&federation);
    done(&federation, &mut case, "kominfo", give_back());
    assert_eq!((case.holder(), case.offered_to()), ("ombudsman", None));
    done(&federation, &mut case, "ombudsman", forward("kota-bandung"));
}

#[test]
fn an_agency_that_took_over_a_resolved_case_does_not_work_on_it_after_it_was_closed() {
    let federation = Federation::new();
    let mut case = resolved_on_offer(&federation);
    done(&federation, &mut case, "kominfo", Command::Accept);
    done(&federation, &mut case, "ombudsman", close(CloseCause::OwnWord));
    for ordered in [progress(), forward("ksp"), resolve(), Command::Respond, verify("air")] {
        let (complaint, phase) = (case.complaint.id().short(), Phase::Closed);
        assert_eq!(declined(&federation, &case, "kominfo", ordered), Declined::Ended { complaint, phase });
    }
    // The same act without asking changes nothing.
    for writing in [federation.node("kominfo").progresses(&case), federation.node("kominfo").resolves(&case)] {
        case.take(writing);
        assert_eq!(case.complaint.case().phase, Phase::Closed);
        assert_eq!(case.complaint.case().resolved_by, Some(agency("ombudsman")));
    }
}

#[test]
fn only_an_answered_case_is_closed() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let phase = |declined| match declined {
        Declined::NotAnswered { phase, .. } => phase,
        other => panic!("{other}"),
    };
    let causes = [CloseCause::Reply, CloseCause::Silence, CloseCause::OwnWord];
    for cause in causes {
        assert_eq!(phase(declined(&federation, &case, "ombudsman", close(cause))), Phase::Received);
    }
    done(&federation, &mut case, "ombudsman", Command::Respond);
    done(&federation, &mut case, "ombudsman", close(CloseCause::OwnWord));
    for cause in causes {
        assert_eq!(phase(declined(&federation, &case, "ombudsman", close(cause))), Phase::Closed);
    }
}

#[test]
fn a_closing_by_the_citizen_s_word_is_declined_while_there_is_none() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", Command::Respond);
    let no_reply = Declined::NoReply { complaint: case.complaint.id().short() };
    let refused = |case: &Case<'_>| declined(&federation, case, "ombudsman", close(CloseCause::Reply));
    assert_eq!(refused(&case), no_reply);
    assert!(!no_reply.is_usage());
    done(&federation, &mut case, "ombudsman", note(ReplyWord::Satisfied));
    assert_eq!(refused(&case), no_reply, "a reply without a signature is the agency's own note");
    let said = word(&case, ReplyWord::Satisfied, REPLY_CODE);
    done(&federation, &mut case, "ombudsman", said);
    done(&federation, &mut case, "ombudsman", Command::Respond);
    assert_eq!(refused(&case), no_reply, "the word was on an earlier answer");
    let said = word(&case, ReplyWord::Satisfied, REPLY_CODE);
    done(&federation, &mut case, "ombudsman", said);
    done(&federation, &mut case, "ombudsman", close(CloseCause::Reply));
    assert!(!case.complaint.case().self_closed);
}

#[test]
fn a_closing_by_silence_is_declined_until_the_time_of_the_charter_and_the_refusal_names_both() {
    let federation = Federation::changed(|text| text.rules.silence_working_days = Some(5));
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", Command::Respond);
    let answered = case.complaint.newest_clock().millis();
    case.now = answered + 5 * DAY - 1;
    let early = declined(&federation, &case, "ombudsman", close(CloseCause::Silence));
    let complaint = case.complaint.id().short();
    let since = format!("that is over at {}", time(answered + 5 * DAY));
    assert_eq!(early, Declined::NotSilent { complaint: complaint.clone(), version: 2, working_days: 5, since });
    for part in ["charter version 2", "5 working days", "2025-11-29T16:00:00"] {
        assert!(early.to_string().contains(part), "{part}: {early}");
    }
    let mut replied = case.clone();
    case.later(1);
    done(&federation, &mut case, "ombudsman", close(CloseCause::Silence));
    assert_eq!((case.complaint.case().phase, case.complaint.case().self_closed), (Phase::Closed, false));

    done(&federation, &mut replied, "ombudsman", note(ReplyWord::Information));
    replied.later(30 * DAY);
    let since = "the citizen has replied to the last one".to_owned();
    let broken = Declined::NotSilent { complaint, version: 2, working_days: 5, since };
    assert_eq!(declined(&federation, &replied, "ombudsman", close(CloseCause::Silence)), broken);
}

#[test]
fn a_closing_without_a_cause_is_declined() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", Command::Respond);
    for cause in [0, 4711] {
        let declined = declined(&federation, &case, "ombudsman", Command::Close { cause });
        let complaint = case.complaint.id().short();
        assert_eq!(declined, Declined::NoEffect { complaint, reason: NoEffect::UntrueCause });
    }
}

#[test]
fn a_word_that_would_have_no_effect_is_declined_and_a_note_is_allowed() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let reason = |case: &Case<'_>, by: &str, ordered| match declined(&federation, case, by, ordered) {
        Declined::NoEffect { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let early = word(&case, ReplyWord::Satisfied, REPLY_CODE);
    assert_eq!(reason(&case, "ombudsman", early), NoEffect::NotHeard(NotHeard::NoAnswer));
    done(&federation, &mut case, "ombudsman", Command::Respond);
    let wrong = word(&case, ReplyWord::Satisfied, OTHER_CODE);
    assert_eq!(reason(&case, "ombudsman", wrong), NoEffect::NotHeard(NotHeard::NotSigned));
    let right = word(&case, ReplyWord::Satisfied, REPLY_CODE);
    let not_carrier = NoEffect::NotHeard(NotHeard::NotCarrier { intake: agency("ombudsman") });
    assert_eq!(reason(&case, "kota-bandung", right.clone()), not_carrier);
    let unknown = Word { answer: Some(EntryId([9; 32])), ..case.next_word(ReplyWord::Satisfied) };
    assert_eq!(reason(&case, "ombudsman", signed(&case, unknown, REPLY_CODE)), NoEffect::NotHeard(NotHeard::NoAnswer));
    assert!(command(&federation, &case, "ombudsman", &note(ReplyWord::Satisfied)).is_ok());
    done(&federation, &mut case, "ombudsman", right.clone());
    assert_eq!(reason(&case, "ombudsman", right), NoEffect::NotHeard(NotHeard::Outdated { number: 1, highest: 1 }));
}

#[test]
fn without_a_citizen_s_key_no_word_is_signed() {
    let federation = Federation::new();
    let mut lodges = federation.node("ombudsman").lodges();
    if let Wire::Lodged(body) = &mut lodges.draft.body {
        (body.citizen_key, body.key_origin) = (Vec::new(), 0);
    }
    let mut case = Case::lodged(&federation, &lodges.entry());
    done(&federation, &mut case, "ombudsman", Command::Respond);
    let said = word(&case, ReplyWord::Satisfied, REPLY_CODE);
    let complaint = case.complaint.id().short();
    let reason = NoEffect::NotHeard(NotHeard::NoKey);
    assert_eq!(declined(&federation, &case, "ombudsman", said), Declined::NoEffect { complaint, reason });
    done(&federation, &mut case, "ombudsman", note(ReplyWord::Dissatisfied));
}

#[test]
fn an_entry_or_content_that_the_complaint_does_not_have_is_a_usage_error() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    let usage = |ordered: Command| {
        let declined = declined(&federation, &case, "ombudsman", ordered);
        assert!(declined.is_usage(), "{declined}");
        declined
    };
    let entry = EntryId([9; 32]);
    let erase = Command::Erase { ground: 1, entries: vec![case.complaint.lodged_entry(), entry] };
    assert_eq!(usage(erase), Declined::NoSuchEntry { entry });
    let disclose = |entry, commitment| Command::Disclose { entry, commitment, to: agency("ksp") };
    assert_eq!(usage(disclose(Some(entry), 0)), Declined::NoSuchEntry { entry });
    let contents = case.complaint.entry(&case.complaint.lodged_entry()).expect("Lodged").commitments.len();
    let number = u32::try_from(contents).expect("few");
    assert_eq!(usage(disclose(None, number)), Declined::NoSuchContent { number, contents });
}

#[test]
fn a_recall_is_answered_by_the_addressee_while_the_offer_is_open() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None);
    let offer = case.complaint.tip();
    // A recall by an agency that may not recall the offer.
    case.take(federation.node("ksp").recalls(&case));
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None);
    done(&federation, &mut case, "ombudsman", Command::Recall);
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), Some(offer));
    assert_eq!(recall_to_answer(&case.complaint, &agency("ombudsman")), None);
    done(&federation, &mut case, "kominfo", Command::Accept);
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None, "it had accepted");
}

#[test]
fn a_recall_of_an_earlier_offer_does_not_hold_for_a_new_one() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    done(&federation, &mut case, "ombudsman", Command::Recall);
    done(&federation, &mut case, "kominfo", give_back());
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None);
}
