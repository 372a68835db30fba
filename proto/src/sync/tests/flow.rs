//! Delivery and reception: order, windows and backpressure.

use super::*;
use crate::admission::received::Received;
use crate::base::limits;
use crate::base::refusal::{DeferralCode, FaultCode};
use crate::receipt::{ItemOutcome, ItemResult, Receipt};
use crate::routing::unsettled::{FrameAnswer, UnsettledItem};
use crate::transparency::watch::VerifiedCheckpoint;

/// A frame of one item up to a cursor.
fn deliver(index: u64) -> wire::Deliver {
    wire::Deliver { cursor: Some(cursor(index).to_wire()), items: vec![item(index as u8)], after: None }
}

fn taken(index: u64) -> Vec<Received> {
    let item = item(index as u8);
    vec![Received::Deferred {
        entry: entry(index as u8),
        code: DeferralCode::MissingParent,
        detail: String::new(),
        item,
    }]
}

fn results(index: u64) -> Vec<ItemResult> {
    vec![ItemResult::without_contents(entry(index as u8), ItemOutcome::Leaf(LedgerIndex(index)))]
}

fn committed(job: u64, index: u64) -> Event {
    done(job, Done::Committed { results: results(index), checkpoint: Arc::from(CHECKPOINT) })
}

fn ack(index: u64) -> wire::Ack {
    wire::Ack { receipt: vec![index as u8], ..Default::default() }
}

fn checked_ack(index: u64, results: Vec<ItemResult>) -> Done {
    let receipt = Receipt {
        federation: FEDERATION.to_owned(),
        receiver: agency(PEER),
        sender: agency(OWN),
        key_id: 0,
        charter_version: 1,
        cursor: cursor(index),
        results,
        checkpoint: Vec::new(),
    };
    Done::CheckedAck(Ok(Box::new(CheckedAck {
        receipt,
        ack: ack(index),
        checkpoint: checkpoint_of_peer(1, 20),
        confirmed: None,
    })))
}

fn peer(change: PeerChange) -> Action {
    Action::Peer(change)
}

fn sign(job: u64, index: u64) -> Action {
    let (cursor, checkpoint) = (cursor(index), CHECKPOINT.to_vec());
    start(job, Job::SignAck { cursor, results: results(index), checkpoint })
}

fn read(job: u64, from: u64, end: u64) -> Action {
    start(job, Job::Read { from: cursor(from), end: cursor(end), give_back: None })
}

fn progress(sent: u64, acknowledged: u64) -> Action {
    peer(PeerChange::Progress { sent: cursor(sent), acknowledged: cursor(acknowledged) })
}

#[test]
fn a_frame_gets_room_is_checked_committed_and_acknowledged_and_then_releases_its_room() {
    let mut side = Side::linked();
    let actions = side.hears(Kind::Deliver(deliver(6)));
    assert!(matches!(actions[..], [Action::Start(JobId(5), Job::Reserve { bytes: 30.. })]), "{actions:?}");
    assert!(!side.session.reads());
    assert_eq!(side.does(done(5, Done::Reserved)), [start(6, Job::Check { items: vec![item(6)] })]);
    assert!(side.session.reads());
    let commit = Job::Commit { cursor: cursor(6), items: taken(6) };
    let expected = [peer(PeerChange::ReceivedEntries(1)), start(7, commit)];
    assert_eq!(side.does(done(6, Done::Checked(taken(6)))), expected);
    assert_eq!(side.does(Event::Taken), []);
    assert_eq!(side.does(committed(7, 6)), [Action::Release(JobId(5)), sign(8, 6)]);
    assert_eq!(side.does(done(8, Done::Acknowledged(ack(6)))), []);
    assert_eq!(side.says(), [Kind::Ack(ack(6))]);
}

#[test]
fn frames_are_committed_and_acknowledged_in_order_whatever_the_order_in_which_jobs_end() {
    let mut side = Side::linked();
    for (index, job) in [(6, 5), (7, 7)] {
        side.hears(Kind::Deliver(deliver(index)));
        side.does(done(job, Done::Reserved));
    }
    assert_eq!(side.does(done(8, Done::Checked(taken(7)))), []);
    let commit = |job, index| start(job, Job::Commit { cursor: cursor(index), items: taken(index) });
    let received = || peer(PeerChange::ReceivedEntries(1));
    assert_eq!(side.does(done(6, Done::Checked(taken(6)))), [received(), commit(9, 6)], "one at a time");
    assert_eq!(side.does(Event::Taken), [received(), commit(10, 7)]);
    assert_eq!(side.does(Event::Taken), []);
    assert_eq!(side.does(committed(10, 7)), []);
    let released = |job| Action::Release(JobId(job));
    assert_eq!(side.does(committed(9, 6)), [released(5), sign(11, 6), released(7), sign(12, 7)]);
    side.does(done(12, Done::Acknowledged(ack(7))));
    assert_eq!(side.says(), []);
    side.does(done(11, Done::Acknowledged(ack(6))));
    assert_eq!(side.says(), [Kind::Ack(ack(6)), Kind::Ack(ack(7))]);
}

#[test]
fn the_result_of_a_job_that_is_not_running_is_ignored() {
    let mut side = Side::linked();
    side.hears(Kind::Deliver(deliver(6)));
    side.does(done(5, Done::Reserved));
    for job in [5, 77] {
        assert_eq!(side.does(done(job, Done::Reserved)), []);
        assert_eq!(side.does(committed(job, 6)), []);
        assert_eq!(side.does(done(job, Done::Failed(End::Stopped))), []);
        assert_eq!(side.does(done(job, Done::Read(prepared(11, &[1])))), []);
    }
    // The job is running, but the result is of another kind.
    assert_eq!(side.does(done(6, Done::Acknowledged(ack(6)))), []);
}

#[test]
fn a_job_that_fails_ends_the_link() {
    let mut side = Side::linked();
    side.hears(Kind::Deliver(deliver(6)));
    let actions = side.does(done(5, Done::Failed(End::OwnData("leaf 7".to_owned()))));
    let close = Close { end: End::OwnData("leaf 7".to_owned()), was_success: false };
    assert_eq!(actions, [peer(PeerChange::PassedOn(None)), Action::Close(close)]);
}

#[test]
fn a_delivery_without_a_cursor_or_with_a_gap_ends_the_link() {
    let mut side = Side::linked();
    side.hears(Kind::Deliver(wire::Deliver { cursor: None, ..deliver(6) }));
    assert!(ends_with(&side.does(done(5, Done::Reserved)), FaultCode::UnexpectedFrame));
    let mut side = Side::linked();
    side.hears(Kind::Deliver(wire::Deliver { after: Some(cursor(8).to_wire()), ..deliver(9) }));
    assert!(ends_with(&side.does(done(5, Done::Reserved)), FaultCode::BadCursor), "here is it up to 5");
}

#[test]
fn nothing_is_read_while_the_window_is_full() {
    let mut side = Side::linked();
    for number in 0..limits::LINK_WINDOW_FRAMES as u64 {
        assert!(side.session.reads(), "{number}");
        side.hears(Kind::Deliver(deliver(6 + number)));
        side.does(done(5 + 2 * number, Done::Reserved));
    }
    assert!(!side.session.reads());
    side.does(done(6, Done::Checked(taken(6))));
    side.does(Event::Taken);
    let commit = 5 + 2 * limits::LINK_WINDOW_FRAMES as u64;
    side.does(committed(commit, 6));
    assert!(side.session.reads());
}

#[test]
fn while_the_writer_takes_nothing_no_frame_is_read_and_pings_are_still_sent() {
    let mut side = Side::linked();
    for (index, job) in [(6, 5), (7, 8)] {
        side.hears(Kind::Deliver(deliver(index)));
        side.does(done(job, Done::Reserved));
        side.does(done(job + 1, Done::Checked(taken(index))));
    }
    assert!(side.session.reads(), "one submission waits for the writer");
    side.hears(Kind::Checkpoints(wire::CheckpointNotes { notes: vec![b"note".to_vec()] }));
    let checked = CheckedCheckpoints { news: vec![b"note".to_vec()], own: Vec::new() };
    assert_eq!(side.does(done(10, Done::CheckpointsChecked(checked))).len(), 1);
    assert!(!side.session.reads(), "two do");
    let (actions, said) = side.waits(IDLE * 3);
    assert_eq!(actions, [], "nor does silence count");
    assert_eq!(said.len(), 9, "it still says pings");
    assert!(ends_with(&side.clone().hears(ping(0, false)), FaultCode::Internal), "a frame would not be taken");
    assert_eq!(side.does(Event::Taken), []);
    assert!(side.session.reads());
    assert_eq!(side.does(Event::Taken).len(), 2, "the next frame is given to the writer");
}

#[test]
fn a_new_leaf_is_read_and_sent_and_its_receipt_is_stored() {
    let mut side = Side::linked();
    assert_eq!(side.does(Event::Grown(cursor(11))), [read(5, 10, 11)]);
    let expected = [peer(PeerChange::SentEntries(1)), progress(11, 10)];
    assert_eq!(side.does(done(5, Done::Read(prepared(11, &[1])))), expected);
    let after = Some(cursor(10).to_wire());
    assert_eq!(side.says(), [Kind::Deliver(wire::Deliver { after, ..prepared(11, &[1]).frame })]);
    assert_eq!(side.hears(Kind::Ack(ack(11))), [start(6, Job::CheckAck(ack(11)))]);
    let item = UnsettledItem { entry: entry(1), leaf: LedgerIndex(10), complaint: None, code: 202, is_refused: true };
    let answer = FrameAnswer { cursor: cursor(11), unsettled: vec![item], settled: Vec::new() };
    let results = vec![ItemResult::without_contents(entry(1), ItemOutcome::Refused(202))];
    let expected = [
        saw(),
        Action::Release(JobId(5)),
        peer(PeerChange::Refused(1)),
        Action::Store(SideRecord::Receipt { at: START, answer, ack: ack(11) }),
        progress(11, 11),
        peer(PeerChange::Answered),
    ];
    assert_eq!(side.does(done(6, checked_ack(11, results))), expected);
}

#[test]
fn a_read_without_entries_for_this_peer_releases_its_room_at_once() {
    let mut side = Side::linked();
    side.does(Event::Grown(cursor(11)));
    let expected = [Action::Release(JobId(5)), progress(11, 11)];
    assert_eq!(side.does(done(5, Done::Read(prepared(11, &[])))), expected);
    // A read may end before the end of the ledger. The room is free before the next read takes one.
    assert_eq!(side.does(Event::Grown(cursor(20))), [read(6, 11, 20)]);
    let expected = [Action::Release(JobId(6)), read(7, 15, 20), progress(15, 15)];
    assert_eq!(side.does(done(6, Done::Read(prepared(15, &[])))), expected);
    assert_eq!(side.says(), []);
}

/// The checkpoint in each receipt of these tests goes to the watch.
fn saw() -> Action {
    Action::Saw(VerifiedCheckpoint { checkpoint: checkpoint_of_peer(1, 20), note: Vec::new() })
}

/// A session that has sent two frames, with one entry each, up to cursors 11 and 12.
fn two_in_flight() -> Side {
    let mut side = Side::linked();
    side.does(Event::Grown(cursor(11)));
    side.does(done(5, Done::Read(prepared(11, &[11]))));
    side.does(Event::Grown(cursor(12)));
    side.does(done(6, Done::Read(prepared(12, &[12]))));
    side
}

#[test]
fn receipts_are_taken_in_order_whatever_the_order_in_which_their_checks_end() {
    let mut side = two_in_flight();
    side.hears(Kind::Ack(ack(11)));
    side.hears(Kind::Ack(ack(12)));
    assert_eq!(side.does(done(8, checked_ack(12, results(12)))), []);
    let kept = |index| {
        let answer = FrameAnswer { cursor: cursor(index), unsettled: Vec::new(), settled: Vec::new() };
        Action::Store(SideRecord::Receipt { at: START, answer, ack: ack(index) })
    };
    let expected = [saw(), Action::Release(JobId(5)), kept(11), progress(12, 11), peer(PeerChange::Answered)];
    assert_eq!(side.does(done(7, checked_ack(11, results(11)))), expected, "the next when the writer has taken it");
    let expected = [saw(), Action::Release(JobId(6)), kept(12), progress(12, 12), peer(PeerChange::Answered)];
    assert_eq!(side.does(Event::Taken), expected);
}

#[test]
fn frames_and_receipts_take_turns_at_a_writer_that_is_slow() {
    let mut side = two_in_flight();
    for (index, job) in [(6, 7), (7, 10), (8, 12)] {
        side.hears(Kind::Deliver(deliver(index)));
        side.does(done(job, Done::Reserved));
        side.does(done(job + 1, Done::Checked(taken(index))));
    }
    side.hears(Kind::Ack(ack(11)));
    side.hears(Kind::Ack(ack(12)));
    side.does(done(14, checked_ack(11, results(11))));
    side.does(done(15, checked_ack(12, results(12))));
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.extend(side.does(Event::Taken).into_iter().filter_map(|action| match action {
            Action::Start(_, Job::Commit { .. }) => Some("frame"),
            Action::Store(SideRecord::Receipt { .. }) => Some("receipt"),
            _ => None,
        }));
    }
    assert_eq!(submitted.len(), 4);
    assert_ne!(submitted[0], submitted[1]);
    assert_ne!(submitted[2], submitted[3]);
}

#[test]
fn a_receipt_that_is_wrong_too_large_or_unexpected_ends_the_link() {
    let mut side = two_in_flight();
    side.hears(Kind::Ack(ack(11)));
    let wrong = Done::CheckedAck(Err("its signature does not verify".to_owned()));
    assert!(ends_with(&side.does(done(7, wrong)), FaultCode::BadReceipt));
    let mut side = two_in_flight();
    side.hears(Kind::Ack(ack(11)));
    assert!(ends_with(&side.does(done(7, checked_ack(12, results(12)))), FaultCode::BadReceipt), "of the second");
    let mut side = two_in_flight();
    let large = wire::Ack { receipt: vec![0; limits::RECEIPT_BYTES], ..Default::default() };
    assert!(ends_with(&side.hears(Kind::Ack(large)), FaultCode::LimitExceeded));
    let mut side = two_in_flight();
    side.hears(Kind::Ack(ack(11)));
    side.hears(Kind::Ack(ack(12)));
    assert!(ends_with(&side.hears(Kind::Ack(ack(13))), FaultCode::BadReceipt));
    let mut side = Side::linked();
    assert!(ends_with(&side.hears(Kind::Ack(ack(11))), FaultCode::BadReceipt), "nothing was sent");
}

/// A link with a peer that goes by a charter which is not here, and is ready. Before that the peer passed the charter on, or not.
fn behind(passes_on: bool) -> Side {
    let federation = Federation::new();
    let (mut side, _) = Side::open(config(&federation.charters));
    side.does(done(1, Done::PeerLoaded(Box::new(stored_peer()))));
    side.hears(Kind::Hello(wire::Hello { charter_version: 2, ..hello(&federation.charters) }));
    side.does(done(2, Done::Compared(None)));
    let mut job = 3;
    if passes_on {
        side.hears(Kind::Charter(wire::CharterNote { note: b"two".to_vec() }));
        job += 1;
    }
    side.hears(ready());
    side.does(done(job, checked(checkpoint_of_peer(1, 20))));
    side
}

/// The actions when this side has grown by a leaf. `gossip` is the number of the job that it begins when the link is up.
fn grows(side: &mut Side, gossip_job: u64) -> Vec<Action> {
    side.does(gossip(gossip_job, &[], 0));
    side.does(Event::Grown(cursor(11)))
}

#[test]
fn nothing_is_delivered_while_a_charter_comes_that_may_list_the_keys_of_the_peer() {
    let mut side = behind(true);
    assert_eq!(side.hears(ping(7, false)), [peer(PeerChange::ClockOffset(0))]);
    assert_eq!(side.does(done(3, Done::Adopted(Adoption::InForce))), [], "the link is made anew");
    assert!(!side.says().iter().any(|frame| matches!(frame, Kind::Ready(_))), "it adopts the charter first");
    let mut side = behind(true);
    side.does(done(3, Done::Adopted(Adoption::Not)));
    let turned_down = grows(&mut side, 5);
    assert!(turned_down.contains(&read(6, 10, 11)), "{turned_down:?}");
    let mut side = behind(false);
    assert_eq!(grows(&mut side, 4), [], "it may still pass them on");
    let (passes_on_nothing, _) = behind(false).waits(CHARTERS_WITHIN);
    assert!(passes_on_nothing.contains(&peer(PeerChange::Linked)), "{passes_on_nothing:?}");
}

#[test]
fn a_peer_that_pings_but_acknowledges_nothing_ends_the_link() {
    let mut side = two_in_flight();
    for _ in 0..5 {
        side.waits(Duration::from_secs(10));
        side.hears(ping(0, true));
    }
    let (actions, _) = side.waits(Duration::from_secs(10));
    let end = End::Fault(FaultCode::Idle, "nothing acknowledged for 60 s".to_owned());
    assert_eq!(actions.last(), Some(&Action::Close(Close { end, was_success: true })));
}

#[test]
fn a_peer_that_does_not_read_ends_the_link_when_the_queue_of_frames_is_full() {
    let mut side = Side::linked();
    let mut number = 0;
    let ended = loop {
        side.hears(Kind::Prove(wire::Prove::default()));
        let actions = side.does(done(5 + number, Done::Proved(wire::Proof::default())));
        number += 1;
        if !actions.is_empty() {
            break actions;
        }
    };
    assert!(ends_with(&ended, FaultCode::LimitExceeded));
    assert_eq!(number, 65);
}

#[test]
fn a_frame_that_is_read_while_there_is_no_room_ends_the_link() {
    let mut side = Side::linked();
    side.hears(Kind::Deliver(deliver(6)));
    assert!(ends_with(&side.hears(Kind::Deliver(deliver(7))), FaultCode::Internal));
}
