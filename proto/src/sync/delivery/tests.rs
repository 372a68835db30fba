//! The sender, event by event.

use super::*;
use crate::base::ids::{EntryId, Epoch, LedgerIndex};
use crate::receipt::{Deferral, ItemOutcome};
use crate::routing::outbox::SentEntry;
use crate::routing::unsettled::UnsettledItem;

fn cursor(index: u64) -> Cursor {
    Cursor { epoch: Epoch(1), index: LedgerIndex(index), part: 0 }
}

fn batch(index: u64, entries: &[u8], bytes: usize) -> FrameSummary {
    let sent =
        |n: &u8| SentEntry { id: EntryId([*n; 32]), leaf: LedgerIndex(index - 1), complaint: None, is_again: false };
    FrameSummary { cursor: cursor(index), entries: entries.iter().map(sent).collect(), bytes }
}

fn stored(entry: u8, outcome: ItemOutcome) -> ItemResult {
    ItemResult::without_contents(EntryId([entry; 32]), outcome)
}

fn linked(size: u64, have: Option<Cursor>) -> (Sender, Vec<SenderOutput>) {
    let mut sender = Sender::new(cursor(size), Window::default());
    let outputs = sender.handle(SenderEvent::Linked { have, receipted: have });
    (sender, outputs)
}

#[test]
fn the_ledger_is_read_from_the_start_for_a_new_peer() {
    let (_, outputs) = linked(3, None);
    assert_eq!(outputs, [SenderOutput::Read { from: cursor(0) }]);
}

#[test]
fn the_ledger_is_read_from_the_cursor_of_a_known_peer() {
    let (mut sender, outputs) = linked(3, Some(cursor(3)));
    assert_eq!(outputs, []);
    let outputs = sender.handle(SenderEvent::Grown { end: cursor(4) });
    assert_eq!(outputs, [SenderOutput::Read { from: cursor(3) }]);
}

#[test]
fn items_without_a_receipt_are_sent_once_more() {
    let mut sender = Sender::new(Cursor::end(Epoch(1), LedgerIndex(9), 0), Window::default());
    let outputs = sender.handle(SenderEvent::Linked { have: Some(cursor(9)), receipted: Some(cursor(4)) });
    assert_eq!(outputs, [SenderOutput::Read { from: cursor(4) }]);
    let mut sender = Sender::new(Cursor::end(Epoch(1), LedgerIndex(9), 0), Window::default());
    let outputs = sender.handle(SenderEvent::Linked { have: Some(cursor(4)), receipted: Some(cursor(9)) });
    assert_eq!(outputs, [SenderOutput::Read { from: cursor(4) }], "a peer that lost what it had gets it again");
}

#[test]
fn a_cursor_of_an_earlier_epoch_starts_the_epoch_anew() {
    let mut sender = Sender::new(Cursor::end(Epoch(2), LedgerIndex(1), 0), Window::default());
    let have = Some(cursor(900));
    let outputs = sender.handle(SenderEvent::Linked { have, receipted: have });
    assert_eq!(outputs, [SenderOutput::Read { from: Cursor::start(Epoch(2)) }]);
}

#[test]
fn a_peer_that_has_more_than_there_is_ends_the_link() {
    let (_, outputs) = linked(3, Some(cursor(4)));
    assert!(matches!(outputs[..], [SenderOutput::Fault(FaultCode::AheadOfLedger, _)]));
    let (_, outputs) = linked(3, Some(Cursor { epoch: Epoch(2), index: LedgerIndex(0), part: 0 }));
    assert!(matches!(outputs[..], [SenderOutput::Fault(FaultCode::AheadOfLedger, _)]));
}

#[test]
fn nothing_is_read_before_the_link_is_up() {
    let mut sender = Sender::new(Cursor::end(Epoch(1), LedgerIndex(3), 0), Window::default());
    assert_eq!(sender.handle(SenderEvent::Grown { end: cursor(9) }), []);
}

#[test]
fn a_prepared_batch_is_delivered_and_the_next_is_read_without_waiting_for_the_ack() {
    let (mut sender, _) = linked(3, None);
    let outputs = sender.handle(SenderEvent::Prepared(batch(2, &[1, 2], 100)));
    let expected =
        [SenderOutput::Deliver { after: cursor(0), cursor: cursor(2) }, SenderOutput::Read { from: cursor(2) }];
    assert_eq!(outputs, expected);
}

#[test]
fn a_partial_frame_is_held_while_two_are_in_flight_and_a_full_frame_never_is() {
    let (mut sender, _) = linked(1, None);
    sender.handle(SenderEvent::Prepared(batch(1, &[1], 10)));
    let read = |from| [SenderOutput::Read { from: cursor(from) }];
    let grown = |size| SenderEvent::Grown { end: cursor(size) };
    assert_eq!(sender.handle(grown(2)), read(1), "the second does not wait for the first");
    sender.handle(SenderEvent::Prepared(batch(2, &[2], 10)));
    assert_eq!(sender.handle(grown(1 + limits::FRAME_ITEMS as u64)), []);
    assert_eq!(sender.handle(grown(2 + limits::FRAME_ITEMS as u64)), read(2));
    let rest = 300;
    let outputs = sender.handle(SenderEvent::Prepared(batch(rest, &[3], 10)));
    let delivered = SenderOutput::Deliver { after: cursor(2), cursor: cursor(rest) };
    assert_eq!(outputs, [delivered], "it took all there was");
    assert_eq!(sender.handle(grown(rest + 1)), []);
    let acknowledged = |index, entry| SenderEvent::Acknowledged {
        cursor: cursor(index),
        results: vec![stored(entry, ItemOutcome::Leaf(LedgerIndex(index)))],
    };
    assert_eq!(sender.handle(acknowledged(1, 1)).len(), 1, "two are still under way");
    assert_eq!(sender.handle(acknowledged(2, 2))[1..], read(rest));
}

#[test]
fn items_that_a_full_frame_left_behind_are_not_held() {
    let (mut sender, _) = linked(9, None);
    for index in 1..6 {
        let outputs = sender.handle(SenderEvent::Prepared(batch(index, &[7], 128 * 1024)));
        let next = SenderOutput::Read { from: cursor(index) };
        let (after, cursor) = (cursor(index - 1), cursor(index));
        assert_eq!(outputs, [SenderOutput::Deliver { after, cursor }, next]);
    }
}

#[test]
fn leaves_for_others_are_passed_over_silently_and_an_empty_frame_reports_a_long_stretch_of_them() {
    let (mut sender, _) = linked(10, None);
    assert_eq!(sender.handle(SenderEvent::Prepared(batch(10, &[], 0))), []);
    assert_eq!(sender.acknowledged_cursor(), cursor(10));
    let far = 10 + SKIPPED_LEAVES;
    sender.handle(SenderEvent::Grown { end: cursor(far) });
    let outputs = sender.handle(SenderEvent::Prepared(batch(far, &[], 0)));
    assert_eq!(outputs, [SenderOutput::Deliver { after: cursor(0), cursor: cursor(far) }]);
}

#[test]
fn a_full_window_stops_reading_until_an_ack_makes_room() {
    let (mut sender, _) = linked(3, None);
    let outputs = sender.handle(SenderEvent::Prepared(batch(1, &[1], limits::LINK_WINDOW_BYTES)));
    assert_eq!(outputs, [SenderOutput::Deliver { after: cursor(0), cursor: cursor(1) }]);
    assert_eq!(sender.handle(SenderEvent::Grown { end: cursor(5) }), []);
    let results = vec![stored(1, ItemOutcome::Leaf(LedgerIndex(7)))];
    let outputs = sender.handle(SenderEvent::Acknowledged { cursor: cursor(1), results });
    let store = SenderOutput::Store(FrameAnswer { cursor: cursor(1), unsettled: vec![], settled: vec![] });
    assert_eq!(outputs, [store, SenderOutput::Read { from: cursor(1) }]);
    assert_eq!(sender.in_flight_bytes(), 0);
}

#[test]
fn items_that_the_peer_does_not_take_are_reported_and_the_line_goes_on() {
    let (mut sender, _) = linked(3, None);
    sender.handle(SenderEvent::Prepared(batch(3, &[1, 2, 3], 10)));
    let kept = Deferral::kept(601);
    let results = vec![
        stored(1, ItemOutcome::Refused(202)),
        stored(2, ItemOutcome::Leaf(LedgerIndex(0))),
        stored(3, ItemOutcome::Deferred(kept)),
    ];
    let outputs = sender.handle(SenderEvent::Acknowledged { cursor: cursor(3), results });
    let item = |entry, code| UnsettledItem {
        entry: EntryId([entry; 32]),
        leaf: LedgerIndex(2),
        complaint: None,
        code,
        is_refused: code < 600,
    };
    let unsettled = vec![item(1, 202), item(3, 601)];
    assert_eq!(outputs, [SenderOutput::Store(FrameAnswer { cursor: cursor(3), unsettled, settled: vec![] })]);
    assert_eq!(sender.acknowledged_cursor(), cursor(3));
}

#[test]
fn an_item_that_is_taken_when_it_comes_again_is_reported_as_settled() {
    let (mut sender, _) = linked(9, Some(cursor(9)));
    let owed = Cursor { part: 1, ..cursor(9) };
    sender.handle(SenderEvent::Grown { end: owed });
    let sent = SentEntry { id: EntryId([7; 32]), leaf: LedgerIndex(3), complaint: None, is_again: true };
    sender.handle(SenderEvent::Prepared(FrameSummary { cursor: owed, entries: vec![sent], bytes: 10 }));
    let results = vec![stored(7, ItemOutcome::Leaf(LedgerIndex(0)))];
    let outputs = sender.handle(SenderEvent::Acknowledged { cursor: owed, results });
    let answer = FrameAnswer { cursor: owed, unsettled: vec![], settled: vec![LedgerIndex(3)] };
    assert_eq!(outputs, [SenderOutput::Store(answer)]);
}

#[test]
fn an_ack_for_what_was_never_sent_ends_the_link() {
    let (mut sender, _) = linked(2, None);
    let nothing_sent = sender.handle(SenderEvent::Acknowledged { cursor: cursor(1), results: vec![] });
    assert!(matches!(nothing_sent[..], [SenderOutput::Fault(FaultCode::BadReceipt, _)]));
    sender.handle(SenderEvent::Prepared(batch(2, &[1], 10)));
    let results = vec![stored(2, ItemOutcome::Leaf(LedgerIndex(0)))];
    let other_entry = sender.handle(SenderEvent::Acknowledged { cursor: cursor(2), results });
    assert!(matches!(other_entry[..], [SenderOutput::Fault(FaultCode::BadReceipt, _)]));
}

#[test]
fn items_owed_after_the_last_leaf_are_read_without_waiting_for_another_leaf() {
    let (mut sender, outputs) = linked(3, Some(cursor(3)));
    assert_eq!(outputs, []);
    let owed = Cursor { part: 1, ..cursor(3) };
    let outputs = sender.handle(SenderEvent::Grown { end: owed });
    assert_eq!(outputs, [SenderOutput::Read { from: cursor(3) }]);
    let content = FrameSummary { cursor: owed, ..batch(3, &[7], 10) };
    assert_eq!(
        sender.handle(SenderEvent::Prepared(content)),
        [SenderOutput::Deliver { after: cursor(3), cursor: owed }]
    );
}
