//! Reception, the receiving side of a link: authenticates frames concurrently, submits them to the writer in order, and acknowledges each when
//! it is durable.
//!
//! ```text
//! Deliver -> Job::Reserve -> receiver -> Job::Check -> Job::Commit -> receiver -> Job::SignAck -> Ack leaves
//! ```
//!
//! [`receiver`] decides which frames are allowed and when to pause; this part does it with jobs and frames.
//!
//! Invariants:
//! - frames are submitted and acknowledged in the order in which they came, in whatever order jobs end;
//! - a frame is submitted only when the writer has taken all earlier submissions;
//! - a frame keeps its reserved room until it is durable, and the next frame is read only when the last one has its room.

pub(super) mod receiver;

use std::sync::Arc;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, Job, PeerChange};
use super::jobs::{InOrder, JobId};
use super::window::Window;
use crate::admission::received::Received;
use crate::base::refusal::FaultCode;
use crate::routing::cursor::Cursor;
use crate::transparency::receipt::ItemResult;
use crate::wire::{self, frame::Kind};
use receiver::{Receiver, ReceiverEvent, ReceiverOutput};

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
    results: Option<Vec<ItemResult>>,
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

    /// Handles the writer's result: the frame is durable, or was not taken.
    pub(super) fn committed(
        &mut self,
        job: JobId,
        results: Option<Vec<ItemResult>>,
        checkpoint: Arc<[u8]>,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        self.committing.done(job, Committed { results, checkpoint });
        while let Some((room, Committed { results, checkpoint })) = self.committing.pop() {
            let results = results.ok_or_else(|| {
                let reason = "too many items of this peer are deferred: they lack parents or charters".to_owned();
                End::Fault(FaultCode::TooMuchDeferred, reason)
            })?;
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
