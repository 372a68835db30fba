//! Delivery: frames are read from the ledger and sent within the windows, and their receipts are checked and kept.
//!
//! ```text
//! Grown -> sender -> Job::Read -> Deliver leaves -> Ack comes -> Job::CheckAck -> sender -> Action::Keep
//! ```
//!
//! What is sent and when is up to [`sender`]; this part does it.
//!
//! Invariants:
//! - receipts are taken in the order in which they came, however long the checks of their signatures take;
//! - there are never more receipts being checked than frames unacknowledged;
//! - a frame has room in what all links may send until its receipt is kept;
//! - a peer that reads but never acknowledges ends the link.

pub(super) mod sender;

use std::collections::VecDeque;
use std::time::Duration;

use prost::Message;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, CheckedAck, Job, Kept, Owed, PeerChange, Warning};
use super::jobs::{InOrder, JobId};
use super::timers::{Timer, later};
use super::window::Window;
use crate::cursor::Cursor;
use crate::ids::EntryId;
use crate::limits;
use crate::outbox::Prepared;
use crate::receipt::Receipt;
use crate::refusal::FaultCode;
use crate::watch::Noted;
use crate::wire::{self, frame::Kind};
use sender::{Sender, SenderEvent, SenderOutput};

/// The sending half of one link.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    sender: Sender,
    /// The durable end of the ledger.
    end: Cursor,
    idle: Duration,
    give_back: Option<Owed>,
    reading: Option<JobId>,
    /// The rooms of the frames that are not acknowledged yet, in their order.
    in_flight: VecDeque<JobId>,
    /// Receipts that are being checked.
    checking: InOrder<(), Result<Box<CheckedAck>, String>>,
    /// When something was last acknowledged, or was sent when nothing was in flight.
    progress: u64,
    /// What was last told of the progress.
    told: Option<(Cursor, Cursor)>,
    has_moved: bool,
}

impl Delivery {
    /// The delivery of a ledger with this durable end, over a link that is taken for dead when nothing is acknowledged for `idle`.
    pub(super) fn new(end: Cursor, idle: Duration, window: Window) -> Self {
        Self {
            sender: Sender::new(end, window),
            end,
            idle,
            give_back: None,
            reading: None,
            in_flight: VecDeque::new(),
            checking: InOrder::default(),
            progress: 0,
            told: None,
            has_moved: false,
        }
    }

    /// The durable end of the ledger.
    pub(super) fn end(&self) -> Cursor {
        self.end
    }

    /// Whether a frame was acknowledged.
    pub(super) fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// Begins to send: the peer has the ledger up to `have`, and its receipts are here up to `receipted`.
    pub(super) fn begin(
        &mut self,
        have: Option<Cursor>,
        receipted: Option<Cursor>,
        give_back: Option<Owed>,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        self.give_back = give_back;
        let outputs = self.sender.handle(SenderEvent::Linked { have, receipted });
        self.perform(outputs, None, effects)
    }

    /// The ledger is durable up to here.
    pub(super) fn grown(&mut self, end: Cursor, effects: &mut Effects<'_>) -> Result<(), End> {
        self.end = self.end.max(end);
        let outputs = self.sender.handle(SenderEvent::Grown { end });
        // Before the link is up nothing is told of its progress.
        if self.told.is_none() { Ok(()) } else { self.perform(outputs, None, effects) }
    }

    /// A frame was read from the ledger.
    pub(super) fn read(&mut self, job: JobId, prepared: Prepared, effects: &mut Effects<'_>) -> Result<(), End> {
        if self.reading.take_if(|reading| *reading == job).is_none() {
            return Ok(());
        }
        let Prepared { batch, frame } = prepared;
        let outputs = self.sender.handle(SenderEvent::Prepared(batch));
        self.perform(outputs, Some((job, frame)), effects)
    }

    /// A receipt came: its signature must be checked.
    pub(super) fn receipted(&mut self, ack: wire::Ack, effects: &mut Effects<'_>) -> Result<(), End> {
        // It is kept, whole.
        let bytes = ack.encoded_len();
        if bytes > limits::RECEIPT_BYTES {
            return Err(End::over_limit(format!("a receipt of {bytes} bytes, at most {}", limits::RECEIPT_BYTES)));
        }
        let unacknowledged = self.in_flight.len();
        if self.checking.len() >= unacknowledged {
            let reason = format!("a receipt beyond those for the {unacknowledged} frames that are unacknowledged");
            return Err(End::Fault(FaultCode::BadReceipt, reason));
        }
        self.checking.push(effects.start(Job::CheckAck(ack)), ());
        Ok(())
    }

    /// A receipt was checked. It is taken by [`Self::acknowledge_next`].
    pub(super) fn checked(&mut self, job: JobId, ack: Result<Box<CheckedAck>, String>) {
        self.checking.done(job, ack);
    }

    /// Takes the next receipt, if it was checked; whether it was.
    pub(super) fn acknowledge_next(&mut self, effects: &mut Effects<'_>) -> Result<bool, End> {
        let Some(((), ack)) = self.checking.pop() else { return Ok(false) };
        let CheckedAck { receipt, ack, checkpoint } = *ack.map_err(|error| End::Fault(FaultCode::BadReceipt, error))?;
        let Receipt { cursor, results, checkpoint: note, .. } = receipt;
        if note.len() > limits::CHECKPOINT_BYTES {
            let (bytes, most) = (note.len(), limits::CHECKPOINT_BYTES);
            return Err(End::over_limit(format!("a receipt whose checkpoint has {bytes} bytes, at most {most}")));
        }
        self.progress = effects.now.mono_nanos;
        let mut outputs = self.sender.handle(SenderEvent::Acknowledged { cursor, results });
        if matches!(outputs.first(), Some(SenderOutput::Store { .. }))
            && let SenderOutput::Store { cursor, refused } = outputs.remove(0)
        {
            self.keep(cursor, refused, ack, effects);
        }
        self.perform(outputs, None, effects)?;
        effects.note(PeerChange::Answered);
        if let Some(checkpoint) = checkpoint {
            effects.act(Action::Saw(Noted { checkpoint, note }));
        }
        Ok(true)
    }

    /// Something must have been acknowledged.
    pub(super) fn check_progress(&mut self, effects: &mut Effects<'_>) -> Result<(), End> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        if effects.now.is_after(self.progress, self.idle) {
            let reason = format!("nothing acknowledged for {} s", self.idle.as_secs());
            return Err(End::Fault(FaultCode::Idle, reason));
        }
        effects.set(Timer::Progress, later(self.progress, self.idle));
        Ok(())
    }

    fn keep(&mut self, cursor: Cursor, refused: Vec<(EntryId, u32)>, ack: wire::Ack, effects: &mut Effects<'_>) {
        if let Some(room) = self.in_flight.pop_front() {
            effects.act(Action::Release(room));
        }
        self.has_moved = true;
        if !refused.is_empty() {
            effects.note(PeerChange::Refused(refused.len() as u64));
        }
        effects.keep(Kept::Receipt { at: effects.now.wall_millis, cursor, refused, ack });
    }

    /// Does what the sender says, but for keeping receipts. `read` is the frame that was read, with the job that holds its room.
    fn perform(
        &mut self,
        outputs: Vec<SenderOutput>,
        mut read: Option<(JobId, wire::Deliver)>,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        for output in outputs {
            match output {
                SenderOutput::Read { from } => {
                    let (end, give_back) = (self.end, self.give_back);
                    self.reading = Some(effects.start(Job::Read { from, end, give_back }));
                }
                SenderOutput::Deliver { after, .. } => {
                    if let Some((room, frame)) = read.take() {
                        self.deliver(room, after, frame, effects)?;
                    }
                }
                SenderOutput::Fault(code, reason) => {
                    if code == FaultCode::AheadOfLedger {
                        effects.act(Action::Warn(Warning::Ahead(reason.clone())));
                    }
                    return Err(End::Fault(code, reason));
                }
                SenderOutput::Store { .. } => {}
            }
        }
        if let Some((room, _)) = read {
            // Nothing in it was for this link.
            effects.act(Action::Release(room));
        }
        let acknowledged = self.sender.acknowledged_cursor();
        // What was passed over silently counts as sent.
        let sent = self.sender.sent().max(acknowledged);
        if self.told != Some((sent, acknowledged)) {
            self.told = Some((sent, acknowledged));
            effects.note(PeerChange::Progress { sent, acknowledged });
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        room: JobId,
        after: Cursor,
        frame: wire::Deliver,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if self.in_flight.is_empty() {
            self.progress = effects.now.mono_nanos;
            if !effects.is_set(Timer::Progress) {
                effects.set(Timer::Progress, later(self.progress, self.idle));
            }
        }
        self.in_flight.push_back(room);
        effects.note(PeerChange::SentEntries(frame.items.len() as u64));
        effects.say(Kind::Deliver(wire::Deliver { after: Some(after.to_wire()), ..frame }))
    }
}
