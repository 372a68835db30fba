//! The commit thread: it makes a decided group durable, signs a checkpoint, writes the store, shows the group to links and operators, and
//! answers the waiters. Meanwhile the engine thread decides the next group.
//!
//! Must not know how anything is decided.
//!
//! Invariants:
//! - groups are committed in order, one at a time. When a commit begins, all groups before it are durable and in the store;
//! - no waiter is answered before the group is durable and in the store;
//! - a checkpoint is signed only over durable leaves, and only after the engine thread has handed something over, which it does when the node
//!   may sign;
//! - the engine thread hands over a group only when the one before is committed;
//! - a failed write to ledger or store ends the writer, and with it the node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use futures_executor::block_on;
use parking_lot::Mutex;
use prost::Message;
use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::engine::commit::{DurableBatch, finish};
use sinergi_proto::engine::{Answer, Destroy, Warning};
use sinergi_proto::routing::outbox::CachedLeaf;
use sinergi_proto::transparency::rollback_guard::GuardState;
use sinergi_proto::wire;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::unconstrained;

use super::checkpoints::Checkpoints;
use super::submission::{Reply, WriterStop};
use super::{Head, WriterError};
use crate::base::error_chain::one_line;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::earlier_epochs::EarlierEpochs;
use crate::storage::leaf_cache::LeafCache;
use crate::storage::ledger::{Committed, Fatal, Group, Ledger, Position};
use crate::storage::store::{Changes, Counts, Store};

/// A decided group, with the changes of the store that follow from it.
pub(super) struct Decided {
    pub(super) group: Group,
    pub(super) changes: Changes,
    /// Its leaves, for the leaf cache. A leaf that is `None` must be read from the ledger.
    pub(super) leaves: Vec<Option<CachedLeaf>>,
    /// Whether it holds a content of a leaf of an earlier group.
    pub(super) late_content: bool,
    /// Number of routing records after the last leaf of the ledger, once the group is written.
    pub(super) owed: u32,
}

/// The work of the commit thread for one batch: what it commits, destroys and answers.
#[derive(Default)]
pub(super) struct Handover {
    /// The group; `None` if nothing is appended.
    pub(super) decided: Option<Decided>,
    /// The time that the next checkpoint carries, in seconds since 1970. It was fixed when the batch was closed.
    pub(super) seconds: Option<u64>,
    /// Contents and deferred items that are overwritten before the answers are sent.
    pub(super) destroy: BTreeSet<Destroy>,
    /// Whether the records of all items that are no longer deferred are overwritten too.
    pub(super) destroys_spent: bool,
    /// Whether the store is flushed. sled writes in its own threads, later. The flush shows their errors, also on a node without new entries.
    pub(super) flushes_store: bool,
    /// Warnings for the operator.
    pub(super) warnings: Vec<Warning>,
    /// The answers, each with its waiter.
    pub(super) answers: Vec<(Reply, Answer)>,
    /// The room in the queue that the submissions take until they are answered.
    pub(super) rooms: Vec<OwnedSemaphorePermit>,
}

impl Handover {
    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.decided.is_none()
            && self.destroy.is_empty()
            && !self.destroys_spent
            && !self.flushes_store
            && self.warnings.is_empty()
            && self.answers.is_empty()
            && self.rooms.is_empty()
    }
}

/// The engine thread's handle to the commit thread.
pub(super) struct Committer {
    to: Option<Sender<Handover>>,
    /// `None` after the thread has ended.
    thread: Option<JoinHandle<Result<Counts, WriterError>>>,
    ledger: Arc<Mutex<Ledger>>,
    /// Has one permit while nothing is being committed. Closed when the thread has ended.
    turn: Arc<Semaphore>,
}

/// The state of the commit thread.
pub(super) struct CommitThread {
    pub(super) checkpoints: Checkpoints,
    pub(super) leaf_cache: LeafCache,
    pub(super) store: Store,
    pub(super) own: AgencyId,
    pub(super) counts: Counts,
    pub(super) head: watch::Sender<Head>,
    /// Whether the node may sign. It is asked at the moment of the first signature, because the guard may have stopped the node since the batch was
    /// decided.
    pub(super) guard: watch::Receiver<GuardState>,
    /// Shows a warning to the operator.
    pub(super) tell: Box<dyn Fn(Warning) + Send>,
}

impl Committer {
    /// Starts the thread. When it ends, `stop` wakes the engine thread, which may be waiting for submissions.
    pub(super) fn start(commit_thread: CommitThread, ledger: Ledger, stop: WriterStop) -> Result<Self, WriterError> {
        let (to, handovers) = channel();
        let (ledger, turn) = (Arc::new(Mutex::new(ledger)), Arc::new(Semaphore::new(1)));
        let (shared, permits) = (Arc::clone(&ledger), CommitPermits { turn: Arc::clone(&turn), stop: Some(stop) });
        let run = move || commit_thread.run(&handovers, &shared, permits);
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(run);
        let thread = Some(thread.map_err(WriterError::Thread)?);
        Ok(Self { to: Some(to), thread, ledger, turn })
    }

    /// Waits until everything that was handed over is committed and answered, or the thread has ended.
    pub(super) async fn until_free(&self) {
        let _ = self.turn.acquire().await;
    }

    /// Hands a batch over. When this returns, all batches before it are committed and answered.
    pub(super) fn hand_over(&mut self, handover: Handover) -> Result<(), WriterError> {
        self.settle()?;
        // The commit thread gives the permit back.
        self.turn.forget_permits(1);
        // The send fails only after a failed write has ended the thread.
        let is_taken = self.to.as_ref().is_some_and(|to| to.send(handover).is_ok());
        if is_taken { Ok(()) } else { Err(self.failure()) }
    }

    /// Waits until everything that was handed over is committed.
    pub(super) fn settle(&mut self) -> Result<(), WriterError> {
        // Unconstrained, because this thread runs no tokio task: tokio's budget for tasks must not make the wait yield.
        let is_free = block_on(unconstrained(self.turn.acquire())).is_ok();
        if is_free { Ok(()) } else { Err(self.failure()) }
    }

    /// Commits everything that was handed over, records the newest checkpoint, and ends the thread. Returns the figures over all complaints,
    /// and the end of the ledger.
    pub(super) fn end(mut self) -> Result<(Counts, Position), WriterError> {
        self.to = None;
        let counts = self.join().unwrap_or_else(|| Err(already_failed()))?;
        let mut ledger = self.ledger.lock();
        ledger.seal_signed()?;
        Ok((counts, ledger.end()))
    }

    /// The error that ended the thread.
    fn failure(&mut self) -> WriterError {
        self.join().and_then(Result::err).unwrap_or_else(already_failed)
    }

    fn join(&mut self) -> Option<Result<Counts, WriterError>> {
        let thread = self.thread.take()?;
        Some(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

/// Returned to callers after the original error was reported.
fn already_failed() -> WriterError {
    Fatal::Stopped { cause: "it was told before".to_owned() }.into()
}

impl Drop for Committer {
    /// Waits for the thread. After this, ledger and store are not written any more, so they can be moved aside.
    fn drop(&mut self) {
        self.to = None;
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            tracing::error!(%error, "the disk failed while the node ended");
        }
    }
}

/// Gives permits back when a commit is done. When the thread ends, in any way, dropping this closes the semaphore and wakes an engine thread that
/// waits for submissions.
struct CommitPermits {
    turn: Arc<Semaphore>,
    stop: Option<WriterStop>,
}

impl CommitPermits {
    /// Call this after a commit. Never after a failure: the engine thread would take the batch for committed.
    fn give_back(&self) {
        self.turn.add_permits(1);
    }
}

impl Drop for CommitPermits {
    fn drop(&mut self) {
        self.turn.close();
        self.stop.take().into_iter().for_each(WriterStop::raise);
    }
}

impl CommitThread {
    fn run(
        mut self,
        handovers: &Receiver<Handover>,
        ledger: &Mutex<Ledger>,
        permits: CommitPermits,
    ) -> Result<Counts, WriterError> {
        while let Ok(handover) = handovers.recv() {
            self.carry_out(handover, &mut ledger.lock())?;
            permits.give_back();
        }
        Ok(self.counts)
    }

    /// Carries out one batch. The steps are numbered as in daemon/README.md, which says what a crash at each of them means.
    fn carry_out(&mut self, mut handover: Handover, ledger: &mut Ledger) -> Result<(), WriterError> {
        let written = handover.decided.take().map(|decided| self.write(ledger, decided)).transpose()?;
        finish(&mut Durable { thread: self, ledger, handover, written, checkpoint: None })
    }

    /// Overwrites the contents that durable entries order to be destroyed.
    fn destroy(&self, ledger: &mut Ledger, destroy: &BTreeSet<Destroy>, all_spent: bool) -> Result<(), WriterError> {
        let mut destroyed = 0;
        for what in destroy {
            let Destroy::Contents(leaf) = what else { continue };
            for position in ledger.reader().content_positions(*leaf).map_err(OwnDataError::Ledger)? {
                destroyed += u32::from(ledger.erase_body(position)?);
            }
        }
        if destroyed > 0 {
            tracing::info!(contents = destroyed, "destroyed what was erased");
        }
        self.destroy_earlier(ledger, destroy);
        if all_spent || destroy.iter().any(|what| matches!(what, Destroy::DeferredItem(_))) {
            self.overwrite_spent_items(ledger)?;
        }
        Ok(())
    }

    /// Overwrites erased contents in the ledgers of earlier epochs. A failure does not stop the node, because its own ledger is whole. The next start
    /// tries again.
    fn destroy_earlier(&self, ledger: &Ledger, destroy: &BTreeSet<Destroy>) {
        let entry = |what: &Destroy| if let Destroy::EarlierContents(entry) = what { Some(*entry) } else { None };
        let entries: BTreeSet<EntryId> = destroy.iter().filter_map(entry).collect();
        if entries.is_empty() {
            return;
        }
        match EarlierEpochs::beside(ledger.reader().folder()).erase(&entries) {
            Ok(0) => {}
            Ok(contents) => tracing::info!(contents, "destroyed what was erased in the ledgers of earlier epochs"),
            Err(error) => {
                let error = one_line(&error);
                tracing::error!(%error, "a text that was erased is still in the ledger of an earlier epoch; the next start tries again");
            }
        }
    }

    /// Overwrites the records of items that are no longer deferred. The items were written again as leaves with their contents, so the first copy
    /// would survive an erasure.
    fn overwrite_spent_items(&self, ledger: &mut Ledger) -> Result<(), WriterError> {
        for position in self.store.spent()? {
            let record = ledger.reader().record(position).map_err(OwnDataError::Ledger)?;
            let has_content = wire::Item::decode(record.body.as_slice()).is_ok_and(|item| !item.content.is_empty());
            if has_content || record.erased {
                ledger.erase_body(position)?;
            }
            self.store.overwritten(position)?;
        }
        Ok(())
    }

    /// Writes a group to the ledger.
    fn write(&self, ledger: &mut Ledger, decided: Decided) -> Result<Written, WriterError> {
        let Decided { group, changes, leaves, late_content, owed } = decided;
        // 1: one write, one fdatasync. A crash before the fdatasync returns leaves the whole group, a part of it, or nothing: the next start
        // keeps it as a whole or cuts it. A crash after that keeps the group.
        let Committed { first, size, root, end } = ledger.commit(group)?;
        // 2: the leaf cache gets durable leaves only. A crash here loses a copy.
        if late_content {
            self.leaf_cache.clear();
        } else {
            self.leaf_cache.publish(first, leaves, ledger.reader().erasures());
        }
        Ok(Written { changes: Some(changes), owed, size: LedgerIndex(size), root: root.0, end })
    }
}

/// A group that is durable.
struct Written {
    /// The changes of the store; `None` once they are written.
    changes: Option<Changes>,
    owed: u32,
    size: LedgerIndex,
    root: [u8; 32],
    end: Position,
}

/// A batch whose group is durable, if it has one.
struct Durable<'a> {
    thread: &'a mut CommitThread,
    ledger: &'a mut Ledger,
    handover: Handover,
    written: Option<Written>,
    /// The checkpoint that was signed for the batch.
    checkpoint: Option<Arc<[u8]>>,
}

impl DurableBatch for Durable<'_> {
    type Error = WriterError;

    /// 3: the checkpoint covers durable leaves only. They determine it, so a crash here changes nothing.
    fn sign_checkpoint(&mut self) {
        let may_sign = *self.thread.guard.borrow() == GuardState::Clear;
        let is_first = may_sign && !self.thread.head.borrow().is_signed;
        if self.written.is_some() || is_first {
            self.checkpoint = Some(self.thread.checkpoints.sign(self.ledger, self.handover.seconds));
        }
    }

    /// 4a: the store is derived. After a crash here the next start applies the records after the watermark again.
    fn write_store(&mut self) -> Result<(), WriterError> {
        let CommitThread { store, own, counts, .. } = &mut *self.thread;
        if let Some(Written { changes, end, .. }) = &mut self.written
            && let Some(changes) = changes.take()
        {
            store.write(changes, *end, own, counts)?;
        }
        if self.handover.flushes_store {
            store.flush()?;
        }
        Ok(())
    }

    /// 4b: receipts and other records that are not for links wake none of them.
    fn show(&mut self) {
        let Some(checkpoint) = self.checkpoint.take() else { return };
        let counts = self.thread.counts;
        self.thread.head.send_if_modified(|head| {
            let before = (head.end(), head.is_signed);
            (head.checkpoint, head.is_signed, head.counts) = (checkpoint, true, counts);
            if let Some(Written { owed, size, root, .. }) = self.written {
                (head.owed, head.size, head.root) = (owed, size, root);
            }
            before != (head.end(), head.is_signed)
        });
    }

    /// 5: the entries that order the destruction are durable. A crash here leaves contents that the next start destroys.
    fn destroy(&mut self) -> Result<(), WriterError> {
        self.thread.destroy(self.ledger, &self.handover.destroy, self.handover.destroys_spent)
    }

    /// 6: a crash before this leaves the waiters without an answer, although the batch is durable.
    fn answer(&mut self) {
        self.handover.warnings.drain(..).for_each(|warning| (self.thread.tell)(warning));
        let checkpoint = self.thread.head.borrow().checkpoint.clone();
        self.handover.answers.drain(..).for_each(|(reply, answer)| reply.give(answer, &checkpoint));
        self.handover.rooms.clear();
    }
}

#[cfg(test)]
mod tests;
