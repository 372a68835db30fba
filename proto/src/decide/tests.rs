//! Commands: what becomes a body, and what is declined before anything is signed.

use super::{Author, Declined, decide, recall_to_answer};
use crate::clock::HybridClock;
use crate::complaint::{NoEffect, Phase, Standing};
use crate::fixture::{ANSWER_WITHIN, Case, DAY, Federation, MINUTE, REPLY_CODE, agency};
use crate::limits;
use crate::wire::{self, CloseCause, ReplyWord, act_request::Act, entry::Body as Wire};

fn command(federation: &Federation, case: &Case<'_>, by: &str, act: &Act) -> Result<Wire, Declined> {
    let id = agency(by);
    let millis = HybridClock::tick(case.now, case.complaint.newest_clock()).expect("a clock before its end").millis();
    let author = Author { agency: &id, millis, charter: federation.charter(), answer_within_millis: ANSWER_WITHIN };
    decide(&case.complaint, act, author)
}

/// Decides, signs, admits and folds; the entry must have effect.
fn done<'f>(federation: &'f Federation, case: &mut Case<'f>, by: &str, act: Act) {
    let body = command(federation, case, by, &act).unwrap_or_else(|declined| panic!("{act:?}: {declined}"));
    let id = case.take(federation.node(by).says(case, body));
    assert_eq!(case.standing(id), Standing::Effective, "{act:?}");
}

fn declined(federation: &Federation, case: &Case<'_>, by: &str, act: Act) -> Declined {
    match command(federation, case, by, &act) {
        Err(declined) => declined,
        Ok(body) => panic!("{act:?} became {body:?}"),
    }
}

fn forward(to: &str) -> Act {
    Act::Forward(wire::Forward { to: to.to_owned(), reason: 1, answer_by: 0 })
}

fn reply(word: ReplyWord, code: &str) -> Act {
    Act::Reply(wire::Reply { word: word.into(), reply_code: code.to_owned() })
}

fn verify(category: &str) -> Act {
    Act::Verify(wire::Verify { category: category.to_owned(), priority: 1, handling: 1 })
}

fn close() -> Act {
    Act::Close(wire::Close { cause: CloseCause::Reply.into(), silence_working_days: 0 })
}

fn resolve() -> Act {
    Act::Resolve(wire::Resolve { outcome: 1 })
}

fn accept() -> Act {
    Act::Accept(wire::Accept {})
}

fn withdraw() -> Act {
    Act::Withdraw(wire::Withdraw {})
}

fn progress() -> Act {
    Act::Progress(wire::Progress { state: 1 })
}

fn respond() -> Act {
    Act::Respond(wire::Respond {})
}

fn recall() -> Act {
    Act::Recall(wire::Recall {})
}

fn give_back() -> Act {
    Act::Return(wire::Return { reason: 1, suggestion: "kota-bandung".to_owned() })
}

#[test]
fn a_complaint_is_commanded_from_intake_to_closing() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    done(&federation, &mut case, "ombudsman", recall());
    done(&federation, &mut case, "kominfo", give_back());
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    case.later(ANSWER_WITHIN + 10 * MINUTE);
    done(&federation, &mut case, "ombudsman", withdraw());
    done(&federation, &mut case, "ombudsman", forward("kota-bandung"));
    done(&federation, &mut case, "kota-bandung", accept());
    done(&federation, &mut case, "kota-bandung", verify("lampu jalan"));
    done(&federation, &mut case, "kota-bandung", progress());
    done(&federation, &mut case, "kota-bandung", respond());
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
    let given = Act::Forward(wire::Forward { to: "kominfo".to_owned(), reason: 1, answer_by: case.now + 7 });
    let body = command(&federation, &case, "ombudsman", &given).expect("a body");
    let Wire::Forwarded(body) = body else { panic!("{body:?}") };
    assert_eq!(body.answer_by, case.now + 7);
}

#[test]
fn what_would_have_no_effect_is_declined_with_the_reason() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let reason = |case: &Case<'_>, by: &str, act: Act| match declined(&federation, case, by, act) {
        Declined::NoEffect { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let not_holder = NoEffect::NotHolder { holder: agency("kominfo") };
    for act in [forward("ksp"), verify("x"), progress(), respond(), resolve(), withdraw(), recall()] {
        assert_eq!(reason(&case, "ombudsman", act), not_holder);
    }
    for act in [accept(), give_back(), withdraw(), recall()] {
        assert_eq!(reason(&case, "kominfo", act), NoEffect::NoOpenOffer);
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
    assert_eq!(reason(&case, "kominfo", withdraw()), NoEffect::BeforeMargin { from });
    case.later(ANSWER_WITHIN + 1);
    let answer_by = case.now - 1;
    assert_eq!(reason(&case, "ksp", accept()), NoEffect::AfterAnswerBy { answer_by });
}

#[test]
fn an_ended_case_is_not_worked_on_until_it_is_reopened() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", resolve());
    for act in [forward("ksp"), verify("x"), progress(), respond(), resolve()] {
        let phase = Phase::Resolved;
        let complaint = case.complaint.id().short();
        assert_eq!(declined(&federation, &case, "ombudsman", act), Declined::Ended { complaint, phase });
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
    done(&federation, &mut case, "ombudsman", respond());
    done(&federation, &mut case, "ombudsman", close());
    assert_eq!(phase(declined(&federation, &case, "ombudsman", close())), Phase::Closed);
}

#[test]
fn a_wrong_reply_code_is_declined_and_none_is_allowed() {
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
fn a_command_that_is_itself_wrong_is_a_usage_error() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let field = |case: &Case<'_>, by: &str, act: Act| match declined(&federation, case, by, act) {
        declined @ Declined::Field { field, .. } => {
            assert!(declined.is_usage());
            field
        }
        other => panic!("{other}"),
    };
    assert_eq!(field(&case, "ombudsman", forward("Kota Bandung")), "to");
    let no_reason = Act::Forward(wire::Forward { to: "ksp".to_owned(), reason: 0, answer_by: 0 });
    assert_eq!(field(&case, "ombudsman", no_reason), "reason");
    assert_eq!(field(&case, "ombudsman", Act::Progress(wire::Progress { state: 0 })), "state");
    assert_eq!(field(&case, "ombudsman", Act::Resolve(wire::Resolve { outcome: -1 })), "outcome");
    assert_eq!(field(&case, "ombudsman", reply(ReplyWord::Unspecified, "")), "word");
    done(&federation, &mut case, "ombudsman", respond());
    let no_cause = Act::Close(wire::Close { cause: 0, silence_working_days: 0 });
    assert_eq!(field(&case, "ombudsman", no_cause), "cause");
    done(&federation, &mut case, "ombudsman", forward("ksp"));
    let suggestion = Act::Return(wire::Return { reason: 1, suggestion: "?".to_owned() });
    assert_eq!(field(&case, "ksp", suggestion), "suggestion");
    let no_reason = Act::Return(wire::Return { reason: 0, suggestion: String::new() });
    assert_eq!(field(&case, "ksp", no_reason), "reason");
}

#[test]
fn nothing_is_signed_that_every_node_would_refuse() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let is_usage = |case: &Case<'_>, act: Act| declined(&federation, case, "ombudsman", act).is_usage();
    assert!(is_usage(&case, verify(&"x".repeat(limits::CATEGORY_BYTES + 1))));
    assert!(is_usage(&case, verify("a\u{1b}[2J")));
    done(&federation, &mut case, "ombudsman", verify(&"x".repeat(limits::CATEGORY_BYTES)));
    // The right code, in a form that no entry holds.
    let padded = format!("{REPLY_CODE}{}", "-".repeat(limits::REPLY_CODE_BYTES));
    assert!(is_usage(&case, reply(ReplyWord::Satisfied, &padded)));
    assert!(is_usage(&case, reply(ReplyWord::Satisfied, &format!("{REPLY_CODE}\n"))));
}

#[test]
fn a_recall_is_answered_by_the_addressee_while_the_offer_is_open() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None);
    let offer = case.complaint.tip();
    // By one who may not recall it.
    case.take(federation.node("ksp").recalls(&case));
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None);
    done(&federation, &mut case, "ombudsman", recall());
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), Some(offer));
    assert_eq!(recall_to_answer(&case.complaint, &agency("ombudsman")), None);
    done(&federation, &mut case, "kominfo", accept());
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None, "it had accepted");
}

#[test]
fn a_new_offer_is_not_answered_for_an_earlier_recall() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    done(&federation, &mut case, "ombudsman", recall());
    done(&federation, &mut case, "kominfo", give_back());
    done(&federation, &mut case, "ombudsman", forward("kominfo"));
    assert_eq!(recall_to_answer(&case.complaint, &agency("kominfo")), None);
}
