//! Publishing: what a durable group changes reaches the store, links and operators see it, and those who waited for it are answered. All of it
//! on a thread of its own, while the writer decides the next group and waits for the disk.
//!
//! It must not know how anything is decided, nor touch the ledger.
//!
//! Invariants:
//! - groups are published in their order, one at a time: when one is taken up, all before it are in the store;
//! - nobody is answered before the store shows what was done;
//! - at most one group waits: the writer that hands over another waits with it;
//! - a store that fails ends the writer, and with it the node.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use sinergi_proto::ids::{AgencyId, LedgerIndex};
use sinergi_proto::receipt::ItemResult;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::submission::WriterStop;
use super::{Acted, Delivered, Head, Lodged, Retried, SubmitError, WriterError};
use crate::ledger::Position;
use crate::store::{Changes, Counts, Store, StoreError};

/// Who is answered, and what.
pub(super) enum Answer {
    Lodged(oneshot::Sender<Result<Lodged, SubmitError>>, Result<Lodged, SubmitError>),
    Acted(oneshot::Sender<Result<Acted, SubmitError>>, Result<Acted, SubmitError>),
    Delivered(oneshot::Sender<Delivered>, Option<Vec<ItemResult>>),
    Retried(oneshot::Sender<Result<Vec<Retried>, SubmitError>>, Result<Vec<Retried>, SubmitError>),
    Witnessed(oneshot::Sender<Result<(), SubmitError>>, Result<(), SubmitError>),
}

impl Answer {
    /// A waiter that has gone away does not need its answer.
    fn give(self, checkpoint: &Arc<[u8]>) {
        match self {
            Self::Lodged(to, result) => drop(to.send(result)),
            Self::Acted(to, result) => drop(to.send(result)),
            Self::Retried(to, result) => drop(to.send(result)),
            Self::Witnessed(to, result) => drop(to.send(result)),
            Self::Delivered(to, results) => drop(to.send(Delivered { results, checkpoint: checkpoint.clone() })),
        }
    }
}

/// A group that is durable.
pub(super) struct Durable {
    pub(super) changes: Changes,
    /// The ledger is applied up to there then.
    pub(super) end: Position,
    pub(super) size: LedgerIndex,
    pub(super) owed: u32,
    pub(super) root: [u8; 32],
    /// Covers the group.
    pub(super) checkpoint: Arc<[u8]>,
}

/// What is published together.
#[derive(Default)]
pub(super) struct Publication {
    /// `None`: nothing was appended.
    pub(super) durable: Option<Durable>,
    pub(super) answers: Vec<Answer>,
    /// Room in the queue of those who are answered: until then they take it.
    pub(super) rooms: Vec<OwnedSemaphorePermit>,
}

/// The writer's side.
pub(super) struct Publisher {
    /// `None`: it was ended.
    to: Option<SyncSender<Publication>>,
    thread: Option<JoinHandle<Result<Counts, StoreError>>>,
    /// A group was handed over since it last settled.
    is_behind: bool,
}

/// The thread's side.
struct Publishing {
    store: Store,
    own: AgencyId,
    counts: Counts,
    head: Arc<watch::Sender<Head>>,
}

impl Publisher {
    /// Starts the thread. `stop` is used when the store fails: the writer may wait for submissions then.
    pub(super) fn start(
        store: Store,
        own: AgencyId,
        counts: Counts,
        head: Arc<watch::Sender<Head>>,
        stop: WriterStop,
    ) -> Result<Self, WriterError> {
        let (to, publications) = sync_channel(0);
        let publishing = Publishing { store, own, counts, head };
        let run = move || publishing.run(&publications).inspect_err(|_| stop.raise());
        let thread = std::thread::Builder::new().name("publisher".to_owned()).spawn(run);
        Ok(Self { to: Some(to), thread: Some(thread.map_err(WriterError::Thread)?), is_behind: false })
    }

    /// Hands a group over; when this returns, all before it are published.
    pub(super) fn publish(&mut self, publication: Publication) -> Result<(), WriterError> {
        self.is_behind = true;
        let is_taken = self.to.as_ref().is_some_and(|to| to.send(publication).is_ok());
        // It takes everything until its store fails.
        if is_taken { Ok(()) } else { self.end().map(drop) }
    }

    /// Waits until all that was handed over is published: for who reads the store.
    pub(super) fn settle(&mut self) -> Result<(), WriterError> {
        if self.is_behind {
            self.publish(Publication::default())?;
            self.is_behind = false;
        }
        Ok(())
    }

    /// Publishes what was handed over, and ends; the figures over all complaints then.
    pub(super) fn end(&mut self) -> Result<Counts, WriterError> {
        self.to = None;
        let Some(thread) = self.thread.take() else { return Ok(Counts::default()) };
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
    }
}

impl Drop for Publisher {
    /// The store is not written any more when the writer is gone: it may be moved aside.
    fn drop(&mut self) {
        self.to = None;
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            tracing::error!(%error, "the store failed while the node ended");
        }
    }
}

impl Publishing {
    fn run(mut self, publications: &Receiver<Publication>) -> Result<Counts, StoreError> {
        while let Ok(Publication { durable, answers, rooms }) = publications.recv() {
            if let Some(durable) = durable {
                self.show(durable)?;
            }
            // A crash before leaves waiters without an answer to what was done: they ask again, and duplicates are recognised.
            let checkpoint = self.head.borrow().checkpoint.clone();
            answers.into_iter().for_each(|answer| answer.give(&checkpoint));
            drop(rooms);
        }
        Ok(self.counts)
    }

    fn show(&mut self, durable: Durable) -> Result<(), StoreError> {
        let Durable { changes, end, size, owed, root, checkpoint } = durable;
        // The store is derived: a crash here is healed by the watermark at the next start.
        self.store.write(changes, end, &self.own, &mut self.counts)?;
        let counts = self.counts;
        self.head.send_modify(|head| {
            *head = Head { epoch: head.epoch, size, owed, root, checkpoint, is_signed: true, counts };
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
