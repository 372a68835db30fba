//! Delivery, the sending side of a link: reads frames from the ledger, sends them within the windows, checks their receipts and stores them.
//!
//! ```text
//! Grown -> Sender -> Job::Read -> Deliver leaves -> Ack comes -> Job::CheckAck -> Sender -> Action::Store
//! ```
//!
//! [`Sender`] decides what to send and when: it reads the own ledger from the receiver's cursor on, and keeps a bounded window of unacknowledged frames
//! in flight. It must not know signatures, jobs or frames on the wire. [`Delivery`] does it with jobs and frames.
//!
//! Invariants:
//! - the frames in flight never exceed the window, in bytes and in number, by more than one frame;
//! - a partial frame is held while [`FULL_FRAMES_ONLY_FROM`] frames are in flight (as Nagle's algorithm does), so that frames grow under load:
//!   a frame is signed, checked and made durable as one;
//! - frames are acknowledged in the order in which they were sent, item by item, and receipts are taken in the order in which they came, however long
//!   the checks of their signatures take;
//! - no more receipts are being checked than frames are unacknowledged;
//! - a frame keeps its reserved room until its receipt is stored;
//! - a receiver that claims more than the ledger has ends the link: the ledger was set back, or the peer lies;
//! - a peer that reads but never acknowledges ends the link.

use std::collections::VecDeque;
use std::time::Duration;

use prost::Message;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, CheckedAck, GiveBackRange, Job, PeerChange, SideRecord, Warning};
use super::jobs::{InOrder, JobId};
use super::peer_checkpoints::OwnShown;
use super::timers::Timer;
use super::window::Window;
use crate::base::clock::later;
use crate::base::cursor::Cursor;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::receipt::{ItemResult, Receipt};
use crate::routing::outbox::{FrameSummary, Prepared};
use crate::routing::unsettled::FrameAnswer;
use crate::transparency::watch::VerifiedCheckpoint;
use crate::wire::{self, frame::Kind};

/// The sending half of one link.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    sender: Sender,
    /// The durable end of the ledger.
    end: Cursor,
    idle: Duration,
    give_back: Option<GiveBackRange>,
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
        give_back: Option<GiveBackRange>,
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

    /// Takes the next receipt, if its check has ended and `judge` accepts the checkpoint in it. Returns the checkpoint.
    pub(super) fn acknowledge_next(
        &mut self,
        judge: impl FnOnce(&OwnShown) -> Result<(), End>,
        effects: &mut Effects<'_>,
    ) -> Result<Option<OwnShown>, End> {
        let Some(((), ack)) = self.checking.pop() else { return Ok(None) };
        let CheckedAck { receipt, ack, checkpoint, confirmed } =
            *ack.map_err(|error| End::Fault(FaultCode::BadReceipt, error))?;
        let Receipt { cursor, results, checkpoint: note, .. } = receipt;
        if note.len() > limits::CHECKPOINT_BYTES {
            let (bytes, most) = (note.len(), limits::CHECKPOINT_BYTES);
            return Err(End::over_limit(format!("a receipt whose checkpoint has {bytes} bytes, at most {most}")));
        }
        // The watch gets it in any case.
        let shown = OwnShown { checkpoint: Some(checkpoint.clone()), confirmed };
        effects.act(Action::Saw(VerifiedCheckpoint { checkpoint, note }));
        judge(&shown)?;
        self.progress = effects.now.mono_nanos;
        let mut outputs = self.sender.handle(SenderEvent::Acknowledged { cursor, results });
        if matches!(outputs.first(), Some(SenderOutput::Store(_)))
            && let SenderOutput::Store(answer) = outputs.remove(0)
        {
            self.store(answer, ack, effects);
        }
        self.perform(outputs, None, effects)?;
        effects.note(PeerChange::Answered);
        Ok(Some(shown))
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

    fn store(&mut self, answer: FrameAnswer, ack: wire::Ack, effects: &mut Effects<'_>) {
        if let Some(room) = self.in_flight.pop_front() {
            effects.act(Action::Release(room));
        }
        self.has_moved = true;
        let refused = answer.unsettled.iter().filter(|item| item.is_refused).count() as u64;
        if refused > 0 {
            effects.note(PeerChange::Refused(refused));
        }
        effects.store(SideRecord::Receipt { at: effects.now.wall_millis, answer, ack });
    }

    /// Performs the sender's outputs, except storing receipts. `read` is the frame that was read, with the job that holds its room.
    fn perform(
        &mut self,
        outputs: Vec<SenderOutput>,
        mut read: Option<(JobId, wire::Deliver)>,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        let delivers = outputs.iter().any(|output| matches!(output, SenderOutput::Deliver { .. }));
        if !delivers && let Some((room, _)) = read.take() {
            // The frame has no entry for this link. Its room is free before the next frame takes one.
            effects.act(Action::Release(room));
        }
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
                SenderOutput::Store(_) => {}
            }
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

/// A sender skips leaves that are not for this link. After so many skipped leaves it sends an empty `Deliver` with its new cursor.
const SKIPPED_LEAVES: u64 = 4096;

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
    /// Read the next items for this link, at most [`limits::FRAME_ITEMS`] and about as many bytes as a frame should have, and pass
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
    Store(FrameAnswer),
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
        if !batch.entries.is_empty() || passed_over >= SKIPPED_LEAVES {
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
        if batch.cursor != cursor
            || !batch.entries.iter().map(|sent| sent.id).eq(results.iter().map(|result| result.entry))
        {
            let reason = format!(
                "the peer acknowledged {} items at {cursor}, expected {} items at {}, or other entries",
                results.len(),
                batch.entries.len(),
                batch.cursor
            );
            return vec![SenderOutput::Fault(FaultCode::BadReceipt, reason)];
        }
        let answer = FrameAnswer::of(batch, results);
        self.in_flight_bytes -= batch.bytes;
        self.in_flight.pop_front();
        self.acknowledged = match (self.in_flight.is_empty(), self.next) {
            (true, Some(next)) => next,
            _ => cursor,
        };
        let mut outputs = vec![SenderOutput::Store(answer)];
        outputs.extend(self.read_on());
        outputs
    }
}

#[cfg(test)]
mod tests;
