//! Intake: received frames are authenticated beside each other, reach the writer in order, and are acknowledged when they are durable.
//!
//! ```text
//! Deliver -> Job::Reserve -> receiver -> Job::Check -> Job::Commit -> receiver -> Job::SignAck -> Ack leaves
//! ```
//!
//! Which frames are allowed is up to [`receiver`]; this part does it.
//!
//! Invariants:
//! - frames reach the writer, and are acknowledged, in the order in which they came, whatever the order in which jobs end;
//! - nothing is given to the writer while it has not taken what it was given before;
//! - a frame has room in what all links may hold until it is durable; one more is read only when the last one has its room.

pub(super) mod receiver;

use std::sync::Arc;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, Job, PeerChange};
use super::jobs::{InOrder, JobId};
use super::window::Window;
use crate::cursor::Cursor;
use crate::intake::Received;
use crate::receipt::ItemResult;
use crate::refusal::FaultCode;
use crate::wire::{self, frame::Kind};
use receiver::{Receiver, ReceiverEvent, ReceiverOutput};

/// The receiving half of one link.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    receiver: Receiver,
    /// The frame that came last with its weight, as long as there is no room for it.
    admitting: Option<(JobId, wire::Deliver, usize)>,
    checking: InOrder<Frame, Vec<Received>>,
    /// The rooms of the frames that the writer has.
    committing: InOrder<JobId, Committed>,
    signing: InOrder<(), wire::Ack>,
    window: Window,
    /// The window is full.
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

/// What became of a frame.
#[derive(Clone, Debug)]
struct Committed {
    results: Option<Vec<ItemResult>>,
    checkpoint: Arc<[u8]>,
}

impl Intake {
    /// The intake of a link with a peer whose ledger is here up to `have`.
    pub(super) fn new(have: Option<Cursor>, window: Window) -> Self {
        Self {
            receiver: Receiver::new(have, window),
            admitting: None,
            checking: InOrder::default(),
            committing: InOrder::default(),
            signing: InOrder::default(),
            window,
            is_paused: false,
            has_moved: false,
        }
    }

    /// Whether one more frame may come: not while there is no room for the one before, or while a window of receipts is being signed.
    pub(super) fn has_room(&self) -> bool {
        !self.is_paused && self.admitting.is_none() && self.signing.len() < self.window.frames
    }

    /// Whether a frame was made durable.
    pub(super) fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// A frame with entries came. It weighs so many bytes.
    pub(super) fn came(&mut self, deliver: wire::Deliver, bytes: usize, effects: &mut Effects<'_>) {
        self.admitting = Some((effects.start(Job::Reserve { bytes }), deliver, bytes));
    }

    /// There is room for the frame that came last.
    pub(super) fn reserved(&mut self, job: JobId, effects: &mut Effects<'_>) -> Result<(), End> {
        let Some((room, deliver, bytes)) = self.admitting.take_if(|(admitting, ..)| *admitting == job) else {
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

    /// A frame was authenticated. It is given to the writer by [`Self::commit_next`].
    pub(super) fn checked(&mut self, job: JobId, items: Vec<Received>) {
        self.checking.done(job, items);
    }

    /// Gives the next frame to the writer, if it was authenticated; whether it was.
    pub(super) fn commit_next(&mut self, effects: &mut Effects<'_>) -> bool {
        let Some((Frame { cursor, room }, items)) = self.checking.pop() else { return false };
        effects.note(PeerChange::ReceivedEntries(items.len() as u64));
        self.committing.push(effects.commit(cursor, items), room);
        true
    }

    /// A frame is durable, or was not taken.
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
                let reason = "too much of what this peer delivered waits for parents or charters".to_owned();
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

    /// A receipt was signed.
    pub(super) fn acknowledged(&mut self, job: JobId, ack: wire::Ack, effects: &mut Effects<'_>) -> Result<(), End> {
        self.signing.done(job, ack);
        while let Some(((), ack)) = self.signing.pop() {
            effects.say(Kind::Ack(ack))?;
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
