//! The sender: reads the own ledger from the receiver's cursor on, and keeps a bounded window of unacknowledged frames in flight.
//!
//! Must not know signatures, jobs or frames on the wire.
//!
//! Invariants:
//! - the frames in flight never exceed the window, in bytes and in number, by more than one frame;
//! - a partial frame is held while [`FULL_FRAMES_ONLY_FROM`] frames are in flight (as Nagle's algorithm does), so that frames grow under load:
//!   a frame is signed, checked and made durable as one;
//! - frames are acknowledged in the order in which they were sent, item by item;
//! - a receiver that claims more than the ledger has ends the link: the ledger was set back, or the peer lies.

use std::collections::VecDeque;

use crate::base::ids::EntryId;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::routing::cursor::Cursor;
use crate::routing::outbox::FrameSummary;
use crate::sync::Window;
use crate::transparency::receipt::{ItemOutcome, ItemResult};

/// The number of frames in flight from which on only full frames are sent: one frame travels while the peer handles the other.
const FULL_FRAMES_ONLY_FROM: usize = 2;

/// An input of a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// The link is up.
    Linked {
        /// The cursor up to which the peer has this ledger; `None` if it has nothing.
        have: Option<Cursor>,
        /// The cursor up to which this node has the peer's receipts.
        receipted: Option<Cursor>,
    },
    /// The ledger has grown.
    Grown {
        /// The ledger's durable end.
        end: Cursor,
    },
    /// The result of [`SenderOutput::Read`].
    Prepared(FrameSummary),
    /// A receipt whose signature was checked.
    Acknowledged {
        /// The cursor of the frame.
        cursor: Cursor,
        /// The results of the frame's items.
        results: Vec<ItemResult>,
    },
}

/// An output of a sender. The outputs are performed in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderOutput {
    /// Read the next items for this link, at most [`limits::FRAME_ITEMS`] and about [`limits::DELIVER_TARGET_BYTES`], and pass
    /// [`SenderEvent::Prepared`].
    Read {
        /// The start of the read.
        from: Cursor,
    },
    /// Send the frame that was prepared last.
    Deliver {
        /// The cursor of the frame before, which this frame continues.
        after: Cursor,
        /// The cursor of this frame.
        cursor: Cursor,
    },
    /// Store the receipt durably.
    Store {
        /// The cursor of the acknowledged frame.
        cursor: Cursor,
        /// The entries that the peer refused, with the refusal codes.
        refused: Vec<(EntryId, u32)>,
    },
    /// End the link.
    Fault(FaultCode, String),
}

/// The sending half of one link.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The durable end of the ledger.
    end: Cursor,
    window: Window,
    /// The start of the next read; `None` until the link is up.
    next: Option<Cursor>,
    /// The cursor of the last frame that was sent.
    sent: Cursor,
    acknowledged: Cursor,
    in_flight: VecDeque<FrameSummary>,
    in_flight_bytes: usize,
    reading: bool,
    /// The end of the ledger when the present read began.
    read_to: Cursor,
    /// Whether the last frame reached the end of the ledger. If so, new leaves may wait until they fill a frame.
    drained: bool,
}

impl Sender {
    /// A sender over a ledger with this durable end.
    pub fn new(end: Cursor, window: Window) -> Self {
        let start = Cursor::start(end.epoch);
        Self {
            end,
            window,
            next: None,
            sent: start,
            acknowledged: start,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            reading: false,
            read_to: start,
            drained: false,
        }
    }

    /// Handles one event and returns the outputs.
    pub fn handle(&mut self, event: SenderEvent) -> Vec<SenderOutput> {
        match event {
            SenderEvent::Linked { have, receipted } => self.linked(have, receipted),
            SenderEvent::Grown { end } => {
                self.end = self.end.max(end);
                self.read_on().into_iter().collect()
            }
            SenderEvent::Prepared(batch) => self.prepared(batch),
            SenderEvent::Acknowledged { cursor, results } => self.acknowledged(cursor, &results),
        }
    }

    /// The cursor of the last frame that was sent.
    pub fn sent(&self) -> Cursor {
        self.sent
    }

    /// The cursor up to which the peer has acknowledged everything.
    pub fn acknowledged_cursor(&self) -> Cursor {
        self.acknowledged
    }

    /// Bytes sent and not acknowledged.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    fn linked(&mut self, have: Option<Cursor>, receipted: Option<Cursor>) -> Vec<SenderOutput> {
        // A cursor of an earlier epoch says nothing about this one: everything is sent again, and the peer recognises duplicates.
        let (epoch, size) = (self.end.epoch, self.end.index);
        let start = Cursor::start(epoch);
        let have = have.filter(|cursor| cursor.epoch >= epoch).unwrap_or(start);
        if have.is_beyond(epoch, size) {
            let reason = format!("the peer claims our ledger up to {have}, but it has {size} leaves in epoch {epoch}");
            return vec![SenderOutput::Fault(FaultCode::AheadOfLedger, reason)];
        }
        // Items that the peer has, but whose receipt was lost, are sent once more for the receipt.
        let from = receipted.filter(|cursor| cursor.epoch == epoch).unwrap_or(start).min(have);
        self.next = Some(from);
        self.sent = from;
        self.acknowledged = from;
        self.read_on().into_iter().collect()
    }

    fn read_on(&mut self) -> Option<SenderOutput> {
        let from = self.next?;
        let window_full = self.window.is_full(self.in_flight_bytes, self.in_flight.len());
        let waiting = self.end.index.0.saturating_sub(from.index.0);
        let few = self.drained && waiting < limits::FRAME_ITEMS as u64;
        let can_grow = few && self.in_flight.len() >= FULL_FRAMES_ONLY_FROM;
        if self.reading || window_full || from >= self.end || can_grow {
            return None;
        }
        self.reading = true;
        self.read_to = self.end;
        Some(SenderOutput::Read { from })
    }

    fn prepared(&mut self, batch: FrameSummary) -> Vec<SenderOutput> {
        self.reading = false;
        self.drained = batch.cursor >= self.read_to;
        let mut outputs = Vec::new();
        self.next = Some(batch.cursor);
        let passed_over = batch.cursor.index.0.saturating_sub(self.sent.index.0);
        if !batch.entries.is_empty() || passed_over >= limits::SKIPPED_LEAVES {
            let after = std::mem::replace(&mut self.sent, batch.cursor);
            self.in_flight_bytes += batch.bytes;
            outputs.push(SenderOutput::Deliver { after, cursor: batch.cursor });
            self.in_flight.push_back(batch);
        } else if self.in_flight.is_empty() {
            // No leaf was for this link, so the peer has everything up to here.
            self.acknowledged = batch.cursor;
        }
        outputs.extend(self.read_on());
        outputs
    }

    fn acknowledged(&mut self, cursor: Cursor, results: &[ItemResult]) -> Vec<SenderOutput> {
        let Some(batch) = self.in_flight.front() else {
            let reason = format!("the peer acknowledged {cursor}, but no frame is unacknowledged");
            return vec![SenderOutput::Fault(FaultCode::BadReceipt, reason)];
        };
        if batch.cursor != cursor || !batch.entries.iter().eq(results.iter().map(|result| &result.entry)) {
            let reason = format!(
                "the peer acknowledged {} items at {cursor}, expected {} items at {}, or other entries",
                results.len(),
                batch.entries.len(),
                batch.cursor
            );
            return vec![SenderOutput::Fault(FaultCode::BadReceipt, reason)];
        }
        self.in_flight_bytes -= batch.bytes;
        self.in_flight.pop_front();
        self.acknowledged = match (self.in_flight.is_empty(), self.next) {
            (true, Some(next)) => next,
            _ => cursor,
        };
        let refused = results
            .iter()
            .filter_map(|result| match result.outcome {
                ItemOutcome::Refused(code) => Some((result.entry, code)),
                ItemOutcome::Leaf(_) | ItemOutcome::Deferred(_) => None,
            })
            .collect();
        let mut outputs = vec![SenderOutput::Store { cursor, refused }];
        outputs.extend(self.read_on());
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Epoch, LedgerIndex};

    fn cursor(index: u64) -> Cursor {
        Cursor { epoch: Epoch(1), index: LedgerIndex(index), part: 0 }
    }

    fn batch(index: u64, entries: &[u8], bytes: usize) -> FrameSummary {
        FrameSummary { cursor: cursor(index), entries: entries.iter().map(|n| EntryId([*n; 32])).collect(), bytes }
    }

    fn stored(entry: u8, outcome: ItemOutcome) -> ItemResult {
        ItemResult { entry: EntryId([entry; 32]), outcome }
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
            let outputs = sender.handle(SenderEvent::Prepared(batch(index, &[7], limits::DELIVER_TARGET_BYTES)));
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
        let far = 10 + limits::SKIPPED_LEAVES;
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
        let store = SenderOutput::Store { cursor: cursor(1), refused: vec![] };
        assert_eq!(outputs, [store, SenderOutput::Read { from: cursor(1) }]);
        assert_eq!(sender.in_flight_bytes(), 0);
    }

    #[test]
    fn a_refused_item_is_reported_and_the_line_goes_on() {
        let (mut sender, _) = linked(2, None);
        sender.handle(SenderEvent::Prepared(batch(2, &[1, 2], 10)));
        let results = vec![stored(1, ItemOutcome::Refused(203)), stored(2, ItemOutcome::Leaf(LedgerIndex(0)))];
        let outputs = sender.handle(SenderEvent::Acknowledged { cursor: cursor(2), results });
        assert_eq!(outputs, [SenderOutput::Store { cursor: cursor(2), refused: vec![(EntryId([1; 32]), 203)] }]);
        assert_eq!(sender.acknowledged_cursor(), cursor(2));
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
}
