//! The receiver: takes frames in order, bounded, and acknowledges each when the writer has made it durable.
//!
//! Invariants:
//! - frames are submitted and acknowledged in the order of their arrival;
//! - a cursor never goes back within a link;
//! - reading stops while more than the window waits for the writer: a node that is full never answers Busy on a link.

use std::collections::VecDeque;

use super::Cursor;
use crate::limits;
use crate::receipt::ItemResult;
use crate::refusal::FaultCode;

/// What happens to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// A `Deliver` frame came.
    Delivered {
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
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    last: Option<Cursor>,
    submitted: VecDeque<(Cursor, usize)>,
    submitted_bytes: usize,
    paused: bool,
}

impl Receiver {
    /// The receiver of a new link. The sender may begin before what we have: where it lacks our receipt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event and says what to do.
    pub fn handle(&mut self, event: ReceiverEvent) -> Vec<ReceiverOutput> {
        match event {
            ReceiverEvent::Delivered { cursor, items, bytes } => self.delivered(cursor, items, bytes),
            ReceiverEvent::Committed { results, checkpoint } => self.committed(results, checkpoint),
        }
    }

    fn delivered(&mut self, cursor: Cursor, items: usize, bytes: usize) -> Vec<ReceiverOutput> {
        if items > limits::FRAME_ITEMS {
            let reason = format!("a frame of {items} items, at most {}", limits::FRAME_ITEMS);
            return vec![ReceiverOutput::Fault(FaultCode::LimitExceeded, reason)];
        }
        if let Some(last) = self.last.filter(|last| cursor <= *last) {
            let reason = format!("the cursor went from {last} to {cursor}; it only goes forward");
            return vec![ReceiverOutput::Fault(FaultCode::BadCursor, reason)];
        }
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
        self.submitted_bytes >= limits::LINK_WINDOW_BYTES || self.submitted.len() >= limits::LINK_WINDOW_FRAMES
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
        ReceiverEvent::Delivered { cursor: cursor(index), items: 1, bytes }
    }

    fn committed() -> ReceiverEvent {
        ReceiverEvent::Committed { results: vec![], checkpoint: vec![] }
    }

    #[test]
    fn a_frame_is_submitted_and_acknowledged_when_it_is_durable() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.handle(delivered(3, 10)), [ReceiverOutput::Submit { cursor: cursor(3) }]);
        let results = vec![ItemResult { entry: EntryId([1; 32]), outcome: ItemOutcome::Leaf(LedgerIndex(0)) }];
        let event = ReceiverEvent::Committed { results: results.clone(), checkpoint: vec![1] };
        let expected = ReceiverOutput::Acknowledge { cursor: cursor(3), results, checkpoint: vec![1] };
        assert_eq!(receiver.handle(event), [expected]);
    }

    #[test]
    fn a_cursor_that_goes_back_or_stands_still_ends_the_link() {
        let mut receiver = Receiver::new();
        receiver.handle(delivered(5, 1));
        for index in [4, 5] {
            let outputs = receiver.handle(delivered(index, 1));
            assert!(matches!(outputs[..], [ReceiverOutput::Fault(FaultCode::BadCursor, _)]), "{index}");
        }
        let next_part = Cursor { part: 1, ..cursor(5) };
        let outputs = receiver.handle(ReceiverEvent::Delivered { cursor: next_part, items: 1, bytes: 1 });
        assert_eq!(outputs, [ReceiverOutput::Submit { cursor: next_part }]);
    }

    #[test]
    fn a_frame_with_too_many_items_ends_the_link() {
        let event = ReceiverEvent::Delivered { cursor: cursor(1), items: limits::FRAME_ITEMS + 1, bytes: 1 };
        let outputs = Receiver::new().handle(event);
        assert!(matches!(outputs[..], [ReceiverOutput::Fault(FaultCode::LimitExceeded, _)]));
    }

    #[test]
    fn reading_stops_while_the_window_is_full() {
        let mut receiver = Receiver::new();
        receiver.handle(delivered(1, 1));
        let outputs = receiver.handle(delivered(2, limits::LINK_WINDOW_BYTES));
        assert_eq!(outputs, [ReceiverOutput::Submit { cursor: cursor(2) }, ReceiverOutput::PauseReading]);
        assert_eq!(receiver.handle(committed()).len(), 1);
        assert_eq!(receiver.handle(committed())[1..], [ReceiverOutput::ResumeReading]);
    }

    #[test]
    fn frames_are_acknowledged_in_the_order_of_their_arrival() {
        let mut receiver = Receiver::new();
        receiver.handle(delivered(1, 1));
        receiver.handle(delivered(2, 1));
        for index in [1, 2] {
            let outputs = receiver.handle(committed());
            assert!(matches!(&outputs[..], [ReceiverOutput::Acknowledge { cursor: c, .. }] if *c == cursor(index)));
        }
    }
}
