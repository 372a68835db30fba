//! Tests of proof questions, in both directions.

use super::*;
use crate::base::limits;
use crate::base::refusal::FaultCode;

fn prove(number: u64) -> wire::Prove {
    wire::Prove { number, ..Default::default() }
}

fn proof(number: u64) -> wire::Proof {
    wire::Proof { number, ..Default::default() }
}

fn asks(side: &mut Side, ask: u64) -> Vec<Kind> {
    assert_eq!(side.does(Event::Ask(AskId(ask), Question::Prove(prove(0)))), []);
    side.says()
}

#[test]
fn a_peer_s_questions_are_answered_in_their_order() {
    let mut side = Side::linked();
    for number in 1..=3 {
        assert_eq!(side.hears(Kind::Prove(prove(number))), [start(4 + number, Job::Prove(prove(number)))]);
    }
    side.does(done(7, Done::Proved(proof(3))));
    side.does(done(6, Done::Proved(proof(2))));
    assert_eq!(side.says(), []);
    side.does(done(5, Done::Proved(proof(1))));
    assert_eq!(side.says(), [1, 2, 3].map(|number| Kind::Proof(proof(number))));
}

#[test]
fn a_peer_with_too_many_open_questions_ends_the_link() {
    let mut side = Side::linked();
    for number in 0..limits::PROVES_OPEN as u64 {
        side.hears(Kind::Prove(prove(number)));
    }
    assert!(ends_with(&side.hears(Kind::Prove(prove(9))), FaultCode::LimitExceeded));
}

#[test]
fn a_question_is_numbered_and_gets_its_answer() {
    let mut side = Side::linked();
    assert_eq!(asks(&mut side, 30), [Kind::Prove(prove(1))]);
    assert_eq!(asks(&mut side, 40), [Kind::Prove(prove(2))]);
    assert_eq!(side.hears(Kind::Proof(proof(9))), [], "nobody asked that");
    let answers = |ask, number| [Action::Answer(AskId(ask), Reply::Proof(proof(number)))];
    assert_eq!(side.hears(Kind::Proof(proof(2))), answers(40, 2));
    assert_eq!(side.hears(Kind::Proof(proof(1))), answers(30, 1));
    assert_eq!(side.hears(Kind::Proof(proof(1))), [], "it was answered");
}

#[test]
fn the_peer_never_has_more_questions_than_it_would_answer() {
    let mut side = Side::linked();
    let most = limits::PROVES_OPEN as u64;
    for ask in 1..=most {
        assert_eq!(asks(&mut side, ask).len(), 1);
    }
    for ask in 1..=most {
        assert!(side.session.takes_proof_questions());
        assert_eq!(asks(&mut side, most + ask), []);
    }
    assert!(!side.session.takes_proof_questions());
    side.hears(Kind::Proof(proof(1)));
    assert_eq!(side.says(), [Kind::Prove(prove(most + 1))]);
}

#[test]
fn a_question_that_is_not_answered_in_time_is_given_up_and_counts_until_the_peer_answers_it() {
    let mut side = Side::linked();
    let most = limits::PROVES_OPEN as u64;
    for ask in 1..=most {
        asks(&mut side, ask);
    }
    side.waits(limits::PROVE_WITHIN / 2);
    assert_eq!(asks(&mut side, 9), []);
    let silent = |ask| Action::Answer(AskId(ask), Reply::TimedOut);
    assert_eq!(side.waits(limits::PROVE_WITHIN / 2).0, [1, 2, 3, 4].map(silent));
    side.hears(ping(0, false));
    assert_eq!(side.waits(limits::PROVE_WITHIN / 2).0, [silent(9)]);
    assert_eq!(side.hears(Kind::Proof(proof(1))), [], "nobody waits for it any more");
    side.says();
    assert_eq!(asks(&mut side, 10), [Kind::Prove(prove(most + 1))], "and the peer can answer one more");
}

#[test]
fn an_answer_leaves_before_the_entries_that_wait() {
    let mut side = Side::linked();
    side.does(Event::Grown(cursor(11)));
    side.does(done(5, Done::Read(prepared(11, &[1]))));
    side.hears(Kind::Prove(wire::Prove::default()));
    side.does(done(6, Done::Proved(wire::Proof::default())));
    side.does(Event::Ask(AskId(1), Question::Prove(wire::Prove::default())));
    let said = side.says();
    assert!(matches!(said[..], [Kind::Proof(_), Kind::Prove(_), Kind::Deliver(_)]), "{said:?}");
}
