//! Tests of checkpoint gossip: its content and its rate.

use super::*;
use crate::base::limits;
use crate::base::refusal::FaultCode;

/// The pause after which a session with nothing to send looks for news again.
const LOOK: Duration = Duration::from_secs(1);

fn notes(notes: &[&[u8]]) -> Kind {
    Kind::Checkpoints(wire::CheckpointNotes { notes: notes.iter().map(|note| note.to_vec()).collect() })
}

fn signed(size: u64) -> Event {
    Event::Signed(Signed { size: LedgerIndex(size), note: Arc::from(&b"grown"[..]) })
}

/// A session that has nothing to send and wants news.
fn attentive() -> Side {
    let mut side = Side::linked();
    assert!(!side.session.wants_news());
    assert_eq!(side.waits(LOOK).0, []);
    assert!(side.session.wants_news());
    side
}

/// All frames except keep-alive pings.
fn without_keepalive(said: Vec<Kind>) -> Vec<Kind> {
    said.into_iter().filter(|kind| !matches!(kind, Kind::Ping(ping) if ping.nonce == 0)).collect()
}

#[test]
fn news_is_sent_at_once_with_a_ping_after_it_and_then_not_before_the_pause_is_over() {
    let mut side = attentive();
    let now = side.now.wall_millis;
    assert_eq!(side.does(Event::News), [start(5, Job::Gossip { after: 0 })]);
    assert!(!side.session.wants_news());
    side.does(gossip(5, &[b"a", b"b"], 7));
    let asks = Kind::Ping(wire::Ping { nonce: 7, reply: false, now });
    assert_eq!(side.says(), [notes(&[b"a", b"b"]), asks]);
    assert!(!side.session.wants_news());
    assert_eq!(side.does(Event::News), []);
    side.hears(ping(0, true));
    assert_eq!(side.waits(limits::GOSSIP_PAUSE - LOOK).0, []);
    side.hears(ping(0, true));
    assert_eq!(side.waits(LOOK).0, [start(6, Job::Gossip { after: 7 })], "what came meanwhile");
}

#[test]
fn news_that_did_not_fit_into_a_frame_follows_after_the_pause_even_if_nothing_changes() {
    let mut side = attentive();
    side.does(Event::News);
    let full = vec![b"a".as_slice(); limits::GOSSIP_CHECKPOINTS];
    side.does(gossip(5, &full, 16));
    side.says();
    side.hears(ping(0, true));
    assert_eq!(side.waits(limits::GOSSIP_PAUSE - LOOK).0, []);
    side.hears(ping(0, true));
    assert_eq!(side.waits(LOOK).0, [start(6, Job::Gossip { after: 16 })]);
    side.does(gossip(6, &[b"b"], 17));
    side.says();
    side.hears(ping(0, true));
    assert_eq!(side.waits(limits::GOSSIP_PAUSE - LOOK).0, []);
    side.hears(ping(0, true));
    assert_eq!(side.waits(LOOK).0, [], "that was all");
}

#[test]
fn a_node_sends_its_own_checkpoint_before_those_of_others() {
    let mut side = attentive();
    assert_eq!(side.does(signed(12)), [start(5, Job::Gossip { after: 0 })]);
    side.does(gossip_with(5, (12, b"grown"), &[b"a"], 3));
    let asks = Kind::Ping(wire::Ping { nonce: 3, reply: false, now: side.now.wall_millis });
    assert_eq!(side.says(), [notes(&[b"grown", b"a"]), asks]);
    side.hears(ping(0, true));
    assert_eq!(side.waits(limits::GOSSIP_PAUSE - LOOK).0, []);
    side.hears(ping(0, true));
    assert_eq!(side.waits(LOOK).0, [], "nothing has changed since");
}

#[test]
fn a_read_that_finds_no_news_for_this_peer_is_repeated_after_a_second_and_only_if_something_has_changed() {
    let mut side = attentive();
    side.does(Event::News);
    assert_eq!((side.does(gossip(5, &[], 9)), side.says()), (vec![], vec![]));
    assert_eq!(side.does(Event::News), []);
    assert_eq!(side.waits(LOOK).0, [start(6, Job::Gossip { after: 9 })]);
    side.does(gossip(6, &[], 9));
    assert_eq!(side.waits(LOOK * 10).0, []);
}

#[test]
fn the_result_of_another_read_is_ignored() {
    let mut side = attentive();
    side.does(Event::News);
    side.does(gossip(4, &[b"stale"], 99));
    assert_eq!(side.says(), []);
    side.does(gossip(5, &[b"a"], 2));
    assert_eq!(side.says()[..1], [notes(&[b"a"])]);
}

#[test]
fn a_link_continues_after_the_gossip_of_earlier_links_and_repeats_all_of_it_once_when_it_has_lasted() {
    let federation = Federation::new();
    let held = StoredPeer { gossiped: 5, ..stored_peer() };
    let (mut side, _) = Side::open(config(&federation.charters));
    side.does(done(1, Done::PeerLoaded(Box::new(held))));
    side.hears(Kind::Hello(hello(&federation.charters)));
    side.does(done(2, Done::Compared(None)));
    side.hears(ready());
    let actions = side.does(done(3, checked(checkpoint_of_peer(1, 20))));
    assert_eq!(actions[2], start(4, Job::Gossip { after: 5 }));
    side.does(gossip(4, &[], 5));
    side.waits(limits::GOSSIP_PAUSE / 2);
    side.hears(ping(0, true));
    let (actions, _) = side.waits(limits::GOSSIP_PAUSE / 2);
    assert_eq!(actions, [start(5, Job::Gossip { after: 0 })], "once more");
    side.does(gossip(5, &[b"all"], 6));
    assert_eq!(without_keepalive(side.says())[..1], [notes(&[b"all"])]);
    side.hears(ping(6, true));
    for _ in 0..9 {
        side.hears(ping(0, true));
        assert_eq!(side.waits(limits::GOSSIP_PAUSE / 2).0, [], "and only once");
    }
    let forgets = Action::Peer(PeerChange::Gossiped(0));
    assert_eq!(side.does(Event::Stop)[0], forgets, "and on the next link again");
}

#[test]
fn gossip_counts_as_received_when_the_peer_answers_the_ping_after_it() {
    let mut side = attentive();
    side.does(Event::News);
    side.does(gossip(5, &[b"a"], 7));
    let heard = |side: &mut Side, nonce| side.hears(ping(nonce, true)).pop();
    assert_eq!(heard(&mut side, 0), Some(Action::Peer(PeerChange::Answered)));
    assert_eq!(heard(&mut side, 8), Some(Action::Peer(PeerChange::Answered)), "it was told only up to 7");
    assert_eq!(heard(&mut side, 7), Some(Action::Peer(PeerChange::Gossiped(7))));
}

#[test]
fn two_checkpoints_of_the_peer_s_own_ledger_are_stored_per_link() {
    let mut side = Side::linked();
    let mut kept = Vec::new();
    for (job, size) in (5..).zip(0..4_u8) {
        side.hears(notes(&[&[size]]));
        let actions = side
            .does(done(job, Done::CheckpointsChecked(CheckedCheckpoints { news: vec![vec![size]], own: Vec::new() })));
        kept.extend(actions.into_iter().filter(|action| matches!(action, Action::Store(_))));
        side.does(Event::Taken);
    }
    let seen = |note| Action::Store(SideRecord::Seen { at: START, note: vec![note] });
    assert_eq!(kept, [seen(0), seen(1)]);
}

#[test]
fn frames_of_checkpoints_are_checked_one_after_the_other_and_notes_of_a_wrong_size_are_dropped() {
    let mut side = Side::linked();
    let large = vec![0; limits::CHECKPOINT_BYTES + 1];
    assert_eq!(side.hears(notes(&[&large, b""])), []);
    let look = |job, note: &[u8]| start(job, Job::CheckCheckpoints { notes: vec![note.to_vec()] });
    assert_eq!(side.hears(notes(&[&large, b"a"])), [look(5, b"a")]);
    assert_eq!(side.hears(notes(&[b"b"])), []);
    assert_eq!(side.does(done(5, Done::CheckpointsChecked(CheckedCheckpoints::default()))), [look(6, b"b")]);
}

#[test]
fn a_peer_that_sends_too_many_checkpoints_or_sends_them_too_often_ends_the_link() {
    let mut side = Side::linked();
    let many = vec![&b"a"[..]; limits::GOSSIP_CHECKPOINTS + 2];
    assert!(ends_with(&side.hears(notes(&many)), FaultCode::LimitExceeded));
    let mut side = Side::linked();
    for _ in 0..limits::GOSSIP_BURST_FRAMES {
        assert!(!ends_with(&side.hears(notes(&[b"a"])), FaultCode::LimitExceeded));
    }
    assert!(ends_with(&side.hears(notes(&[b"a"])), FaultCode::LimitExceeded));
}
