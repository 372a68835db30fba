//! Tests of pings and of the idle timeout.

use super::*;
use crate::base::refusal::FaultCode;

const PAUSE: Duration = Duration::from_secs(20);

#[test]
fn a_side_pings_when_it_has_sent_nothing_for_a_third_of_the_idle_timeout() {
    let mut side = Side::linked();
    let spoken = side.now;
    let (actions, said) = side.waits(PAUSE);
    let stamped = wire::Ping { nonce: 0, reply: false, now: spoken.wall_millis + 20_000 };
    assert_eq!((actions, said), (vec![], vec![Kind::Ping(stamped)]));
}

#[test]
fn a_ping_carries_the_time_at_which_it_leaves_and_goes_before_queued_frames() {
    let mut side = Side::linked();
    side.hears(Kind::Prove(wire::Prove::default()));
    side.does(done(5, Done::Proved(wire::Proof::default())));
    let until = side.now.after(PAUSE);
    side.turn_to(until);
    side.does(Event::Timeout);
    side.turn_to(until + 3_000_000_000);
    let stamped = wire::Ping { nonce: 0, reply: false, now: START + 23_000 };
    assert_eq!(side.says(), [Kind::Ping(stamped), Kind::Proof(wire::Proof::default())]);
}

#[test]
fn while_a_ping_waits_to_leave_no_timer_runs_for_the_next() {
    let mut side = Side::linked();
    let until = side.now.after(PAUSE);
    side.turn_to(until);
    side.does(Event::Timeout);
    // The transport has no room, so only the idle timeout is left.
    assert_eq!(side.session.next_timeout(), Some(Now::default().after(IDLE)));
}

#[test]
fn several_pings_are_answered_once_with_the_highest_nonce() {
    let mut side = Side::linked();
    for nonce in [3, 9, 4] {
        let actions = side.hears(ping(nonce, false));
        assert_eq!(actions, [Action::Peer(PeerChange::ClockOffset(0))]);
    }
    assert_eq!(side.says(), [ping(9, true)]);
    side.hears(ping(0, false));
    assert_eq!(side.says(), [ping(0, true)]);
}

#[test]
fn a_ping_with_a_nonce_is_answered_when_everything_before_it_was_handled() {
    let mut side = Side::linked();
    let notes = vec![b"of a third".to_vec()];
    let look = start(5, Job::CheckCheckpoints { notes: notes.clone() });
    assert_eq!(side.hears(Kind::Checkpoints(wire::CheckpointNotes { notes })), [look]);
    side.hears(Kind::Charter(wire::CharterNote { note: b"a charter".to_vec() }));
    side.hears(ping(8, false));
    assert_eq!(side.says(), []);
    side.hears(ping(0, false));
    assert_eq!(side.says(), [ping(0, true)], "a keep-alive ping is answered at once");
    side.does(done(5, Done::CheckpointsChecked(CheckedCheckpoints::default())));
    assert_eq!(side.says(), []);
    side.does(done(6, Done::Adopted(Adoption::InForce)));
    assert_eq!(side.says(), [ping(8, true)]);
}

#[test]
fn the_next_pong_answers_all_questions_whether_the_peer_responds() {
    let mut side = Side::linked();
    assert_eq!(side.does(Event::Ask(AskId(1), Question::Alive)), []);
    assert_eq!(side.says(), [ping(0, false)]);
    side.does(Event::Ask(AskId(2), Question::Alive));
    let answered = |ask| Action::Answer(AskId(ask), Reply::Alive);
    let noted = [PeerChange::ClockOffset(0), PeerChange::Answered].map(Action::Peer);
    assert_eq!(side.hears(ping(0, true)), [&noted[..], &[answered(1), answered(2)]].concat());
    assert_eq!(side.hears(ping(0, true)), noted);
    for ask in 0..16 {
        assert!(side.session.takes_pings());
        side.does(Event::Ask(AskId(ask), Question::Alive));
    }
    assert!(!side.session.takes_pings());
}

#[test]
fn the_idle_timeout_ends_the_link() {
    let mut side = Side::linked();
    side.waits(IDLE - Duration::from_secs(1));
    side.hears(ping(0, false));
    assert!(!ends_with(&side.waits(IDLE - Duration::from_secs(1)).0, FaultCode::Idle));
    let (actions, _) = side.waits(Duration::from_secs(1));
    let end = End::Fault(FaultCode::Idle, "nothing heard for 60 s".to_owned());
    assert_eq!(actions.last(), Some(&Action::Close(Close { end, was_success: true })));
}

#[test]
fn the_idle_timeout_runs_only_while_the_session_reads() {
    let mut side = Side::linked();
    side.hears(Kind::Deliver(wire::Deliver { cursor: Some(cursor(6).to_wire()), ..Default::default() }));
    assert!(!side.session.reads(), "there is no room for the frame yet");
    assert!(!ends_with(&side.waits(IDLE * 5).0, FaultCode::Idle));
    side.does(done(5, Done::Reserved));
    assert!(side.session.reads());
    assert!(!ends_with(&side.waits(IDLE - Duration::from_secs(1)).0, FaultCode::Idle), "it counts from then on");
    assert!(ends_with(&side.waits(Duration::from_secs(1)).0, FaultCode::Idle));
}

#[test]
fn any_clock_of_a_peer_gives_an_offset() {
    let mut side = Side::linked();
    let says = |now| Kind::Ping(wire::Ping { nonce: 0, reply: false, now });
    let offset = |offset| [Action::Peer(PeerChange::ClockOffset(offset))];
    assert_eq!(side.hears(says(START - 5)), offset(-5));
    assert_eq!(side.hears(says(u64::MAX)), offset(i64::MAX));
}
