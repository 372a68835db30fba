//! The receiver: takes frames in order, bounded, and acknowledges each when the writer has made it durable.
//!
//! Invariants:
//! - frames are submitted and acknowledged in the order of their arrival;
//! - a cursor never goes back within a link, and leaves no gap: what a frame goes on from is here;
//! - reading stops while more than the window waits for the writer: a node that is full never answers Busy on a link.

use std::collections::VecDeque;

use crate::cursor::Cursor;
use crate::limits;
use crate::receipt::ItemResult;
use crate::refusal::FaultCode;
use crate::sync::Window;

/// What happens to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// A `Deliver` frame came.
    Delivered {
        /// What it goes on from; `None`: the peer does not say.
        after: Option<Cursor>,
        /// Its cursor.
        cursor: Cursor,
        /// How many items it has.
        items: usize,
        /// What it weighs.
        bytes: usize,
    },
    /// The writer has made the oldest submitted frame durable.
    Committed {
        /// What became of its items.
        results: Vec<ItemResult>,
        /// The signed checkpoint that covers them.
        checkpoint: Vec<u8>,
    },
}

/// What the shell must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverOutput {
    /// Give the frame that just came to the writer.
    Submit {
        /// Its cursor.
        cursor: Cursor,
    },
    /// Sign and send the receipt.
    Acknowledge {
        /// The cursor of the frame.
        cursor: Cursor,
        /// What became of its items.
        results: Vec<ItemResult>,
        /// The checkpoint that covers them.
        checkpoint: Vec<u8>,
    },
    /// Do not read from the link until [`ReceiverOutput::ResumeReading`].
    PauseReading,
    /// Read from the link again.
    ResumeReading,
    /// End the link.
    Fault(FaultCode, String),
}

/// The receiving half of one link.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// How far we have the peer's ledger, with what came over this link.
    have: Option<Cursor>,
    /// The last frame that came over this link.
    last: Option<Cursor>,
    submitted: VecDeque<(Cursor, usize)>,
    submitted_bytes: usize,
    window: Window,
    paused: bool,
}

impl Receiver {
    /// The receiver of a new link; `have`: how far we have the peer's ledger. The sender may begin before it: where it lacks our receipt.
    pub fn new(have: Option<Cursor>, window: Window) -> Self {
        Self { have, last: None, submitted: VecDeque::new(), submitted_bytes: 0, window, paused: false }
    }

    /// Takes one event and says what to do.
    pub fn handle(&mut self, event: ReceiverEvent) -> Vec<ReceiverOutput> {
        match event {
            ReceiverEvent::Delivered { after, cursor, items, bytes } => self.delivered(after, cursor, items, bytes),
            ReceiverEvent::Committed { results, checkpoint } => self.committed(results, checkpoint),
        }
    }

    fn delivered(&mut self, after: Option<Cursor>, cursor: Cursor, items: usize, bytes: usize) -> Vec<ReceiverOutput> {
        if items > limits::FRAME_ITEMS {
            let reason = format!("a frame of {items} items, at most {}", limits::FRAME_ITEMS);
            return vec![ReceiverOutput::Fault(FaultCode::LimitExceeded, reason)];
        }
        if let Some(last) = self.last.filter(|last| cursor <= *last) {
            let reason = format!("the cursor went from {last} to {cursor}; it only goes forward");
            return vec![ReceiverOutput::Fault(FaultCode::BadCursor, reason)];
        }
        // Nothing lies before the start of an epoch. Where there is a gap, what we said we have would be wrong from now on.
        let begins = |after: &Cursor| *after == Cursor::start(after.epoch);
        if let Some(after) = after.filter(|after| !begins(after) && self.have.is_none_or(|have| *after > have)) {
            let have = self.have.map_or("nothing".to_owned(), |have| format!("it up to {have}"));
            let reason = format!("a frame goes on from {after} of the peer's ledger, here is {have}");
            return vec![ReceiverOutput::Fault(FaultCode::BadCursor, reason)];
        }
        self.have = self.have.max(Some(cursor));
        self.last = Some(cursor);
        self.submitted.push_back((cursor, bytes));
        self.submitted_bytes += bytes;
        let mut outputs = vec![ReceiverOutput::Submit { cursor }];
        if !self.paused && self.is_full() {
            self.paused = true;
            outputs.push(ReceiverOutput::PauseReading);
        }
        outputs
    }

    fn committed(&mut self, results: Vec<ItemResult>, checkpoint: Vec<u8>) -> Vec<ReceiverOutput> {
        let Some((cursor, bytes)) = self.submitted.pop_front() else {
            let reason = "the writer committed a frame that was not submitted".to_owned();
            return vec![ReceiverOutput::Fault(FaultCode::Internal, reason)];
        };
        self.submitted_bytes -= bytes;
        let mut outputs = vec![ReceiverOutput::Acknowledge { cursor, results, checkpoint }];
        if self.paused && !self.is_full() {
            self.paused = false;
            outputs.push(ReceiverOutput::ResumeReading);
        }
        outputs
    }

    fn is_full(&self) -> bool {
        self.window.is_full(self.submitted_bytes, self.submitted.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{EntryId, Epoch, LedgerIndex};
    use crate::receipt::ItemOutcome;

    fn cursor(index: u64) -> Cursor {
        Cursor { epoch: Epoch(1), index: LedgerIndex(index), part: 0 }
    }

    fn delivered(index: u64, bytes: usize) -> ReceiverEvent {
        ReceiverEvent::Delivered { after: None, cursor: cursor(index), items: 1, bytes }
    }

    fn committed() -> ReceiverEvent {
        ReceiverEvent::Committed { results: vec![], checkpoint: vec![] }
    }

    #[test]
    fn a_frame_is_submitted_and_acknowledged_when_it_is_durable() {
        let mut receiver = Receiver::new(None, Window::default());
        assert_eq!(receiver.handle(delivered(3, 10)), [ReceiverOutput::Submit { cursor: cursor(3) }]);
        let results = vec![ItemResult { entry: EntryId([1; 32]), outcome: ItemOutcome::Leaf(LedgerIndex(0)) }];
        let event = ReceiverEvent::Committed { results: results.clone(), checkpoint: vec![1] };
        let expected = ReceiverOutput::Acknowledge { cursor: cursor(3), results, checkpoint: vec![1] };
        assert_eq!(receiver.handle(event), [expected]);
    }

    #[test]
    fn a_cursor_that_goes_back_or_stands_still_ends_the_link() {
        let mut receiver = Receiver::new(None, Window::default());
        receiver.handle(delivered(5, 1));
        for index in [4, 5] {
            let outputs = receiver.handle(delivered(index, 1));
            assert!(matches!(outputs[..], [ReceiverOutput::Fault(FaultCode::BadCursor, _)]), "{index}");
        }
        let next_part = Cursor { part: 1, ..cursor(5) };
        let outputs = receiver.handle(ReceiverEvent::Delivered { after: None, cursor: next_part, items: 1, bytes: 1 });
        assert_eq!(outputs, [ReceiverOutput::Submit { cursor: next_part }]);
    }

    #[test]
    fn a_gap_ends_the_link_and_nothing_of_it_is_taken() {
        let from = |after: Cursor, index| {
            let (after, cursor) = (Some(after), cursor(index));
            ReceiverEvent::Delivered { after, cursor, items: 1, bytes: 1 }
        };
        let is_taken = |outputs: Vec<ReceiverOutput>| matches!(outputs[..], [ReceiverOutput::Submit { .. }]);
        let mut receiver = Receiver::new(Some(cursor(5)), Window::default());
        assert!(is_taken(receiver.handle(from(cursor(3), 4))), "once more, for the receipt");
        assert!(is_taken(receiver.handle(from(cursor(4), 7))));
        let outputs = receiver.handle(from(cursor(8), 9));
        assert!(matches!(outputs[..], [ReceiverOutput::Fault(FaultCode::BadCursor, _)]), "7 to 8 did not come");
        assert!(is_taken(receiver.handle(from(cursor(7), 8))));

        let later = Cursor { epoch: Epoch(2), ..cursor(0) };
        assert!(is_taken(receiver.handle(ReceiverEvent::Delivered {
            after: Some(later),
            cursor: Cursor { index: LedgerIndex(1), ..later },
            items: 1,
            bytes: 1
        })));
        let outputs = Receiver::new(None, Window::default()).handle(from(cursor(1), 2));
        assert!(matches!(outputs[..], [ReceiverOutput::Fault(FaultCode::BadCursor, _)]));
        assert!(is_taken(Receiver::new(None, Window::default()).handle(from(cursor(0), 2))));
    }

    #[test]
    fn a_frame_with_too_many_items_ends_the_link() {
        let event =
            ReceiverEvent::Delivered { after: None, cursor: cursor(1), items: limits::FRAME_ITEMS + 1, bytes: 1 };
        let outputs = Receiver::new(None, Window::default()).handle(event);
        assert!(matches!(outputs[..], [ReceiverOutput::Fault(FaultCode::LimitExceeded, _)]));
    }

    #[test]
    fn reading_stops_while_the_window_is_full() {
        let mut receiver = Receiver::new(None, Window::default());
        receiver.handle(delivered(1, 1));
        let outputs = receiver.handle(delivered(2, limits::LINK_WINDOW_BYTES));
        assert_eq!(outputs, [ReceiverOutput::Submit { cursor: cursor(2) }, ReceiverOutput::PauseReading]);
        assert_eq!(receiver.handle(committed()).len(), 1);
        assert_eq!(receiver.handle(committed())[1..], [ReceiverOutput::ResumeReading]);
    }

    #[test]
    fn frames_are_acknowledged_in_the_order_of_their_arrival() {
        let mut receiver = Receiver::new(None, Window::default());
        receiver.handle(delivered(1, 1));
        receiver.handle(delivered(2, 1));
        for index in [1, 2] {
            let outputs = receiver.handle(committed());
            assert!(matches!(&outputs[..], [ReceiverOutput::Acknowledge { cursor: c, .. }] if *c == cursor(index)));
        }
    }
}
