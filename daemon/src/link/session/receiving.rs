//! Receiving: frames are authenticated in parallel, reach the writer in order, and are acknowledged when they are durable.

use futures_util::future::BoxFuture;
use sinergi_proto::engine::Delivery;
use sinergi_proto::ids::LedgerIndex;
use sinergi_proto::link::{Cursor, ReceiverEvent, ReceiverOutput};
use sinergi_proto::receipt::{ItemResult, Receipt};
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire;
use tokio::sync::oneshot;

use super::{Admitted, LinkError, Session, unexpected};
use crate::case::CaseError;
use crate::link::budget::Share;
use crate::link::intake::receive_items;
use crate::writer::{Delivered, Received, Submission};

impl Session<'_> {
    /// A frame with entries: taken when there is room in what all links may hold.
    pub(super) fn admit(&self, deliver: wire::Deliver, bytes: usize) -> BoxFuture<'static, Admitted> {
        let (receiving, held) = (self.links.receiving.clone(), self.held.iter().map(Share::bytes).sum());
        Box::pin(async move {
            let share = receiving.share(bytes, held).await;
            (deliver, bytes, share)
        })
    }

    /// There is room for the frame that came last.
    pub(super) fn deliver(&mut self, (deliver, bytes, share): Admitted) -> Result<(), LinkError> {
        self.held.push_back(share);
        let wire::Deliver { cursor, mut items, after } = deliver;
        let cursor = cursor.map(Cursor::from_wire).ok_or_else(|| unexpected("Deliver without a cursor"))?;
        let after = after.map(Cursor::from_wire);
        for output in self.receiver.handle(ReceiverEvent::Delivered { after, cursor, items: items.len(), bytes }) {
            match output {
                ReceiverOutput::Submit { cursor } => {
                    let (links, items) = (self.links.clone(), std::mem::take(&mut items));
                    let check = tokio::task::spawn_blocking(move || {
                        receive_items(items, links.federation.as_str(), &links.directory.charters())
                    });
                    self.authenticating.push_back(Box::pin(async move {
                        (cursor, check.await.expect("authentication does not panic on any bytes"))
                    }));
                }
                other => self.perform_receiving(other)?,
            }
        }
        Ok(())
    }

    /// Gives authenticated items to the writer.
    pub(super) fn submit(&mut self, cursor: Cursor, items: Vec<Received>) {
        let count = items.len() as u64;
        let (answer, delivered) = oneshot::channel();
        let delivery = Delivery { peer: self.peer.agency.clone(), cursor, items };
        self.to_writer.submit(Submission::Delivery(delivery, answer));
        self.committing.push_back(delivered);
        self.peer.note(|state| state.received_entries += count);
    }

    /// A frame is durable.
    pub(super) fn committed(&mut self, delivered: Delivered) -> Result<(), LinkError> {
        let Delivered { results, checkpoint } = delivered;
        let results = results.ok_or_else(|| {
            let reason = "too much of what this peer delivered waits for parents or charters".to_owned();
            LinkError::Fault(FaultCode::TooMuchDeferred, reason)
        })?;
        self.moved = true;
        self.held.pop_front();
        let event = ReceiverEvent::Committed { results, checkpoint: checkpoint.to_vec() };
        for output in self.receiver.handle(event) {
            self.perform_receiving(output)?;
        }
        Ok(())
    }

    fn perform_receiving(&mut self, output: ReceiverOutput) -> Result<(), LinkError> {
        match output {
            ReceiverOutput::Acknowledge { cursor, results, checkpoint } => {
                self.sign_receipt(cursor, results, checkpoint);
            }
            ReceiverOutput::PauseReading => self.paused = true,
            ReceiverOutput::ResumeReading => self.paused = false,
            ReceiverOutput::Fault(code, reason) => return Err(LinkError::Fault(code, reason)),
            ReceiverOutput::Submit { .. } => {}
        }
        Ok(())
    }

    /// Signs the receipt for a frame, off the async threads: it says of every leaf what is there, to the bit.
    fn sign_receipt(&mut self, cursor: Cursor, results: Vec<ItemResult>, checkpoint: Vec<u8>) {
        let (links, sender) = (self.links.clone(), self.peer.agency.clone());
        let sign = move || -> Result<wire::Ack, LinkError> {
            let mut receipt = Receipt {
                federation: links.federation.to_string(),
                receiver: links.own.clone(),
                sender,
                key_id: Receipt::key_id_of(&links.entry_key),
                charter_version: links.directory.newest().version,
                cursor,
                results,
                checkpoint,
                leaf_hashes: Vec::new(),
            };
            let leaves: Vec<LedgerIndex> = receipt.leaves().map(|(_, leaf)| leaf).collect();
            let hashes = links.outbox.reader().leaf_hashes(&leaves).map_err(CaseError::from)?;
            receipt.leaf_hashes = hashes.into_iter().map(|hash| hash.0).collect();
            Ok(receipt.sign(&links.entry_key))
        };
        let signing = tokio::task::spawn_blocking(sign);
        self.receipting
            .push_back(Box::pin(async { signing.await.map_err(|error| LinkError::Broken(error.to_string()))? }));
    }
}
