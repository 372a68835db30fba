//! Sending: frames are read from the ledger off the async threads, within the windows; receipts are checked and stored.

use futures_util::future::BoxFuture;
use prost::Message;
use sinergi_proto::ids::EntryId;
use sinergi_proto::limits;
use sinergi_proto::link::{Cursor, SenderEvent, SenderOutput};
use sinergi_proto::receipt::Receipt;
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::watch::Noted;
use sinergi_proto::wire::{self, frame::Kind};
use tokio::time::Instant;

use super::{CheckedAck, LinkError, PreparedRead, Session};
use crate::headers::ReceiptHeader;
use crate::link::budget::Share;
use crate::link::intake::{CheckedReceipt, check_receipt};
use crate::outbox::Prepared;
use crate::time::now_millis;
use crate::writer::Submission;

impl Session<'_> {
    /// Does what the sender's state machine says, but for storing receipts.
    pub(super) fn perform_sending(&mut self, outputs: Vec<SenderOutput>) -> Result<(), LinkError> {
        for output in outputs {
            match output {
                SenderOutput::Read { from } => self.reading = Some(self.read(from)),
                SenderOutput::Deliver { after, .. } => self.send_prepared(after)?,
                SenderOutput::Fault(code, reason) => {
                    if code == FaultCode::AheadOfLedger {
                        self.links.raise_ahead(self.peer, &reason);
                    }
                    return Err(LinkError::Fault(code, reason));
                }
                SenderOutput::Store { .. } => {}
            }
        }
        let acknowledged = self.sender.acknowledged_cursor();
        // What was passed over silently counts as sent.
        let sent = self.sender.sent().max(acknowledged);
        self.peer.note(|state| (state.sent, state.acknowledged) = (Some(sent), Some(acknowledged)));
        Ok(())
    }

    fn send_prepared(&mut self, after: Cursor) -> Result<(), LinkError> {
        let Some((frame, room)) = self.prepared.take() else { return Ok(()) };
        if self.in_flight.is_empty() {
            self.last_progress = Instant::now();
        }
        self.in_flight.push_back(room);
        let count = frame.items.len() as u64;
        self.peer.note(|state| state.sent_entries += count);
        self.say(Kind::Deliver(wire::Deliver { after: Some(after.to_wire()), ..frame }))
    }

    /// Reads the next frame from the ledger, off the async threads, when there is room in all windows together.
    fn read(&self, from: Cursor) -> BoxFuture<'static, PreparedRead> {
        let (sending, outbox) = (self.links.sending.clone(), self.links.outbox.clone());
        let held = self.in_flight.iter().map(Share::bytes).sum();
        let (peer, end) = (self.peer.agency.clone(), self.head.borrow().end());
        let give_back = self.give_back.clone();
        Box::pin(async move {
            let mut room = sending.share(limits::DELIVER_BYTES, held).await;
            let prepared = tokio::task::spawn_blocking(move || outbox.prepare(&peer, from, end, give_back.as_deref()));
            let prepared = prepared.await.expect("reading the ledger does not panic")?;
            // What the frame does not need goes back.
            room.shrink_to(prepared.batch.bytes);
            Ok((prepared, room))
        })
    }

    /// A frame was read.
    pub(super) fn prepared(&mut self, read: (Prepared, Share)) -> Result<(), LinkError> {
        let (Prepared { batch, frame }, room) = read;
        self.prepared = Some((frame, room));
        let outputs = self.sender.handle(SenderEvent::Prepared(batch));
        self.perform_sending(outputs)?;
        // Not delivered: nothing in it was for this link.
        self.prepared = None;
        Ok(())
    }

    /// A receipt came: its signature is checked off the async threads.
    pub(super) fn acknowledge(&mut self, ack: wire::Ack) -> Result<(), LinkError> {
        // It is kept, whole.
        let bytes = ack.encoded_len();
        if bytes > limits::RECEIPT_BYTES {
            let reason = format!("a receipt of {bytes} bytes, at most {}", limits::RECEIPT_BYTES);
            return Err(LinkError::Fault(FaultCode::LimitExceeded, reason));
        }
        if self.acks.len() >= self.in_flight.len() {
            let reason =
                format!("a receipt beyond those for the {} frames that are unacknowledged", self.in_flight.len());
            return Err(LinkError::Fault(FaultCode::BadReceipt, reason));
        }
        let (links, peer) = (self.links.clone(), self.peer.agency.clone());
        let check = tokio::task::spawn_blocking(move || {
            let charters = links.directory.charters();
            check_receipt(ack, &links.own, &peer, links.federation.as_str(), &charters)
        });
        self.acks
            .push_back(Box::pin(async move { check.await.expect("a receipt's check does not panic on any bytes") }));
        Ok(())
    }

    /// A receipt was checked.
    pub(super) fn acknowledged(&mut self, ack: CheckedAck) -> Result<(), LinkError> {
        let CheckedReceipt { receipt, ack, checkpoint: verified } =
            ack.map_err(|error| LinkError::Fault(FaultCode::BadReceipt, error.to_string()))?;
        self.last_progress = Instant::now();
        let Receipt { cursor, results, checkpoint, .. } = receipt;
        if checkpoint.len() > limits::CHECKPOINT_BYTES {
            let (bytes, most) = (checkpoint.len(), limits::CHECKPOINT_BYTES);
            let reason = format!("a receipt whose checkpoint has {bytes} bytes, at most {most}");
            return Err(LinkError::Fault(FaultCode::LimitExceeded, reason));
        }
        let mut outputs = self.sender.handle(SenderEvent::Acknowledged { cursor, results });
        if let Some(SenderOutput::Store { cursor, refused }) = outputs.first().cloned() {
            outputs.remove(0);
            self.store_receipt(cursor, refused, &ack);
        }
        self.perform_sending(outputs)?;
        self.peer.note(|state| state.last_success = now_millis());
        if let Some(verified) = verified {
            self.links.watch.take(&self.peer.agency, Noted { checkpoint: verified, note: checkpoint });
        }
        Ok(())
    }

    fn store_receipt(&mut self, cursor: Cursor, refused: Vec<(EntryId, u32)>, ack: &wire::Ack) {
        self.in_flight.pop_front();
        self.moved = true;
        for (entry, code) in &refused {
            tracing::warn!(peer = %self.peer.agency, ?entry, code, "the peer refused an entry; see `sinergi refused list`");
        }
        self.peer.note(|state| state.refused += refused.len() as u64);
        let header = ReceiptHeader { at: now_millis(), peer: self.peer.agency.clone(), cursor, refused };
        self.to_writer.submit(Submission::Receipt(header, ack.encode_to_vec()));
    }
}
