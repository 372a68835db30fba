//! Tests of the greeting: what is exchanged without condition, and which checkpoints open a link and keep it up.

use super::*;
use crate::base::limits;
use crate::base::refusal::FaultCode;

/// A session after both Hellos. The peer goes by the charter of this version.
fn greeting_with(charter_version: u64, change: impl FnOnce(&mut SessionConfig)) -> Side {
    let federation = Federation::new();
    let mut config = config(&federation.charters);
    change(&mut config);
    let (mut side, _) = Side::open(config);
    side.does(done(1, Done::PeerLoaded(Box::new(stored_peer()))));
    side.hears(Kind::Hello(wire::Hello { charter_version, ..hello(&federation.charters) }));
    side
}

/// A session that has sent Ready.
fn greeting() -> Side {
    let mut side = greeting_with(1, |_| {});
    side.does(done(2, Done::Compared(None)));
    side.says();
    side
}

/// A checkpoint with this time, shown to a reader with a confirmed clock.
fn timed(seconds: u64) -> Done {
    let checkpoint = Checkpoint { seconds: Some(seconds), ..checkpoint_of_peer(1, 20) };
    let own = vec![OwnShown { checkpoint: Some(checkpoint), confirmed: Some(START) }];
    Done::CheckpointsChecked(CheckedCheckpoints { news: Vec::new(), own })
}

/// A note that does not verify.
fn unverified() -> Done {
    let own = vec![OwnShown { checkpoint: None, confirmed: Some(START) }];
    Done::CheckpointsChecked(CheckedCheckpoints { news: Vec::new(), own })
}

fn charter_note() -> Kind {
    Kind::Charter(wire::CharterNote { note: b"two".to_vec() })
}

#[test]
fn a_node_is_ready_only_when_it_may_sign_and_has_signed_over_all_its_leaves() {
    let mut side = greeting_with(1, |config| (config.guard, config.signed) = (GuardState::Waiting, None));
    side.does(done(2, Done::Compared(None)));
    assert_eq!(side.says().len(), 1, "only Hello");
    // Meanwhile pings and charters come and go, and the peer may be ready.
    let pings = side.waits(IDLE * 3 / 4).1;
    assert_eq!(pings.len(), 2, "{pings:?}");
    assert_eq!(side.hears(ping(0, false)).len(), 1);
    assert_eq!(side.hears(charter_note()), [start(3, Job::Adopt { note: b"two".to_vec(), list: None })]);
    side.hears(ready());
    let shown = Action::Peer(PeerChange::Shown { has_time: false });
    assert_eq!(side.does(done(4, checked(checkpoint_of_peer(1, 20)))), [shown], "the link is not up");
    side.says();
    assert_eq!((side.does(Event::Guard(GuardState::Clear)), side.says()), (vec![], vec![]));
    let signed = |size| Event::Signed(Signed { size: LedgerIndex(size), note: Arc::from(&b"newer"[..]) });
    assert_eq!((side.does(signed(9)), side.says()), (vec![], vec![]), "it has ten leaves");
    assert_eq!(side.does(signed(10))[0], Action::Peer(PeerChange::Linked));
    assert_eq!(side.says(), [Kind::Ready(wire::Ready { checkpoint: b"newer".to_vec() })]);
}

#[test]
fn a_link_on_which_one_side_does_not_get_ready_is_made_anew() {
    let mut side = greeting();
    assert!(!passes(&mut side, Duration::from_secs(9 * 60), FaultCode::Superseded));
    assert!(passes(&mut side, Duration::from_secs(2 * 60), FaultCode::Superseded));
}

#[test]
fn nothing_but_pings_and_charters_may_come_before_both_sides_are_ready() {
    let deliver = Kind::Deliver(wire::Deliver { cursor: Some(cursor(6).to_wire()), ..Default::default() });
    let ack = Kind::Ack(wire::Ack::default());
    let notes = Kind::Checkpoints(wire::CheckpointNotes::default());
    for kind in [deliver, ack, notes, Kind::Prove(wire::Prove::default()), Kind::Hello(wire::Hello::default())] {
        assert!(ends_with(&greeting().hears(kind.clone()), FaultCode::UnexpectedFrame), "{kind:?}");
    }
    let mut side = greeting();
    side.hears(ready());
    side.does(done(3, checked(checkpoint_of_peer(1, 20))));
    assert!(ends_with(&side.hears(ready()), FaultCode::UnexpectedFrame), "one Ready is enough");
    assert_eq!(greeting().does(Event::Frame(Frame { kind: None })), [], "a later version may say more");
}

#[test]
fn a_checkpoint_that_does_not_verify_ends_the_link_also_when_it_is_missing() {
    for shown in [unverified(), Done::CheckpointsChecked(CheckedCheckpoints::default())] {
        let mut side = greeting();
        side.hears(Kind::Ready(wire::Ready::default()));
        assert!(ends_with(&side.does(done(3, shown)), FaultCode::NoCheckpoint));
    }
}

#[test]
fn a_checkpoint_over_less_than_was_received_or_with_a_wrong_time_ends_the_link() {
    let ends = |shown| {
        let mut side = greeting();
        side.hears(ready());
        let actions = side.does(done(3, shown));
        [FaultCode::NoCheckpoint, FaultCode::CheckpointTime].into_iter().find(|code| ends_with(&actions, *code))
    };
    assert_eq!(ends(checked(checkpoint_of_peer(1, 4))), Some(FaultCode::NoCheckpoint), "five were received");
    assert_eq!(ends(checked(checkpoint_of_peer(1, 5))), None);
    assert_eq!(ends(timed(START / 1000 + 601)), Some(FaultCode::CheckpointTime));
    assert_eq!(ends(timed(START / 1000)), None);
}

#[test]
fn an_unknown_key_of_a_peer_with_another_charter_is_nobody_s_fault() {
    let ends = |charter_version, passes_on: bool| {
        let mut side = greeting_with(charter_version, |_| {});
        side.does(done(2, Done::Compared(None)));
        if passes_on {
            side.hears(charter_note());
            side.does(done(3, Done::Adopted(Adoption::Not)));
        }
        side.waits(CHARTERS_WITHIN);
        side.hears(ready());
        let actions = side.does(done(3 + u64::from(passes_on), unverified()));
        [FaultCode::NoCheckpoint, FaultCode::CharterBehind].into_iter().find(|code| ends_with(&actions, *code))
    };
    assert_eq!(ends(2, true), Some(FaultCode::CharterBehind));
    assert_eq!(ends(2, false), Some(FaultCode::NoCheckpoint), "it names a charter that it does not pass on");
    assert_eq!(ends(1, false), Some(FaultCode::NoCheckpoint));
}

#[test]
fn wrong_checkpoints_on_a_link_end_it() {
    let notes = || Kind::Checkpoints(wire::CheckpointNotes { notes: vec![b"own".to_vec()] });
    for (shown, code) in [(unverified(), FaultCode::NoCheckpoint), (timed(START + 1), FaultCode::CheckpointTime)] {
        let mut side = Side::linked();
        side.hears(notes());
        assert!(ends_with(&side.does(done(5, shown)), code));
    }
    let mut side = Side::linked();
    side.hears(notes());
    let shown = Action::Peer(PeerChange::Shown { has_time: true });
    assert_eq!(side.does(done(5, timed(START / 1000))), [shown]);
}

/// Lets time pass on a link whose peer answers pings, and whose own gossip has nothing to send. Returns whether the link ended with this code.
fn passes(side: &mut Side, time: Duration, code: FaultCode) -> bool {
    let end = side.now.after(time);
    while side.now.mono_nanos < end {
        side.hears(ping(0, true));
        let (actions, _) = side.waits(IDLE / 2);
        for action in actions {
            match action {
                Action::Start(JobId(job), Job::Gossip { after }) => drop(side.does(gossip(job, &[], after))),
                ended => {
                    if ends_with(&[ended], code) {
                        return true;
                    }
                }
            }
        }
        side.says();
    }
    false
}

#[test]
fn a_peer_that_shows_no_checkpoint_any_more_ends_the_link() {
    let mut side = Side::linked();
    assert!(!passes(&mut side, limits::CHECKPOINT_WITHIN - IDLE, FaultCode::NoCheckpoint));
    let mut shows = side.clone();
    assert!(passes(&mut side, IDLE * 2, FaultCode::NoCheckpoint));
    let actions = shows.hears(Kind::Checkpoints(wire::CheckpointNotes { notes: vec![b"own".to_vec()] }));
    let Some(Action::Start(job, Job::CheckCheckpoints { .. })) = actions.last() else { panic!("{actions:?}") };
    shows.does(Event::Done(*job, checked(checkpoint_of_peer(1, 20))));
    assert!(!passes(&mut shows, limits::CHECKPOINT_WITHIN - IDLE, FaultCode::NoCheckpoint));
}

#[test]
fn a_node_shows_its_checkpoint_again_although_nothing_was_written() {
    let mut side = Side::linked();
    let mut shown = Vec::new();
    for _ in 0..5 * 60 * 4 {
        side.hears(ping(0, true));
        let (actions, _) = side.waits(Duration::from_secs(15));
        for action in actions {
            if let Action::Start(JobId(job), Job::Gossip { after }) = action {
                side.does(gossip_with(job, (10, b"with a later time"), &[], after));
            }
        }
        shown.extend(side.says().into_iter().filter(|kind| matches!(kind, Kind::Checkpoints(_))));
        if side.session.next_timeout().is_none() {
            break;
        }
    }
    let own = Kind::Checkpoints(wire::CheckpointNotes { notes: vec![b"with a later time".to_vec()] });
    assert_eq!(shown, [own.clone(), own.clone(), own], "each hour until the peer has shown none for four hours");
}

#[test]
fn a_node_whose_ledger_was_set_back_compares_the_peer_s_view_and_ends_the_link() {
    let mut side = greeting_with(1, |config| config.guard = GuardState::SetBack);
    assert!(ends_with(&side.does(done(2, Done::Compared(None))), FaultCode::AheadOfLedger));
    for mut side in [Side::linked(), greeting()] {
        assert_eq!(side.does(Event::Guard(GuardState::Clear)), []);
        assert!(ends_with(&side.does(Event::Guard(GuardState::SetBack)), FaultCode::AheadOfLedger));
    }
}

#[test]
fn a_node_that_is_set_back_waits_for_the_newer_charters_of_its_peer() {
    let conflict = || Done::Compared(Some("it shows more".to_owned()));
    for (guard, compared) in [(GuardState::SetBack, Done::Compared(None)), (GuardState::Clear, conflict())] {
        let mut side = greeting_with(2, |config| config.guard = guard);
        assert!(!ends_with(&side.does(done(2, compared)), FaultCode::AheadOfLedger));
        let said = side.says();
        assert!(!said.iter().any(|kind| matches!(kind, Kind::Ready(_))), "{said:?}");
        assert_eq!(side.hears(charter_note()), [start(3, Job::Adopt { note: b"two".to_vec(), list: None })]);
        // It waits as long as for a part of a list, and not for ever.
        assert!(!passes(&mut side, limits::TRUSTED_LIST_PART_WITHIN - IDLE, FaultCode::AheadOfLedger));
        assert!(passes(&mut side, IDLE * 2, FaultCode::AheadOfLedger));
    }
}

#[test]
fn a_peer_with_a_new_epoch_gets_its_entries_back_and_the_operator_is_warned_until_the_peer_declares_it() {
    let range = |epoch, before| Some(GiveBackRange { epoch: Epoch(epoch), before: LedgerIndex(before) });
    for (reset, shown, give_back, warning) in [
        (None, 1, None, None),
        (None, 2, range(2, 10), Some(Warning::Undeclared(Epoch(2)))),
        (Some((Epoch(2), LedgerIndex(7))), 2, range(2, 7), None),
        // It has declared a later epoch than it shows.
        (Some((Epoch(2), LedgerIndex(7))), 1, range(2, 7), None),
    ] {
        let federation = Federation::new();
        let (mut side, _) = Side::open(config(&federation.charters));
        let stored_peer = StoredPeer { reset, receipted: None, ..stored_peer() };
        side.does(done(1, Done::PeerLoaded(Box::new(stored_peer))));
        side.hears(Kind::Hello(hello(&federation.charters)));
        side.does(done(2, Done::Compared(None)));
        side.hears(ready());
        let mut expected = vec![Action::Peer(PeerChange::Shown { has_time: false }), Action::Peer(PeerChange::Linked)];
        expected.extend(warning.into_iter().map(Action::Warn));
        expected.push(start(4, Job::Gossip { after: 0 }));
        expected.extend(give_back.map(|range| Action::Peer(PeerChange::GivesBack(GiveBackReason::Epoch(range.epoch)))));
        expected.push(start(5, Job::Read { from: cursor(0), end: cursor(10), give_back }));
        expected.push(Action::Peer(PeerChange::Progress { sent: cursor(0), acknowledged: cursor(0) }));
        assert_eq!(side.does(done(3, checked(checkpoint_of_peer(shown, 20)))), expected);
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
        side.hears(ready());
        let actions = side.does(done(3, checked(checkpoint_of_peer(if reset.is_some() { 2 } else { 1 }, 20))));
        let progress = Action::Peer(PeerChange::Progress { sent: cursor(from), acknowledged: cursor(from) });
        assert!(actions.contains(&progress), "{reset:?} {receipted_in:?}: {actions:?}");
    }
}

#[test]
fn a_peer_that_has_begun_too_many_epochs_waits_for_what_it_is_given_back() {
    let federation = Federation::new();
    let (mut side, _) = Side::open(config(&federation.charters));
    let mut gave_back = GiveBacks::default();
    (2..6).for_each(|epoch| gave_back.begin(GiveBackReason::Epoch(Epoch(epoch)), START - 3_000_000));
    let reset = Some((Epoch(6), LedgerIndex(7)));
    let stored_peer = StoredPeer { reset, gave_back, receipted: None, ..stored_peer() };
    side.does(done(1, Done::PeerLoaded(Box::new(stored_peer))));
    side.hears(Kind::Hello(hello(&federation.charters)));
    side.does(done(2, Done::Compared(None)));
    side.hears(ready());
    let actions = side.does(done(3, checked(checkpoint_of_peer(6, 20))));
    assert_eq!(actions.last(), Some(&start(4, Job::Gossip { after: 0 })), "the link is up, and nothing is read");
    assert_eq!(side.does(Event::Grown(cursor(11))), []);
    let mut waited = Duration::ZERO;
    let begins = loop {
        side.hears(ping(0, true));
        let (actions, _) = side.waits(IDLE / 2);
        waited += IDLE / 2;
        if actions.contains(&Action::Peer(PeerChange::GivesBack(GiveBackReason::Epoch(Epoch(6))))) {
            break waited;
        }
        assert!(waited < Duration::from_secs(3600), "it never begins");
    };
    assert_eq!(begins, Duration::from_secs(600));
}

#[test]
fn a_peer_that_claims_less_than_it_has_acknowledged_gets_it_again_and_waits_when_it_does_so_often() {
    let federation = Federation::new();
    let begins = |gave_back: GiveBacks, have_cursor| {
        let (mut side, _) = Side::open(config(&federation.charters));
        side.does(done(1, Done::PeerLoaded(Box::new(StoredPeer { gave_back, ..stored_peer() }))));
        side.hears(Kind::Hello(wire::Hello { have_cursor, ..hello(&federation.charters) }));
        side.does(done(2, Done::Compared(None)));
        side.hears(ready());
        side.does(done(3, checked(checkpoint_of_peer(1, 20))))
    };
    let reads = |actions: &[Action], from| {
        let is_read =
            |action: &Action| matches!(action, Action::Start(_, Job::Read { from: at, .. }) if *at == cursor(from));
        actions.iter().any(is_read)
    };
    let gives_back = Action::Peer(PeerChange::GivesBack(GiveBackReason::Less));
    let (all, nothing) = (Some(cursor(10).to_wire()), None);
    assert!(!begins(GiveBacks::default(), all).contains(&gives_back));
    let actions = begins(GiveBacks::default(), nothing);
    assert!(actions.contains(&gives_back) && reads(&actions, 0), "{actions:?}");
    let mut often = GiveBacks::default();
    (0..4).for_each(|number| often.begin(GiveBackReason::Less, START - 3_000_000 + number));
    let actions = begins(often, nothing);
    assert!(!actions.contains(&gives_back) && !reads(&actions, 0), "{actions:?}");
}
