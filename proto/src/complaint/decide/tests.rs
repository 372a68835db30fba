//! Commands: which become a body, and which are declined before anything is signed.

use super::{Author, Command, Declined, NewOffer, decide, recall_to_answer};
use crate::base::clock::HybridClock;
use crate::base::ids::EntryId;
use crate::complaint::{NoEffect, Phase, Standing};
use crate::fixture::{ANSWER_WITHIN, Case, DAY, Federation, MINUTE, REPLY_CODE, agency};
use crate::wire::{CloseCause, ReplyWord, entry::Body as Wire};

fn command(federation: &Federation, case: &Case<'_>, by: &str, command: &Command) -> Result<Wire, Declined> {
    let id = agency(by);
    let millis = HybridClock::tick(case.now, case.complaint.newest_clock()).expect("a clock before its end").millis();
    let author = Author { agency: &id, millis, charter: federation.charter(), answer_within_millis: ANSWER_WITHIN };
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

fn reply(word: ReplyWord, code: &str) -> Command {
    Command::Reply { word, reply_code: code.to_owned() }
}

fn verify(category: &str) -> Command {
    Command::Verify { category: category.to_owned(), priority: 1, handling: 1 }
}

fn close() -> Command {
    Command::Close { cause: CloseCause::Reply.into(), silence_working_days: 0 }
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
    done(&federation, &mut case, "ombudsman", reply(ReplyWord::Satisfied, REPLY_CODE));
    done(&federation, &mut case, "ombudsman", close());
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
        reason(&case, "kominfo", reply(ReplyWord::Satisfied, "")),
        NoEffect::NotIntake { intake: agency("ombudsman") }
    );
    done(&federation, &mut case, "kominfo", forward("ksp"));
    assert_eq!(reason(&case, "kominfo", forward("kemendagri")), NoEffect::OfferOpen { to: agency("ksp") });
    let from = case.now + ANSWER_WITHIN + 10 * MINUTE;
    assert_eq!(reason(&case, "kominfo", Command::Withdraw), NoEffect::BeforeMargin { from });
    case.later(ANSWER_WITHIN + 1);
    let answer_by = case.now - 1;
    assert_eq!(reason(&case, "ksp", Command::Accept), NoEffect::AfterAnswerBy { answer_by });
}

#[test]
fn an_ended_case_is_not_worked_on_until_it_is_reopened() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", resolve());
    for ordered in [forward("ksp"), verify("x"), progress(), Command::Respond, resolve()] {
        let phase = Phase::Resolved;
        let complaint = case.complaint.id().short();
        assert_eq!(declined(&federation, &case, "ombudsman", ordered), Declined::Ended { complaint, phase });
    }
    done(&federation, &mut case, "ombudsman", reply(ReplyWord::Dissatisfied, ""));
    done(&federation, &mut case, "ombudsman", progress());
}

#[test]
fn only_an_answered_case_is_closed() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let phase = |declined| match declined {
        Declined::NotAnswered { phase, .. } => phase,
        other => panic!("{other}"),
    };
    assert_eq!(phase(declined(&federation, &case, "ombudsman", close())), Phase::Received);
    done(&federation, &mut case, "ombudsman", Command::Respond);
    done(&federation, &mut case, "ombudsman", close());
    assert_eq!(phase(declined(&federation, &case, "ombudsman", close())), Phase::Closed);
}

#[test]
fn a_wrong_reply_code_is_declined_and_a_missing_one_is_allowed() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    let wrong = declined(&federation, &case, "ombudsman", reply(ReplyWord::Satisfied, "guess"));
    assert_eq!(wrong, Declined::WrongReplyCode { complaint: case.complaint.id().short() });
    assert!(!wrong.is_usage());
    assert!(!wrong.to_string().contains("guess"));
    for code in ["", REPLY_CODE, "K7QM 2D9X P4VT 0HSZ"] {
        assert!(command(&federation, &case, "ombudsman", &reply(ReplyWord::Satisfied, code)).is_ok(), "{code}");
    }
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
