//! Reception, the receiving side of a link: authenticates frames concurrently, submits them to the writer in order, and acknowledges each when
//! it is durable.
//!
//! ```text
//! Deliver -> Job::Reserve -> Receiver -> Job::Check -> Job::Commit -> Receiver -> Job::SignAck -> Ack leaves
//! ```
//!
//! [`Receiver`] decides which frames are allowed and when to pause. It must not know signatures, jobs or frames on the wire. [`Reception`] does it with
//! jobs and frames.
//!
//! Invariants:
//! - frames are submitted and acknowledged in the order in which they came, in whatever order jobs end;
//! - a frame is submitted only when the writer has taken all earlier submissions;
//! - a frame keeps its reserved room until it is durable, and the next frame is read only when the last one has its room;
//! - within a link a cursor never goes back and leaves no gap: this node has everything before each frame;
//! - reading stops while the window is full: a busy node refuses nothing on a link.

use std::collections::VecDeque;
use std::sync::Arc;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, Job, PeerChange};
use super::jobs::{InOrder, JobId};
use super::window::Window;
use crate::admission::received::Received;
use crate::base::cursor::Cursor;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::receipt::ItemResult;
use crate::wire::{self, frame::Kind};

/// The receiving half of one link.
#[derive(Clone, Debug)]
pub(super) struct Reception {
    receiver: Receiver,
    /// The last frame and its size in bytes, while it waits for room.
    reserving: Option<(JobId, wire::Deliver, usize)>,
    checking: InOrder<Frame, Vec<Received>>,
    /// The frames that the writer has, each with the job that holds its room.
    committing: InOrder<JobId, Committed>,
    signing: InOrder<(), wire::Ack>,
    window: Window,
    /// Whether the window is full.
    is_paused: bool,
    has_moved: bool,
}

/// A frame on its way to the writer.
#[derive(Clone, Copy, Debug)]
struct Frame {
    cursor: Cursor,
    /// The job that holds its room.
    room: JobId,
}

/// The writer's result for a frame.
#[derive(Clone, Debug)]
struct Committed {
    results: Vec<ItemResult>,
    checkpoint: Arc<[u8]>,
}

impl Reception {
    /// The reception of a link. This node has the peer's ledger up to `have`.
    pub(super) fn new(have: Option<Cursor>, window: Window) -> Self {
        Self {
            receiver: Receiver::new(have, window),
            reserving: None,
            checking: InOrder::default(),
            committing: InOrder::default(),
            signing: InOrder::default(),
            window,
            is_paused: false,
            has_moved: false,
        }
    }

    /// Whether one more frame may be read. `false` while the last one waits for room, the window is full, or a window of receipts is being
    /// signed.
    pub(super) fn has_room(&self) -> bool {
        !self.is_paused && self.reserving.is_none() && self.signing.len() < self.window.frames
    }

    /// Whether a frame was made durable.
    pub(super) fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// Handles a `Deliver` frame of this size.
    pub(super) fn received(&mut self, deliver: wire::Deliver, bytes: usize, effects: &mut Effects<'_>) {
        self.reserving = Some((effects.start(Job::Reserve { bytes }), deliver, bytes));
    }

    /// Handles the result of the reservation: the last frame has its room.
    pub(super) fn reserved(&mut self, job: JobId, effects: &mut Effects<'_>) -> Result<(), End> {
        let Some((room, deliver, bytes)) = self.reserving.take_if(|(reserving, ..)| *reserving == job) else {
            return Ok(());
        };
        let wire::Deliver { cursor, mut items, after } = deliver;
        let cursor = cursor.map(Cursor::from_wire).ok_or_else(|| End::unexpected("Deliver without a cursor"))?;
        let after = after.map(Cursor::from_wire);
        for output in self.receiver.handle(ReceiverEvent::Delivered { after, cursor, items: items.len(), bytes }) {
            match output {
                ReceiverOutput::Submit { cursor } => {
                    let items = std::mem::take(&mut items);
                    self.checking.push(effects.start(Job::Check { items }), Frame { cursor, room });
                }
                other => self.perform(other, effects)?,
            }
        }
        Ok(())
    }

    /// Handles the result of a check. [`Self::commit_next`] submits the frame.
    pub(super) fn checked(&mut self, job: JobId, items: Vec<Received>) {
        self.checking.done(job, items);
    }

    /// Submits the next frame to the writer, if its check has ended. Returns whether there was one.
    pub(super) fn commit_next(&mut self, effects: &mut Effects<'_>) -> bool {
        let Some((Frame { cursor, room }, items)) = self.checking.pop() else { return false };
        effects.note(PeerChange::ReceivedEntries(items.len() as u64));
        self.committing.push(effects.commit(cursor, items), room);
        true
    }

    /// Handles the writer's result: the frame is durable.
    pub(super) fn committed(
        &mut self,
        job: JobId,
        results: Vec<ItemResult>,
        checkpoint: Arc<[u8]>,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        self.committing.done(job, Committed { results, checkpoint });
        while let Some((room, Committed { results, checkpoint })) = self.committing.pop() {
            self.has_moved = true;
            effects.act(Action::Release(room));
            for output in self.receiver.handle(ReceiverEvent::Committed { results, checkpoint: checkpoint.to_vec() }) {
                self.perform(output, effects)?;
            }
        }
        Ok(())
    }

    /// Handles a signed receipt: sends it.
    pub(super) fn acknowledged(&mut self, job: JobId, ack: wire::Ack, effects: &mut Effects<'_>) -> Result<(), End> {
        self.signing.done(job, ack);
        while let Some(((), ack)) = self.signing.pop() {
            effects.send(Kind::Ack(ack))?;
        }
        Ok(())
    }

    fn perform(&mut self, output: ReceiverOutput, effects: &mut Effects<'_>) -> Result<(), End> {
        match output {
            ReceiverOutput::Acknowledge { cursor, results, checkpoint } => {
                self.signing.push(effects.start(Job::SignAck { cursor, results, checkpoint }), ());
            }
            ReceiverOutput::PauseReading => self.is_paused = true,
            ReceiverOutput::ResumeReading => self.is_paused = false,
            ReceiverOutput::Fault(code, reason) => return Err(End::Fault(code, reason)),
            ReceiverOutput::Submit { .. } => {}
        }
        Ok(())
    }
}

/// An input of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// A `Deliver` frame came.
    Delivered {
        /// The cursor that the frame continues; `None` if the peer does not name it.
        after: Option<Cursor>,
        /// The frame's cursor.
        cursor: Cursor,
        /// The number of items.
        items: usize,
        /// The size of the frame.
        bytes: usize,
    },
    /// The writer has made the oldest submitted frame durable.
    Committed {
        /// The results of the frame's items.
        results: Vec<ItemResult>,
        /// A signed checkpoint that covers the items.
        checkpoint: Vec<u8>,
    },
}

/// An output of a receiver. The outputs are performed in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverOutput {
    /// Submit the frame that just came to the writer.
    Submit {
        /// The frame's cursor.
        cursor: Cursor,
    },
    /// Sign and send the receipt.
    Acknowledge {
        /// The cursor of the frame.
        cursor: Cursor,
        /// The results of the frame's items.
        results: Vec<ItemResult>,
        /// A checkpoint that covers the items.
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
    /// The cursor up to which this node has the peer's ledger, including frames of this link that are not durable yet.
    have: Option<Cursor>,
    /// The cursor of the last frame of this link.
    last: Option<Cursor>,
    submitted: VecDeque<(Cursor, usize)>,
    submitted_bytes: usize,
    window: Window,
    paused: bool,
}

impl Receiver {
    /// The receiver of a new link. This node has the peer's ledger up to `have`. The sender may start earlier, if it lacks receipts.
    pub fn new(have: Option<Cursor>, window: Window) -> Self {
        Self { have, last: None, submitted: VecDeque::new(), submitted_bytes: 0, window, paused: false }
    }

    /// Handles one event and returns the outputs.
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
            let reason = format!("the cursor went from {last} to {cursor}, but it must go forward");
            return vec![ReceiverOutput::Fault(FaultCode::BadCursor, reason)];
        }
        // Nothing comes before the start of an epoch. After a gap the cursor that this node reports would be wrong.
        let begins = |after: &Cursor| *after == Cursor::start(after.epoch);
        if let Some(after) = after.filter(|after| !begins(after) && self.have.is_none_or(|have| *after > have)) {
            let have = self.have.map_or("nothing of it".to_owned(), |have| format!("it up to {have}"));
            let reason = format!("a frame continues the peer's ledger from {after}, but this node has {have}");
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
    use crate::base::ids::{EntryId, Epoch, LedgerIndex};
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
        let results = vec![ItemResult::without_contents(EntryId([1; 32]), ItemOutcome::Leaf(LedgerIndex(0)))];
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
    fn a_frame_after_a_gap_ends_the_link_and_is_not_taken() {
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
