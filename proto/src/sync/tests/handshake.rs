//! Tests of the handshake, and of the ends of a link.

use super::*;
use crate::base::refusal::FaultCode;

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

    let held = StoredPeer { checkpoint: b"seen".to_vec(), entry: Bytes::from_static(b"entry"), ..stored_peer() };
    assert_eq!(side.does(done(1, Done::PeerLoaded(Box::new(held)))), []);
    let ours = wire::Hello {
        agency: OWN.to_owned(),
        checkpoint: CHECKPOINT.to_vec(),
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
    let look = Job::CheckCheckpoints { notes: vec![THEIRS.to_vec()] };
    let expected = [
        Action::Peer(PeerChange::ClockOffset(7)),
        Action::Peer(PeerChange::Heard),
        Action::Peer(PeerChange::Linked { protocol: 2, charter_version: 1 }),
        start(3, look),
    ];
    assert_eq!((side.does(done(2, Done::Compared(None))), side.session.reads()), (expected.to_vec(), false));
    let seen = SideRecord::Seen { at: START, note: THEIRS.to_vec() };
    let checked = CheckedCheckpoints { news: vec![THEIRS.to_vec()], epoch: Some(Epoch(1)) };
    let expected = [
        Action::Store(seen),
        start(4, Job::Gossip { after: 0 }),
        Action::Peer(PeerChange::Progress { sent: cursor(10), acknowledged: cursor(10) }),
    ];
    assert_eq!(
        (side.does(done(3, Done::CheckpointsChecked(checked))), side.session.reads()),
        (expected.to_vec(), true)
    );
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
    assert_eq!(actions, [Action::Close(Close { end, was_success: false })]);
}

#[test]
fn a_peer_that_claims_more_of_our_ledger_without_showing_it_warns_the_operator_and_is_not_counted_as_heard() {
    let (mut side, federation) = awaiting_hello(|_| {});
    let have_cursor = Some(cursor(11).to_wire());
    side.hears(Kind::Hello(wire::Hello { have_cursor, ..hello(&federation.charters) }));
    let actions = side.does(done(2, Done::Compared(None)));
    let reason = "the peer claims our ledger up to 1:11, but it has 10 leaves in epoch 1".to_owned();
    let end = End::Fault(FaultCode::AheadOfLedger, reason.clone());
    let expected = [Action::Warn(Warning::Ahead(reason)), Action::Close(Close { end, was_success: false })];
    assert_eq!(actions, expected);
}

#[test]
fn a_peer_may_claim_leaves_that_this_node_wrote_during_the_handshake() {
    let (mut side, federation) = awaiting_hello(|_| {});
    let have_cursor = Some(cursor(11).to_wire());
    side.hears(Kind::Hello(wire::Hello { have_cursor, ..hello(&federation.charters) }));
    assert_eq!(side.does(Event::Grown(cursor(11))), []);
    let actions = side.does(done(2, Done::Compared(None)));
    assert!(matches!(actions[..], [.., Action::Start(_, Job::CheckCheckpoints { .. })]), "{actions:?}");
}

#[test]
fn nothing_is_taken_before_this_node_may_sign_and_has_signed() {
    let (mut side, federation) = awaiting_hello(|config| {
        (config.guard, config.is_signed) = (GuardState::Waiting, false);
    });
    side.hears(Kind::Hello(hello(&federation.charters)));
    let heard = [Action::Peer(PeerChange::ClockOffset(0)), Action::Peer(PeerChange::Heard)];
    assert_eq!(side.does(done(2, Done::Compared(None))), heard);
    side.says();
    // Meanwhile it sends pings.
    assert_eq!(
        side.waits(IDLE * 3 / 4),
        (
            vec![],
            vec![
                Kind::Ping(wire::Ping { nonce: 0, reply: false, now: START + 20_000 }),
                Kind::Ping(wire::Ping { nonce: 0, reply: false, now: START + 40_000 }),
            ]
        )
    );
    assert_eq!((side.does(Event::Guard(GuardState::Clear)), side.session.reads()), (vec![], false));
    let signed = Signed { size: LedgerIndex(10), note: Arc::from(&b"newer"[..]) };
    let linked = PeerChange::Linked { protocol: 2, charter_version: 1 };
    let look = Job::CheckCheckpoints { notes: vec![THEIRS.to_vec()] };
    assert_eq!(side.does(Event::Signed(signed)), [Action::Peer(linked), start(3, look)]);
    side.does(done(3, Done::CheckpointsChecked(CheckedCheckpoints::default())));
    // Hello showed an older checkpoint.
    let newer = Kind::Checkpoints(wire::CheckpointNotes { notes: vec![b"newer".to_vec()] });
    assert_eq!((side.says(), side.session.reads()), (vec![newer], true));
}

#[test]
fn a_node_whose_ledger_was_set_back_compares_the_peer_s_view_and_ends_the_link() {
    let (mut side, federation) = awaiting_hello(|config| config.guard = GuardState::SetBack);
    assert!(matches!(side.says()[..], [Kind::Hello(_)]));
    side.hears(Kind::Hello(hello(&federation.charters)));
    assert!(ends_with(&side.does(done(2, Done::Compared(None))), FaultCode::AheadOfLedger));
    let mut side = Side::linked();
    assert_eq!(side.does(Event::Guard(GuardState::Clear)), []);
    assert!(ends_with(&side.does(Event::Guard(GuardState::SetBack)), FaultCode::AheadOfLedger));
}

#[test]
fn a_peer_with_a_new_epoch_gets_its_entries_back_and_the_operator_is_warned_until_the_peer_declares_it() {
    let range = |epoch, before| Some(GiveBackRange { epoch: Epoch(epoch), before: LedgerIndex(before) });
    let undeclared = || Some(Warning::Undeclared(Epoch(2)));
    for (reset, accepted, in_hello, give_back, warning) in [
        (None, Some(1), THEIRS, None, None),
        (None, Some(2), THEIRS, range(2, 10), undeclared()),
        (Some((Epoch(2), LedgerIndex(7))), Some(2), THEIRS, range(2, 7), None),
        // A checkpoint whose time this node does not accept, because one of the clocks is wrong.
        (None, None, b"sinergi.example/kota-bandung/2\n".as_slice(), range(2, 10), undeclared()),
        (Some((Epoch(2), LedgerIndex(7))), Some(1), b"sinergi.example/kota-bandung/2\n", range(2, 7), None),
        // A checkpoint of somebody else.
        (None, None, b"sinergi.example/somebody-else/2\n", None, None),
    ] {
        let federation = Federation::new();
        let (mut side, _) = Side::open(config(&federation.charters));
        let stored_peer = StoredPeer { reset, receipted: None, ..stored_peer() };
        side.does(done(1, Done::PeerLoaded(Box::new(stored_peer))));
        side.hears(Kind::Hello(wire::Hello { checkpoint: in_hello.to_vec(), ..hello(&federation.charters) }));
        side.does(done(2, Done::Compared(None)));
        let checked = CheckedCheckpoints { news: Vec::new(), epoch: accepted.map(Epoch) };
        let mut expected: Vec<Action> = warning.into_iter().map(Action::Warn).collect();
        expected.push(start(4, Job::Gossip { after: 0 }));
        expected.push(start(5, Job::Read { from: cursor(0), end: cursor(10), give_back }));
        expected.push(Action::Peer(PeerChange::Progress { sent: cursor(0), acknowledged: cursor(0) }));
        assert_eq!(side.does(done(3, Done::CheckpointsChecked(checked))), expected);
    }
}

#[test]
fn a_peer_with_a_new_epoch_gets_everything_again_until_it_has_receipted_it_in_that_epoch() {
    let declared = Some((Epoch(2), LedgerIndex(7)));
    for (reset, receipted_in, from) in
        [(None, None, 10), (None, Some(1), 10), (declared, None, 0), (declared, Some(1), 0), (declared, Some(2), 10)]
    {
        let federation = Federation::new();
        let (mut side, _) = Side::open(config(&federation.charters));
        let receipted_in = receipted_in.map(Epoch);
        let stored_peer = StoredPeer { reset, receipted_in, ..stored_peer() };
        side.does(done(1, Done::PeerLoaded(Box::new(stored_peer))));
        side.hears(Kind::Hello(hello(&federation.charters)));
        side.does(done(2, Done::Compared(None)));
        let checked = CheckedCheckpoints { news: Vec::new(), epoch: None };
        let actions = side.does(done(3, Done::CheckpointsChecked(checked)));
        let progress = Action::Peer(PeerChange::Progress { sent: cursor(from), acknowledged: cursor(from) });
        assert!(actions.contains(&progress), "{reset:?} {receipted_in:?}: {actions:?}");
    }
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
        let expected = [Action::Peer(PeerChange::PassedOn(None)), Action::Close(Close { end, was_success: false })];
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
