//! The writer: the engine thread, which decides, and the commit thread, which makes decisions durable.
//!
//! The engine thread takes submissions from a bounded queue and gives them to the [`Engine`], one after the other. Meanwhile the commit
//! thread (`committer.rs`) writes the batch before: it appends it to the ledger with one fdatasync, signs one checkpoint, applies the batch to
//! the store, and answers. When the commit thread is free, the engine's batch is closed and handed over. Neither thread waits for a peer.
//!
//! Must not know how anything is decided.
//!
//! Invariants:
//! - no submission is answered before its batch is durable and in the store;
//! - a checkpoint is signed only over durable leaves;
//! - after a failed write nothing is written or answered any more ([`WriterError`] ends the node); the next start recovers.

mod checkpoints;
mod committer;
mod encode;
mod recheck;
mod submission;
mod warnings;

pub use recheck::{Rechecks, recheck};
pub use sinergi_proto::admission::received::{Authentic, Received};
pub use submission::{Delivered, Head, Submission, SubmitError, WriterHandle};
pub(crate) use warnings::reset_reason;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_executor::block_on;
use sinergi_proto::base::clock::Now;
use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::engine::{
    Answer, Around, Batch, BatchNumber, Closed, CommandError, CursorHeader, Engine, EngineConfig, Input, OldEntry,
    Recheck, Snapshot, Surroundings,
};
use sinergi_proto::wire;
use tokio::sync::{mpsc, watch};

use crate::base::alarms::Alarms;
use crate::base::disk_space::SharedSpace;
use crate::base::node_limits;
use crate::base::own_clock::SharedClock;
use crate::base::time::now;
use crate::rollback_guard::GuardService;
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::derivation::{CASE_CACHE_LIMITS, Derivation};
use crate::storage::keys::SigningKeys;
use crate::storage::leaf_cache::LeafCache;
use crate::storage::ledger::{AppendError, EraseError, Fatal, Ledger, LedgerReader, Tip};
use crate::storage::record_codec::Header;
use crate::storage::store::{CheckpointSource, Store, StoreError};

use checkpoints::Checkpoints;
use committer::{CommitThread, Committer, Handover};
use encode::Encoding;
use submission::Queued;

/// A failure that ends the writer, and with it the node. No acknowledged entry is lost, and the next start recovers.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The ledger cannot be written or synced.
    #[error("the ledger cannot be written: {0}")]
    Ledger(#[from] Fatal),
    /// An erased content cannot be overwritten.
    #[error("an erased content cannot be destroyed: {0}")]
    Erase(#[from] EraseError),
    /// A record is larger than the ledger's limits.
    #[error("a record does not fit the ledger: {0}")]
    Append(#[from] AppendError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's own data cannot be read, or contradict each other.
    #[error(transparent)]
    OwnData(#[from] OwnDataError),
    /// A thread cannot be started.
    #[error("cannot start a thread of the writer: {0}")]
    Thread(std::io::Error),
}

/// A new epoch cannot be declared.
#[derive(Debug, thiserror::Error)]
pub enum DeclareError {
    /// The declaration cannot be written.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The declaration cannot be signed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// The parts that a writer needs, beside the ledger.
pub struct WriterParts {
    /// The agency of this node. The writer signs its entries and checkpoints.
    pub own: AgencyId,
    /// Its federation.
    pub federation: String,
    /// The derivation, which has applied the whole ledger.
    pub derivation: Derivation,
    /// The charters.
    pub charter_store: CharterStore,
    /// The adjacent peers.
    pub adjacent: BTreeSet<AgencyId>,
    /// The keys.
    pub keys: SigningKeys,
    /// How long an addressee has to answer an offer if the operator sets no time, in milliseconds.
    pub answer_within_millis: u64,
    /// Where alarms go.
    pub alarms: Alarms,
    /// This node's wall clock.
    pub clock: SharedClock,
    /// The free space of the disk.
    pub space: SharedSpace,
    /// The rollback guard: it says whether this node may sign.
    pub guard: GuardService,
    /// The newest checkpoint that the ledger has recorded. Peers get this one until the node may sign.
    pub recorded: Option<Vec<u8>>,
}

/// The engine thread's state. [`Writer::run`] is the thread.
pub struct Writer {
    engine: Engine,
    derivation: Derivation,
    outside: Outside,
    queue: mpsc::Receiver<Queued>,
    committer: Committer,
    rechecks: mpsc::Sender<Vec<Recheck>>,
    /// Where the next batch begins.
    tip: Tip,
    /// Number of routing records after the last leaf.
    owed: u32,
    /// The decisions of the engine since the last batch was closed.
    batch: Batch,
    /// The encoded records of the open batch.
    encoding: Option<Encoding>,
    /// The batch that was handed over last, until it is applied to the store.
    handed_over: Option<BatchNumber>,
}

/// The sources of the engine's surroundings (charters, rollback guard, the node's clock), and the state of them that the engine knows.
struct Outside {
    charter_store: CharterStore,
    guard: GuardService,
    clock: SharedClock,
    space: SharedSpace,
    told: Surroundings,
}

impl Outside {
    /// An input for each part that has changed since the last call. `now` is the time of the next input.
    fn news(&mut self, now: Now) -> impl Iterator<Item = Input> + use<> {
        self.told.news(Around {
            charters: self.charter_store.charters(),
            guard: self.guard.state(),
            own_clock: self.clock.state(now),
            space: self.space.space(),
        })
    }
}

impl Writer {
    /// Makes a writer for an open ledger, whose records are all on the disk. Returns it with the handle for submissions, and the receiver of
    /// items whose signatures must be checked again. Signs nothing yet. The newest leaves go to `leaf_cache`, for the links.
    ///
    /// # Errors
    /// The deferred items cannot be read, or the commit thread cannot be started.
    pub fn new(
        parts: WriterParts,
        ledger: Ledger,
        leaf_cache: LeafCache,
    ) -> Result<(Self, WriterHandle, Rechecks), WriterError> {
        let WriterParts { own, federation, derivation, charter_store, adjacent, keys, alarms, .. } = parts;
        let recorded = parts.recorded.unwrap_or_default();
        let snapshot = snapshot(&ledger, &derivation, &adjacent)?;
        let owed = owed_after(derivation.reader())?;
        let (counts, store) = (derivation.counts(), derivation.store().clone());
        let (told_federation, told_charters) = (federation.clone(), charter_store.clone());
        let charters = charter_store.charters();
        let checkpoints = Checkpoints::new(&federation, &own, ledger.epoch(), &keys);
        let (head, head_receiver) = watch::channel(Head {
            epoch: ledger.epoch(),
            size: ledger.next_index(),
            owed,
            root: ledger.root().0,
            checkpoint: recorded.into(),
            is_signed: false,
            counts,
        });
        let (handle, queue) = WriterHandle::new(head_receiver);
        let config = EngineConfig {
            own: own.clone(),
            federation,
            key: keys.entry.clone(),
            adjacent,
            answer_within_millis: parts.answer_within_millis,
            batch_bytes: node_limits::BATCH_BYTES,
            cases: CASE_CACHE_LIMITS,
            quotas: node_limits::PEER_QUOTAS,
        };
        let tip = ledger.tip();
        let commit_thread = CommitThread {
            checkpoints,
            leaf_cache,
            store,
            own,
            counts,
            head,
            guard: parts.guard.watch(),
            tell: Box::new(move |warning| {
                warnings::tell(warning, &alarms, &told_federation, &told_charters.charters());
            }),
        };
        let committer = Committer::start(commit_thread, ledger, handle.stop())?;
        let (rechecks, rechecks_receiver) = recheck::channel();
        let told = Surroundings::of_the_start(Arc::clone(&charters));
        let outside = Outside { charter_store, guard: parts.guard, clock: parts.clock, space: parts.space, told };
        let engine = Engine::open(snapshot, config, charters);
        let (batch, encoding, handed_over) = (Batch::default(), None, None);
        let writer =
            Self { engine, derivation, outside, queue, committer, rechecks, tip, owed, batch, encoding, handed_over };
        Ok((writer, handle, rechecks_receiver))
    }

    /// Runs until [`Submission::Stop`], until the last handle is dropped, or until a write fails.
    ///
    /// # Errors
    /// A failed write. It ends the node.
    pub fn run(mut self) -> Result<(), WriterError> {
        // A crash may have come between the settling of an item and the destruction of its first copy.
        self.committer.hand_over(Handover { destroys_spent: true, ..Handover::default() })?;
        loop {
            // Work that the last batch made possible goes on without waiting for a submission.
            let first = if self.engine.has_backlog() {
                self.queue.try_recv().ok()
            } else if self.handed_over.is_some() && self.engine.awaits_applied() {
                let Some(first) = self.next_before_turn() else {
                    self.settle()?;
                    continue;
                };
                Some(first)
            } else {
                let Some(first) = self.queue.blocking_recv() else { break };
                Some(first)
            };
            if self.decide_batch(first)? {
                break;
            }
        }
        self.queue.close();
        while let Ok(queued) = self.queue.try_recv() {
            self.decide_batch(Some(queued))?;
        }
        let (counts, end) = self.committer.end()?;
        self.derivation.finish(end, counts)?;
        Ok(())
    }

    /// Decides one batch of submissions, beginning with `first`, and hands it over. Returns whether the writer must stop.
    fn decide_batch(&mut self, first: Option<Queued>) -> Result<bool, WriterError> {
        let mut stop = false;
        // A batch takes all submissions that wait now, and those that come while the batch before is still being committed. Under load it
        // grows, so that one fdatasync carries more. It is bounded in submissions and bytes.
        let waiting = self.queue.len() + 1;
        let mut handover = Handover { rooms: Vec::with_capacity(waiting), ..Handover::default() };
        let (mut bytes, mut next) = (0, first);
        while let Some(Queued { submission, weight, room }) = next {
            bytes += weight;
            handover.rooms.push(room);
            stop |= matches!(submission, Submission::Stop);
            handover.flushes_store |= matches!(submission, Submission::Retry);
            if let Some((input, reply)) = submission.parts() {
                let answer = self.handle(input)?;
                handover.answers.extend(reply.map(|reply| (reply, answer)));
            }
            // The encoded batch may be larger than the submissions: a disclosed content is copied.
            let has_room = handover.rooms.len() < node_limits::BATCH_SUBMISSIONS
                && bytes.max(self.encoded_length()) < node_limits::BATCH_BYTES - limits::FRAME_BYTES;
            next = if !has_room {
                None
            } else if handover.rooms.len() < waiting {
                self.queue.try_recv().ok()
            } else {
                self.next_before_turn()
            };
        }
        self.handle(Input::Work)?;
        self.hand_over(handover)?;
        Ok(stop)
    }

    /// Waits for a submission or for the commit thread. `None` when the commit thread is free.
    fn next_before_turn(&mut self) -> Option<Queued> {
        let (queue, committer) = (&mut self.queue, &self.committer);
        block_on(async {
            tokio::select! {
                biased;
                () = committer.until_free() => None,
                next = queue.recv() => next,
            }
        })
    }

    /// Gives the engine first the changes of its surroundings, then `input`.
    fn handle(&mut self, input: Input) -> Result<Answer, WriterError> {
        let now = now();
        let Self { engine, derivation, batch, outside, .. } = self;
        for news in outside.news(now) {
            let Answer::Nothing = engine.handle(news, now, derivation, batch)?.until_applied() else { continue };
        }
        // The commit thread sends this answer when it is durable.
        let answer = engine.handle(input, now, derivation, batch)?.until_applied();
        self.encode_new()?;
        Ok(answer)
    }

    /// Closes the batch and hands it to the commit thread, with the waiters for its answers.
    fn hand_over(&mut self, mut handover: Handover) -> Result<(), WriterError> {
        let Closed { number: closed, seconds } = self.engine.close(&mut self.batch);
        handover.seconds = seconds;
        self.encode_new()?;
        if closed.is_none() && handover.is_empty() {
            return Ok(());
        }
        if closed.is_some() {
            handover.decided = self.encoded();
            handover.destroy.append(&mut self.batch.destroy);
            handover.warnings.append(&mut self.batch.warnings);
            let recheck = std::mem::take(&mut self.batch.recheck);
            if !recheck.is_empty() {
                // The channel always has room. Without a receiver, the node is stopping.
                let _ = self.rechecks.try_send(recheck);
            }
            self.batch.clear();
        }
        handover.flushes_store &= handover.decided.is_none();
        // When this returns, the batch before is applied to the store.
        self.committer.hand_over(handover)?;
        if let Some(number) = self.handed_over.take() {
            self.applied(number)?;
        }
        self.handed_over = closed;
        Ok(())
    }

    fn encoded_length(&self) -> usize {
        self.encoding.as_ref().map_or(0, |encoding| encoding.group.length())
    }

    fn applied(&mut self, number: BatchNumber) -> Result<(), WriterError> {
        self.derivation.applied(number);
        self.handle(Input::Applied(number)).map(drop)
    }

    /// Writes the entry that declares a new epoch, durably. The ledger must be empty.
    ///
    /// # Errors
    /// A failed write, or the declaration cannot be signed.
    pub fn declare(&mut self, reset: wire::LedgerReset) -> Result<(), DeclareError> {
        if let Answer::Declared(declared) = self.handle(Input::Declare(reset))? {
            declared?;
        }
        Ok(self.settle()?)
    }

    /// Takes over entries of an old ledger, durably. Returns how many of them became leaves.
    ///
    /// # Errors
    /// A failed write.
    pub fn take_over(&mut self, entries: Vec<OldEntry>) -> Result<u64, WriterError> {
        let before = self.engine.next_leaf();
        for entry in entries {
            self.handle(Input::TakeOver(Box::new(entry)))?;
        }
        self.settle()?;
        Ok(self.engine.next_leaf().0 - before.0)
    }

    /// Takes over the old ledger's cursors in peers' ledgers, so that peers do not send again what the old ledger held.
    ///
    /// # Errors
    /// A failed write.
    pub fn take_over_cursors(&mut self, cursors: Vec<CursorHeader>) -> Result<(), WriterError> {
        for cursor in cursors {
            self.handle(Input::TakeOverCursor(cursor))?;
        }
        self.settle()
    }

    /// Hands over the open batch and waits until it is applied to the store.
    fn settle(&mut self) -> Result<(), WriterError> {
        self.hand_over(Handover::default())?;
        self.committer.settle()?;
        match self.handed_over.take() {
            Some(number) => self.applied(number),
            None => Ok(()),
        }
    }

    /// Records the newest checkpoint in the ledger and ends the commit thread.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(self) -> Result<(), WriterError> {
        self.committer.end().map(drop)
    }
}

/// The engine's state at a start, read from ledger and store.
fn snapshot(ledger: &Ledger, derivation: &Derivation, adjacent: &BTreeSet<AgencyId>) -> Result<Snapshot, WriterError> {
    let (store, reader) = (derivation.store(), derivation.reader());
    let mut deferred = Vec::new();
    for item in store.deferred() {
        let record = reader.record(item?.1).map_err(OwnDataError::Ledger)?;
        if let Header::Deferred(header) = Header::of(&record).map_err(OwnDataError::from)? {
            deferred.push((header, record.body));
        }
    }
    let mut new_peers = BTreeSet::new();
    for peer in adjacent {
        if !store.is_backfilled(peer)? {
            new_peers.insert(peer.clone());
        }
    }
    Ok(Snapshot {
        epoch: ledger.epoch(),
        size: ledger.next_index(),
        clock: store.own_clock()?,
        ceiling: store.ceiling()?,
        deferred,
        duties: store.duties()?,
        new_peers,
        judged: store.judged()?,
        seen: seen(store, reader)?,
    })
}

/// The newest checkpoint of each agency that the ledger holds, as signed notes.
fn seen(store: &Store, reader: &LedgerReader) -> Result<BTreeMap<AgencyId, Vec<u8>>, OwnDataError> {
    let mut seen = BTreeMap::new();
    for (agency, position) in store.checkpoint_records(CheckpointSource::Shown)? {
        seen.insert(agency, reader.record(position)?.body);
    }
    Ok(seen)
}

/// Number of routing records after the last leaf.
fn owed_after(reader: &LedgerReader) -> Result<u32, OwnDataError> {
    let mut owed = 0;
    for record in reader.steps_from(LedgerIndex(reader.size()))? {
        record?;
        owed += 1;
    }
    Ok(owed)
}
