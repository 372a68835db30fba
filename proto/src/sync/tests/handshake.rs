//! Tests of the handshake, and of the ends of a link.

use super::*;
use crate::base::refusal::FaultCode;
use crate::transparency::watch::VerifiedCheckpoint;

/// The last actions of a session that ends between the Hellos and the first checkpoint.
fn closes_after_hello(end: End) -> Vec<Action> {
    vec![Action::Peer(PeerChange::PassedOn(None)), Action::Close(Close { end, was_success: false })]
}

/// A session that has sent Hello and waits for the peer's.
fn awaiting_hello(change: impl FnOnce(&mut SessionConfig)) -> (Side, Federation) {
    let federation = Federation::new();
    let mut config = config(&federation.charters);
    change(&mut config);
    let (mut side, _) = Side::open(config);
    side.does(done(1, Done::PeerLoaded(Box::new(stored_peer()))));
    (side, federation)
}

#[test]
fn a_link_comes_up_step_by_step() {
    let federation = Federation::new();
    let (mut side, actions) = Side::open(config(&federation.charters));
    assert_eq!((actions, side.session.reads()), (vec![start(1, Job::LoadPeer)], false));

    let checkpoint = Some(VerifiedCheckpoint { checkpoint: checkpoint_of_peer(1, 20), note: b"seen".to_vec() });
    let held = StoredPeer { checkpoint, entry: Bytes::from_static(b"entry"), ..stored_peer() };
    assert_eq!(side.does(done(1, Done::PeerLoaded(Box::new(held)))), []);
    let ours = wire::Hello {
        agency: OWN.to_owned(),
        have_cursor: Some(cursor(5).to_wire()),
        seen_of_you: b"seen".to_vec(),
        entry_of_you: b"entry".to_vec(),
        ..hello(&federation.charters)
    };
    assert_eq!(side.says(), [Kind::Hello(ours)]);
    assert!(side.session.reads());

    let shows = wire::Hello {
        seen_of_you: b"of us".to_vec(),
        entry_of_you: b"ours".to_vec(),
        now: START + 7,
        ..hello(&federation.charters)
    };
    let compare = Job::Compare { checkpoint: b"of us".to_vec(), entry: b"ours".to_vec() };
    assert_eq!((side.hears(Kind::Hello(shows)), side.session.reads()), (vec![start(2, compare)], false));
    let greeted = [
        Action::Peer(PeerChange::ClockOffset(7)),
        Action::Peer(PeerChange::Heard),
        Action::Peer(PeerChange::Greeted { protocol: 2, charter_version: 1 }),
    ];
    assert_eq!((side.does(done(2, Done::Compared(None))), side.session.reads()), (greeted.to_vec(), true));
    let ours = Kind::Ready(wire::Ready { checkpoint: CHECKPOINT.to_vec() });
    assert_eq!(side.says(), [ours]);
    let look = Job::CheckCheckpoints { notes: vec![THEIRS.to_vec()] };
    assert_eq!((side.hears(ready()), side.session.reads()), (vec![start(3, look)], false));
    let own = vec![OwnShown { checkpoint: Some(checkpoint_of_peer(1, 20)), confirmed: None }];
    let checked = Done::CheckpointsChecked(CheckedCheckpoints { news: vec![THEIRS.to_vec()], own });
    let expected = [
        Action::Peer(PeerChange::Shown { has_time: false }),
        Action::Peer(PeerChange::Linked),
        Action::Store(SideRecord::Seen { at: START, note: THEIRS.to_vec() }),
        start(4, Job::Gossip { after: 0 }),
        Action::Peer(PeerChange::Progress { sent: cursor(10), acknowledged: cursor(10) }),
    ];
    assert_eq!((side.does(done(3, checked)), side.session.reads()), (expected.to_vec(), true));
    assert_eq!(side.says(), []);
}

#[test]
fn a_hello_of_another_agency_or_federation_ends_the_link() {
    for change in [(|hello| hello.agency = OWN.to_owned()) as fn(&mut wire::Hello), |hello| {
        hello.federation = "other.example".to_owned()
    }] {
        let (mut side, federation) = awaiting_hello(|_| {});
        let mut hello = hello(&federation.charters);
        change(&mut hello);
        assert!(ends_with(&side.hears(Kind::Hello(hello)), FaultCode::IdentityMismatch));
    }
}

#[test]
fn a_protocol_that_nobody_speaks_ends_the_link_with_both_ranges() {
    let (mut side, federation) = awaiting_hello(|_| {});
    let hello = wire::Hello { protocol_min: 7, protocol_max: 9, ..hello(&federation.charters) };
    let reason = "the peer speaks versions 7 to 9, this node 2 to 2".to_owned();
    let end = End::Fault(FaultCode::NoCommonVersion, reason);
    assert_eq!(side.hears(Kind::Hello(hello)), [Action::Close(Close { end, was_success: false })]);
}

#[test]
fn a_first_frame_that_is_no_hello_ends_the_link() {
    for kind in [Some(ping(0, false)), Some(Kind::Deliver(wire::Deliver::default())), None] {
        let (mut side, _) = awaiting_hello(|_| {});
        let actions = side.does(Event::Frame(Frame { kind }));
        assert!(ends_with(&actions, FaultCode::UnexpectedFrame), "{actions:?}");
    }
    let (mut side, _) = awaiting_hello(|_| {});
    let fault = wire::Fault { code: 709, reason: "another".to_owned() };
    let end = End::ByPeer { code: 709, reason: "another".to_owned() };
    assert_eq!(side.hears(Kind::Fault(fault)), [Action::Close(Close { end, was_success: false })]);
    let mut side = Side::linked();
    assert!(ends_with(&side.hears(Kind::Hello(wire::Hello::default())), FaultCode::UnexpectedFrame));
}

#[test]
fn a_peer_that_sends_no_hello_in_time_ends_the_link() {
    let (mut side, _) = awaiting_hello(|_| {});
    assert_eq!(side.waits(HANDSHAKE_WITHIN - Duration::from_millis(1)).0, []);
    assert!(ends_with(&side.waits(Duration::from_millis(1)).0, FaultCode::Idle));
    assert_eq!(side.session.next_timeout(), None);
}

#[test]
fn a_peer_that_shows_another_ledger_of_ours_ends_the_link() {
    let (mut side, federation) = awaiting_hello(|_| {});
    side.hears(Kind::Hello(hello(&federation.charters)));
    let actions = side.does(done(2, Done::Compared(Some("it shows more".to_owned()))));
    let end = End::Fault(FaultCode::AheadOfLedger, "it shows more".to_owned());
    assert_eq!(actions, [vec![Action::Peer(PeerChange::ClockOffset(0))], closes_after_hello(end)].concat());
}

#[test]
fn a_peer_that_claims_more_of_our_ledger_without_showing_it_warns_the_operator_and_is_not_counted_as_heard() {
    let (mut side, federation) = awaiting_hello(|_| {});
    let have_cursor = Some(cursor(11).to_wire());
    side.hears(Kind::Hello(wire::Hello { have_cursor, ..hello(&federation.charters) }));
    let actions = side.does(done(2, Done::Compared(None)));
    let reason = "the peer claims our ledger up to 1:11, but it has 10 leaves in epoch 1".to_owned();
    let end = End::Fault(FaultCode::AheadOfLedger, reason.clone());
    let first = vec![Action::Peer(PeerChange::ClockOffset(0)), Action::Warn(Warning::Ahead(reason))];
    assert_eq!(actions, [first, closes_after_hello(end)].concat());
}

#[test]
fn a_peer_may_claim_leaves_that_this_node_wrote_during_the_handshake() {
    let (mut side, federation) = awaiting_hello(|_| {});
    let have_cursor = Some(cursor(11).to_wire());
    side.hears(Kind::Hello(wire::Hello { have_cursor, ..hello(&federation.charters) }));
    assert_eq!(side.does(Event::Grown(cursor(11))), []);
    let actions = side.does(done(2, Done::Compared(None)));
    assert_eq!(actions.last(), Some(&Action::Peer(PeerChange::Greeted { protocol: 2, charter_version: 1 })));
}

#[test]
fn close_is_the_last_action_of_a_session() {
    let ends = [
        (Event::Stop, End::Stopped),
        (Event::Closed(Closing::ByPeer), End::Broken("the peer closed it".to_owned())),
        (Event::Closed(Closing::Broken("reset".to_owned())), End::Broken("reset".to_owned())),
        (
            Event::Closed(Closing::NoFrame(FaultCode::LimitExceeded, "too large".to_owned())),
            End::Fault(FaultCode::LimitExceeded, "too large".to_owned()),
        ),
        (Event::Superseded, End::Fault(FaultCode::Superseded, "another connection of this pair took over".to_owned())),
    ];
    for (event, end) in ends {
        let mut side = Side::linked();
        // The charters that were passed on may not have arrived, unless the link goes on over another connection.
        let is_made_anew = matches!(end, End::Fault(FaultCode::Superseded, _));
        let mut expected = vec![Action::Close(Close { end, was_success: false })];
        if !is_made_anew {
            expected.insert(0, Action::Peer(PeerChange::PassedOn(None)));
        }
        assert_eq!(side.does(event), expected);
        assert_eq!((side.does(Event::Stop), side.says(), side.session.next_timeout()), (vec![], vec![], None));
        assert!(!side.session.reads() && !side.session.wants_news());
    }
    let (mut side, _) = awaiting_hello(|_| {});
    let end = End::Broken("the peer closed it before its Hello".to_owned());
    let actions = side.does(Event::Closed(Closing::ByPeer));
    assert_eq!(actions, [Action::Close(Close { end, was_success: false })]);
}

#[test]
fn a_link_that_lasted_was_a_success() {
    let mut side = Side::linked();
    side.waits(Duration::from_secs(10));
    let close = Close { end: End::Stopped, was_success: true };
    assert_eq!(side.does(Event::Stop), [Action::Close(close)]);
}
