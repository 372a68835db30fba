//! Delivery, the sending side of a link: reads frames from the ledger, sends them within the windows, checks their receipts and stores them.
//!
//! ```text
//! Grown -> sender -> Job::Read -> Deliver leaves -> Ack comes -> Job::CheckAck -> sender -> Action::Store
//! ```
//!
//! [`sender`] decides what to send and when; this part does it with jobs and frames.
//!
//! Invariants:
//! - receipts are taken in the order in which they came, however long the checks of their signatures take;
//! - no more receipts are being checked than frames are unacknowledged;
//! - a frame keeps its reserved room until its receipt is stored;
//! - a peer that reads but never acknowledges ends the link.

pub(super) mod sender;

use std::collections::VecDeque;
use std::time::Duration;

use prost::Message;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, CheckedAck, Job, Owed, PeerChange, SideRecord, Warning};
use super::jobs::{InOrder, JobId};
use super::timers::Timer;
use super::window::Window;
use crate::base::clock::later;
use crate::base::ids::EntryId;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::routing::cursor::Cursor;
use crate::routing::outbox::Prepared;
use crate::transparency::receipt::Receipt;
use crate::transparency::watch::VerifiedCheckpoint;
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
    /// The jobs that hold the rooms of the unacknowledged frames, in the order of the frames.
    in_flight: VecDeque<JobId>,
    /// Receipts that are being checked.
    checking: InOrder<(), Result<Box<CheckedAck>, String>>,
    /// The time of the last acknowledgement, or of the first frame after everything was acknowledged.
    progress: u64,
    /// The progress that was last reported: sent and acknowledged.
    reported: Option<(Cursor, Cursor)>,
    has_moved: bool,
}

impl Delivery {
    /// The delivery of a ledger with this durable end. The link ends if nothing is acknowledged for `idle`.
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
            reported: None,
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

    /// Begins to send. The peer has the ledger up to `have`, and this node has the peer's receipts up to `receipted`.
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
        // Before the link is up, no progress is reported.
        if self.reported.is_none() { Ok(()) } else { self.perform(outputs, None, effects) }
    }

    /// Handles a frame that was read from the ledger.
    pub(super) fn read(&mut self, job: JobId, prepared: Prepared, effects: &mut Effects<'_>) -> Result<(), End> {
        if self.reading.take_if(|reading| *reading == job).is_none() {
            return Ok(());
        }
        let Prepared { summary, frame } = prepared;
        let outputs = self.sender.handle(SenderEvent::Prepared(summary));
        self.perform(outputs, Some((job, frame)), effects)
    }

    /// Handles a receipt that came: has its signature checked.
    pub(super) fn receipted(&mut self, ack: wire::Ack, effects: &mut Effects<'_>) -> Result<(), End> {
        // The whole receipt goes to the ledger, so its size is bounded.
        let bytes = ack.encoded_len();
        if bytes > limits::RECEIPT_BYTES {
            return Err(End::over_limit(format!("a receipt of {bytes} bytes, at most {}", limits::RECEIPT_BYTES)));
        }
        let unacknowledged = self.in_flight.len();
        if self.checking.len() >= unacknowledged {
            let reason = format!("one receipt too many: only {unacknowledged} frames are unacknowledged");
            return Err(End::Fault(FaultCode::BadReceipt, reason));
        }
        self.checking.push(effects.start(Job::CheckAck(ack)), ());
        Ok(())
    }

    /// Handles the result of a check. [`Self::acknowledge_next`] takes the receipt.
    pub(super) fn checked(&mut self, job: JobId, ack: Result<Box<CheckedAck>, String>) {
        self.checking.done(job, ack);
    }

    /// Takes the next receipt, if its check has ended. Returns whether there was one.
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
            self.store(cursor, refused, ack, effects);
        }
        self.perform(outputs, None, effects)?;
        effects.note(PeerChange::Answered);
        if let Some(checkpoint) = checkpoint {
            effects.act(Action::Saw(VerifiedCheckpoint { checkpoint, note }));
        }
        Ok(true)
    }

    /// Ends the link if nothing was acknowledged for the idle timeout.
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

    fn store(&mut self, cursor: Cursor, refused: Vec<(EntryId, u32)>, ack: wire::Ack, effects: &mut Effects<'_>) {
        if let Some(room) = self.in_flight.pop_front() {
            effects.act(Action::Release(room));
        }
        self.has_moved = true;
        if !refused.is_empty() {
            effects.note(PeerChange::Refused(refused.len() as u64));
        }
        effects.store(SideRecord::Receipt { at: effects.now.wall_millis, cursor, refused, ack });
    }

    /// Performs the sender's outputs, except storing receipts. `read` is the frame that was read, with the job that holds its room.
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
            // The frame has no entry for this link.
            effects.act(Action::Release(room));
        }
        let acknowledged = self.sender.acknowledged_cursor();
        // Leaves that were passed over silently count as sent.
        let sent = self.sender.sent().max(acknowledged);
        if self.reported != Some((sent, acknowledged)) {
            self.reported = Some((sent, acknowledged));
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
        effects.send(Kind::Deliver(wire::Deliver { after: Some(after.to_wire()), ..frame }))
    }
}
