//! Committing: a group that was decided is made durable, its checkpoint signed, the store written; then links and operators see it, and those
//! who waited for it are answered. All of it on a thread of its own, while the writer decides the next group.
//!
//! It must not know how anything is decided.
//!
//! Invariants:
//! - groups are committed in their order, one at a time: when one is taken up, all before it are durable and in the store;
//! - nobody is answered before the group is durable and the store shows what was done;
//! - a checkpoint is signed only over durable leaves, and only for a writer that handed something over: it does so when it may sign;
//! - the writer that hands over a group waits until the one before is committed;
//! - a ledger or store that fails ends the writer, and with it the node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use futures_executor::block_on;
use parking_lot::Mutex;
use prost::Message;
use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::engine::{Answer, Destroy, Warning};
use sinergi_proto::routing::outbox::CachedLeaf;
use sinergi_proto::wire;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::unconstrained;

use super::checkpoints::Checkpoints;
use super::submission::{Reply, WriterStop};
use super::{Head, WriterError};
use crate::base::peer_clocks::SharedPeerClocks;
use crate::storage::case::CaseError;
use crate::storage::leaf_cache::Recent;
use crate::storage::ledger::{Committed, Fatal, Group, Ledger, Position};
use crate::storage::store::{Changes, Counts, Store};

/// A group that was decided, with what it changes.
pub(super) struct Decided {
    pub(super) group: Group,
    pub(super) changes: Changes,
    /// Its leaves, for the links; `None`: they must read it.
    pub(super) leaves: Vec<Option<CachedLeaf>>,
    /// It holds a content of a leaf of an earlier group.
    pub(super) late_content: bool,
    /// Routing records behind the last leaf then.
    pub(super) owed: u32,
}

/// What is committed and answered together.
#[derive(Default)]
pub(super) struct Handover {
    /// `None`: nothing was appended.
    pub(super) decided: Option<Decided>,
    /// What is destroyed before anybody is answered.
    pub(super) destroy: BTreeSet<Destroy>,
    /// The first copies of all items that wait no longer are destroyed as well.
    pub(super) destroys_spent: bool,
    /// Whether this node may sign its first checkpoint.
    pub(super) may_sign: bool,
    /// The store is asked to write what it holds back: sled's own threads write later, and their errors stick. A node that nobody writes to
    /// hears of them too.
    pub(super) flushes_store: bool,
    /// What the operator hears of.
    pub(super) warnings: Vec<Warning>,
    /// Who is answered, and what.
    pub(super) answers: Vec<(Reply, Answer)>,
    /// Room in the queue of those who are answered: until then they take it.
    pub(super) rooms: Vec<OwnedSemaphorePermit>,
}

impl Handover {
    /// Whether there is nothing to do for the submissions that it holds, and it holds none.
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

/// The writer's side.
pub(super) struct Committer {
    to: Option<Sender<Handover>>,
    /// `None`: it has failed.
    thread: Option<JoinHandle<Result<Counts, WriterError>>>,
    ledger: Arc<Mutex<Ledger>>,
    /// One permit while nothing is being committed; closed when the thread has ended.
    turn: Arc<Semaphore>,
}

/// The thread's side.
pub(super) struct Committing {
    pub(super) checkpoints: Checkpoints,
    pub(super) recent: Recent,
    /// What the peers' clocks say of ours.
    pub(super) peer_clocks: SharedPeerClocks,
    pub(super) store: Store,
    pub(super) own: AgencyId,
    pub(super) counts: Counts,
    pub(super) head: watch::Sender<Head>,
    /// Tells the operator.
    pub(super) tell: Box<dyn Fn(Warning) + Send>,
}

impl Committer {
    /// Starts the thread. `stop` is used when it ends: the writer may wait for submissions then.
    pub(super) fn start(committing: Committing, ledger: Ledger, stop: WriterStop) -> Result<Self, WriterError> {
        let (to, handovers) = channel();
        let (ledger, turn) = (Arc::new(Mutex::new(ledger)), Arc::new(Semaphore::new(1)));
        let (shared, turns) = (Arc::clone(&ledger), Turns { turn: Arc::clone(&turn), stop: Some(stop) });
        let run = move || committing.run(&handovers, &shared, turns);
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(run);
        let thread = Some(thread.map_err(WriterError::Thread)?);
        Ok(Self { to: Some(to), thread, ledger, turn })
    }

    /// Waits until all that was handed over is committed and answered, or the thread has ended.
    pub(super) async fn until_free(&self) {
        let _ = self.turn.acquire().await;
    }

    /// Hands something over; when this returns, all before it is committed and answered.
    pub(super) fn hand_over(&mut self, handover: Handover) -> Result<(), WriterError> {
        self.settle()?;
        // The committer gives it back.
        self.turn.forget_permits(1);
        // It takes everything until the disk fails.
        let is_taken = self.to.as_ref().is_some_and(|to| to.send(handover).is_ok());
        if is_taken { Ok(()) } else { Err(self.failure()) }
    }

    /// Waits until all that was handed over is committed.
    pub(super) fn settle(&mut self) -> Result<(), WriterError> {
        // Unconstrained: tokio would have its own tasks take turns here, and this is none.
        let is_free = block_on(unconstrained(self.turn.acquire())).is_ok();
        if is_free { Ok(()) } else { Err(self.failure()) }
    }

    /// Commits what was handed over, records the newest checkpoint, and ends; the figures over all complaints and the end of the ledger then.
    pub(super) fn end(mut self) -> Result<(Counts, Position), WriterError> {
        self.to = None;
        let counts = self.join().unwrap_or_else(|| Err(already_failed()))?;
        let mut ledger = self.ledger.lock();
        ledger.seal_signed()?;
        Ok((counts, ledger.end()))
    }

    /// Why the thread has ended though more was to be handed over.
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
    /// Ledger and store are not written any more when the writer is gone: they may be moved aside.
    fn drop(&mut self) {
        self.to = None;
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            tracing::error!(%error, "the disk failed while the node ended");
        }
    }
}

/// The thread's side of whose turn it is. However the thread ends, nothing is committed any more when this is gone, and a writer that waits for
/// submissions is told to stop.
struct Turns {
    turn: Arc<Semaphore>,
    stop: Option<WriterStop>,
}

impl Turns {
    /// What was handed over is committed. Not said of what failed: nobody must take it for committed.
    fn give_back(&self) {
        self.turn.add_permits(1);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.turn.close();
        self.stop.take().into_iter().for_each(WriterStop::raise);
    }
}

impl Committing {
    fn run(
        mut self,
        handovers: &Receiver<Handover>,
        ledger: &Mutex<Ledger>,
        turns: Turns,
    ) -> Result<Counts, WriterError> {
        while let Ok(handover) = handovers.recv() {
            self.carry_out(handover, &mut ledger.lock())?;
            turns.give_back();
        }
        Ok(self.counts)
    }

    /// The order of the steps is the order of the promises.
    fn carry_out(&mut self, handover: Handover, ledger: &mut Ledger) -> Result<(), WriterError> {
        // 1 to 4.
        match handover.decided {
            Some(decided) => self.commit(ledger, decided)?,
            None if handover.may_sign => self.sign_first(ledger),
            None => {}
        }
        if handover.flushes_store {
            self.store.flush()?;
        }
        // 5: what orders the destruction is durable. A crash here leaves contents that the next start destroys.
        self.destroy(ledger, &handover.destroy, handover.destroys_spent)?;
        handover.warnings.into_iter().for_each(|warning| (self.tell)(warning));
        // 6: a crash before leaves waiters without an answer to what was done: they ask again, and duplicates are recognised.
        let checkpoint = self.head.borrow().checkpoint.clone();
        handover.answers.into_iter().for_each(|(reply, answer)| reply.give(answer, &checkpoint));
        drop(handover.rooms);
        Ok(())
    }

    /// Destroys what the durable entries order to be destroyed.
    fn destroy(&self, ledger: &mut Ledger, destroy: &BTreeSet<Destroy>, all_spent: bool) -> Result<(), WriterError> {
        let mut destroyed = 0;
        for what in destroy {
            let Destroy::Contents(leaf) = what else { continue };
            for position in ledger.reader().content_positions(*leaf).map_err(CaseError::Ledger)? {
                destroyed += u32::from(ledger.erase_body(position)?);
            }
        }
        if destroyed > 0 {
            tracing::info!(contents = destroyed, "destroyed what was erased");
        }
        if all_spent || destroy.iter().any(|what| matches!(what, Destroy::DeferredItem(_))) {
            self.overwrite_spent_items(ledger)?;
        }
        Ok(())
    }

    /// Items that waited were written again with their contents: the first copy would outlast an erasure.
    fn overwrite_spent_items(&self, ledger: &mut Ledger) -> Result<(), WriterError> {
        for position in self.store.spent()? {
            let record = ledger.reader().record(position).map_err(CaseError::Ledger)?;
            let has_content = wire::Item::decode(record.body.as_slice()).is_ok_and(|item| !item.content.is_empty());
            if has_content || record.erased {
                ledger.erase_body(position)?;
            }
            self.store.overwritten(position)?;
        }
        Ok(())
    }

    fn commit(&mut self, ledger: &mut Ledger, decided: Decided) -> Result<(), WriterError> {
        let Decided { group, changes, leaves, late_content, owed } = decided;
        // 1: one write, one fdatasync. A crash during it leaves the whole group or nothing of it.
        let Committed { first, size, root, end } = ledger.commit(group)?;
        // 2: links are given what is durable.
        if late_content {
            self.recent.clear();
        } else {
            self.recent.publish(first, leaves, ledger.reader().erasures());
        }
        // 3: the checkpoint covers durable leaves only, which determine it: a crash here changes nothing.
        let checkpoint = self.sign(ledger);
        // 4: the store is derived: a crash here is healed by the watermark at the next start.
        self.store.write(changes, end, &self.own, &mut self.counts)?;
        let (size, root, counts) = (LedgerIndex(size), root.0, self.counts);
        // Receipts and other records that are not for links wake none of them.
        self.head.send_if_modified(|head| {
            let before = std::mem::replace(
                head,
                Head { epoch: head.epoch, size, owed, root, checkpoint, is_signed: true, counts },
            );
            (before.end(), before.is_signed) != (head.end(), head.is_signed)
        });
        Ok(())
    }

    /// The first checkpoint since the start, if no group has brought it. The leaves are on the disk since the ledger was opened.
    fn sign_first(&mut self, ledger: &mut Ledger) {
        if !self.head.borrow().is_signed {
            let checkpoint = self.sign(ledger);
            self.head.send_modify(|head| (head.checkpoint, head.is_signed) = (checkpoint, true));
        }
    }

    fn sign(&mut self, ledger: &mut Ledger) -> Arc<[u8]> {
        self.checkpoints.sign(ledger, self.peer_clocks.offset())
    }
}

#[cfg(test)]
mod tests;
