//! The writer: one thread that decides all mutation of the node, and a second one that carries it out.
//!
//! It takes a group of submissions from a bounded queue, decides and signs each on the state that the ones before left, and hands the group
//! over. The committer (`committer.rs`) appends it to the ledger with one fdatasync, signs one checkpoint, applies the group to the store and
//! answers every waiter, while this one decides the next group.
//!
//! Invariants:
//! - nobody is answered before the group is durable and the store shows it;
//! - ledger and store are a group behind what is decided: a complaint that the store lacks is in memory, and whoever reads them here waits
//!   until they have everything (`Writer::store`, `Writer::reader`);
//! - a checkpoint is signed only over durable leaves;
//! - while [`Continuity`] says that peers may have seen another ledger nothing is decided; what was decided before is finished;
//! - place, parents and clock of an own entry are filled in here, just before it is signed: there is no other signer;
//! - after a failed write nothing is written or answered any more ([`WriterError`] ends the node).

mod author;
mod checkpoints;
mod committer;
mod deferred;
mod duties;
mod epoch;
mod introduction;
mod receive;
mod refusals;
mod retry;
mod submission;
mod witness;

pub use epoch::OldEntry;
pub use sinergi_proto::intake::{Authentic, Received};
pub use submission::{
    Act, Acted, Delivered, Delivery, Head, Lodge, Lodged, Retried, Selection, Submission, SubmitError, WriterHandle,
};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_executor::block_on;
use sinergi_proto::clock::HybridClock;
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::limits;
use sinergi_proto::outbox::Recalled;
use sinergi_proto::receipt::ItemResult;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::alarms::Alarms;
use crate::apply::Applier;
use crate::case::CaseError;
use crate::continuity::{Continuity, State};
use crate::directory::Directory;
use crate::headers::{self, CursorHeader, External};
use crate::keys::SigningKeys;
use crate::ledger::{AppendError, EraseError, Fatal, Group, Ledger, LedgerReader, RecordKind, Tip};
use crate::recent::Recent;
use crate::store::{Store, StoreError};

use checkpoints::Checkpoints;
use committer::{Answer, Committer, Committing, Decided, Handover};
use deferred::Waiting;
use introduction::{Introduction, owed_behind};
use refusals::Refusals;
use submission::Queued;

/// Why the writer, and with it the node, stops. Nothing that was acknowledged is lost; the next start recovers.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The disk.
    #[error("the ledger cannot be written: {0}")]
    Ledger(#[from] Fatal),
    /// The disk, while contents were destroyed.
    #[error("an erased content cannot be destroyed: {0}")]
    Erase(#[from] EraseError),
    /// A record that no limit allows.
    #[error("a record does not fit the ledger: {0}")]
    Append(#[from] AppendError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's data contradict each other.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// A thread.
    #[error("the system refuses a thread to the writer: {0}")]
    Thread(std::io::Error),
    /// The clock has reached its end.
    #[error("the hybrid clock has reached its end at {0:?}: an entry with an absurd clock was admitted")]
    Clock(HybridClock),
}

/// What a writer works with, beside the ledger.
pub struct WriterParts {
    /// The agency that it signs for.
    pub own: AgencyId,
    /// Its federation.
    pub federation: String,
    /// The applier, which has applied the whole ledger.
    pub applier: Applier,
    /// The charters.
    pub directory: Directory,
    /// The adjacent peers.
    pub adjacent: Arc<BTreeSet<AgencyId>>,
    /// The keys.
    pub keys: SigningKeys,
    /// How long an addressee has to answer, if the operator says nothing.
    pub answer_within_millis: u64,
    /// Where alarms go.
    pub alarms: Alarms,
    /// By how much the clocks of most peers are ahead of ours, in milliseconds.
    pub clock_offset: Arc<AtomicI64>,
    /// Whether this node may sign.
    pub continuity: Continuity,
    /// The newest checkpoint that the ledger has recorded: all that is shown until this node may sign.
    pub recorded: Option<Vec<u8>>,
}

/// The writer. Runs on its own thread.
pub struct Writer {
    parts: WriterParts,
    queue: mpsc::Receiver<Queued>,
    committer: Committer,
    epoch: Epoch,
    /// Where the next group begins.
    tip: Tip,
    clock: HybridClock,
    waiting: Waiting,
    refusals: Refusals,
    /// Complaints about which this node has to do something by itself.
    duties: BTreeSet<ComplaintId>,
    /// Complaints with contents to destroy when the group is durable.
    to_erase: BTreeSet<ComplaintId>,
    /// What the group that is being built holds and the store does not know yet.
    open: OpenGroup,
    /// Whether items that waited may have to be overwritten: after every start, and when one no longer waits.
    has_spent_items: bool,
    /// Routing records behind the last leaf.
    owed: u32,
    /// Peers that are being given what they should have since before they were configured.
    introduction: Introduction,
    /// The newest checkpoint of each agency that the ledger holds.
    seen: BTreeMap<AgencyId, Vec<u8>>,
}

/// What a group holds that cannot be looked up before it is committed.
#[derive(Default)]
struct OpenGroup {
    /// Complaints that were imported.
    imported: HashMap<External, ComplaintId>,
    /// Contents that were written, by leaf and commitment.
    contents: HashSet<(LedgerIndex, u32)>,
    /// Entries that are of no complaint.
    node_entries: HashMap<EntryId, LedgerIndex>,
    /// Its leaves, for the links; `None`: they must read it.
    leaves: Vec<Option<Recalled>>,
    /// A content was written for a leaf of an earlier group.
    late_content: bool,
}

impl Writer {
    /// A writer over a ledger that was opened (so everything in it is on the disk), and the handle to it. Signs nothing yet. `recent` is where
    /// links find the newest leaves.
    ///
    /// # Errors
    /// When the items that wait cannot be read, or the system has no thread.
    pub fn new(mut parts: WriterParts, ledger: Ledger, recent: Recent) -> Result<(Self, WriterHandle), WriterError> {
        let (epoch, tip) = (ledger.epoch(), ledger.tip());
        let owed = owed_behind(parts.applier.reader())?;
        let introduction = Introduction::load(parts.applier.store(), &parts.adjacent)?;
        let seen = witness::load(parts.applier.store(), parts.applier.reader())?;
        let recorded = parts.recorded.take();
        let checkpoints = Checkpoints::new(&parts.federation, &parts.own, epoch, &parts.keys, recorded.as_deref());
        let waiting = deferred::load(&parts.applier, &parts.federation)?;
        let duties = parts.applier.store().duties()?;
        let clock = parts.applier.store().own_clock()?;
        let counts = parts.applier.counts();
        let (head, head_receiver) = watch::channel(Head {
            epoch,
            size: ledger.next_index(),
            owed,
            root: ledger.root().0,
            checkpoint: recorded.unwrap_or_default().into(),
            is_signed: false,
            counts,
        });
        let (handle, queue) = WriterHandle::new(head_receiver);
        let (store, own) = (parts.applier.store().clone(), parts.own.clone());
        let clock_offset = Arc::clone(&parts.clock_offset);
        let committing = Committing { checkpoints, recent, clock_offset, store, own, counts, head };
        let committer = Committer::start(committing, ledger, handle.stop())?;
        let to_erase = duties.clone();
        Ok((
            Self {
                parts,
                queue,
                committer,
                epoch,
                tip,
                clock,
                waiting,
                refusals: Refusals::default(),
                duties,
                to_erase,
                open: OpenGroup::default(),
                has_spent_items: true,
                owed,
                introduction,
                seen,
            },
            handle,
        ))
    }

    /// Works until it is told to stop, everybody has gone, or the disk fails.
    ///
    /// # Errors
    /// What ends the node.
    pub fn run(mut self) -> Result<(), WriterError> {
        // A crash may have come between an erasure and the destruction; it is repeated at every start.
        self.erase_contents()?;
        loop {
            // What became possible with the last group goes on without waiting for somebody to submit something.
            let first = if self.is_clear() && (self.waiting.is_unblocked() || self.introduction.is_under_way()) {
                self.queue.try_recv().ok()
            } else {
                let Some(first) = self.queue.blocking_recv() else { break };
                Some(first)
            };
            if self.decide_group(first)? {
                break;
            }
        }
        self.queue.close();
        while let Ok(queued) = self.queue.try_recv() {
            self.decide_group(Some(queued))?;
        }
        let (counts, end) = self.committer.end()?;
        self.parts.applier.close(end, counts)?;
        Ok(())
    }

    /// Decides a group and hands it over; whether the writer is to stop.
    fn decide_group(&mut self, first: Option<Queued>) -> Result<bool, WriterError> {
        let mut stop = false;
        if !self.is_clear() {
            if let Some(Queued { submission, .. }) = first {
                stop = matches!(submission, Submission::Stop);
                self.decline(submission);
            }
            return Ok(stop);
        }
        // 1: a group is whatever waits now, and what comes while the one before is still being committed: under load it grows, so that an
        // fdatasync carries more. It is bounded in submissions and bytes.
        let waiting = self.queue.len() + 1;
        let (mut bytes, mut answers, mut rooms) = (0, Vec::with_capacity(waiting), Vec::with_capacity(waiting));
        let mut group = self.tip.begin();
        let mut next = first;
        // 2: decide and sign each. A crash here loses what nobody was told of.
        while let Some(Queued { submission, weight, room }) = next {
            bytes += weight;
            rooms.push(room);
            stop |= matches!(submission, Submission::Stop);
            answers.extend(self.prepare(&mut group, submission)?);
            // What it writes may be more than was submitted: a disclosed content is copied.
            let has_room = rooms.len() < limits::GROUP_SUBMISSIONS
                && bytes.max(group.length()) < limits::GROUP_BYTES - limits::FRAME_BYTES;
            next = if !has_room || !self.is_clear() {
                None
            } else if rooms.len() < waiting {
                self.queue.try_recv().ok()
            } else {
                self.next_before_turn()
            };
        }
        self.try_unblocked(&mut group)?;
        self.introduce_peers(&mut group)?;
        self.end_group(group, answers, rooms)?;
        Ok(stop)
    }

    /// What is submitted before the committer is free; `None` when it is.
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

    /// Hands a group over, to be made durable, shown and answered.
    fn end_group(
        &mut self,
        group: Group,
        answers: Vec<Answer>,
        rooms: Vec<OwnedSemaphorePermit>,
    ) -> Result<(), WriterError> {
        let OpenGroup { leaves, late_content, .. } = std::mem::take(&mut self.open);
        if group.is_empty() {
            self.parts.applier.nothing_appended();
            self.committer.hand_over(Handover { decided: None, answers, rooms })?;
            self.parts.applier.all_is_stored();
            return Ok(());
        }
        self.tip.follow(&group);
        let changes = self.parts.applier.seal();
        let decided = Some(Decided { group, changes, leaves, late_content, owed: self.owed });
        if !self.has_contents_to_erase() {
            self.committer.hand_over(Handover { decided, answers, rooms })?;
            self.parts.applier.earlier_is_stored();
            return Ok(());
        }
        // Who ordered it is answered when it is done.
        self.committer.hand_over(Handover { decided, ..Handover::default() })?;
        self.parts.applier.earlier_is_stored();
        self.erase_contents()?;
        self.committer.hand_over(Handover { decided: None, answers, rooms })?;
        self.parts.applier.all_is_stored();
        Ok(())
    }

    /// The store, when it has everything that was decided before the open group.
    fn store(&mut self) -> Result<&Store, WriterError> {
        self.committer.settle()?;
        Ok(self.parts.applier.store())
    }

    /// The ledger, when it has everything that was decided before the open group.
    fn reader(&mut self) -> Result<&LedgerReader, WriterError> {
        self.committer.settle()?;
        Ok(self.parts.applier.reader())
    }

    fn is_clear(&self) -> bool {
        self.parts.continuity.state() == State::Clear
    }

    /// Peers may have seen another ledger: nothing is taken. Links are told by the end of their session; what they sent is sent again.
    fn decline(&self, submission: Submission) {
        let error = || match self.parts.continuity.state() {
            State::SetBack => SubmitError::SetBack,
            State::Waiting | State::Clear => SubmitError::Unheard,
        };
        match submission {
            Submission::Lodge(_, to) => drop(to.send(Err(error()))),
            Submission::Act(_, to) => drop(to.send(Err(error()))),
            Submission::RetryItems(_, to) => drop(to.send(Err(error()))),
            Submission::Witness(_, to) => drop(to.send(Err(error()))),
            Submission::Delivery(..) | Submission::Receipt(..) | Submission::Seen(..) => {}
            Submission::Retry | Submission::Stop => {}
        }
    }

    /// Decides a submission and puts what it writes into the group.
    fn prepare(&mut self, group: &mut Group, submission: Submission) -> Result<Option<Answer>, WriterError> {
        Ok(match submission {
            Submission::Lodge(lodge, to) => Some(Answer::Lodged(to, self.lodge(group, *lodge)?)),
            Submission::Act(act, to) => Some(Answer::Acted(to, self.act(group, *act)?)),
            Submission::Delivery(delivery, to) => Some(Answer::Delivered(to, self.deliver(group, delivery)?)),
            Submission::Receipt(header, ack) => {
                self.record(group, RecordKind::Receipt, &headers::encode(&header), &ack)?;
                None
            }
            Submission::Seen(header, note) => {
                self.keep_seen(group, header, note)?;
                None
            }
            Submission::Witness(newer, to) => Some(Answer::Witnessed(to, self.witness(group, newer)?)),
            Submission::RetryItems(selection, to) => Some(Answer::Retried(to, self.retry_items(group, &selection)?)),
            Submission::Retry => {
                self.waiting.time_passed();
                self.tell_of_refusals();
                // sled's own threads write later, and their errors stick: a node that nobody writes to stops as well.
                if group.is_empty() {
                    self.store()?.flush()?;
                }
                self.do_duties(group)?;
                None
            }
            Submission::Stop => None,
        })
    }

    /// Takes a frame; `None`: it is not taken, because too much of this peer waits already.
    fn deliver(&mut self, group: &mut Group, delivery: Delivery) -> Result<Option<Vec<ItemResult>>, WriterError> {
        let topic = format!("deferred {}", delivery.peer);
        if self.waiting.is_full(&delivery.peer) {
            let text = format!(
                "too much of what {} delivered waits for something, so its link is held: see `sinergi refused list --deferred`",
                delivery.peer
            );
            self.parts.alarms.raise(topic, text);
            return Ok(None);
        }
        self.parts.alarms.settle(&topic);
        let mut results = Vec::with_capacity(delivery.items.len());
        for item in delivery.items {
            results.push(self.receive(group, &delivery.peer, item)?);
        }
        // Behind its items: when the cursor is durable, so are they.
        let header = CursorHeader { peer: delivery.peer, cursor: delivery.cursor };
        self.record(group, RecordKind::Cursor, &headers::encode(&header), &[])?;
        Ok(Some(results))
    }

    /// Appends a record that is no leaf, and applies it.
    fn record(&mut self, group: &mut Group, kind: RecordKind, header: &[u8], body: &[u8]) -> Result<(), WriterError> {
        let position = group.record(kind, header, body)?;
        self.parts.applier.record(kind, position, header)?;
        Ok(())
    }

    /// Why nothing may be signed now.
    fn may_not_sign(&self) -> Option<SubmitError> {
        if self.parts.continuity.state() == State::SetBack {
            return Some(SubmitError::SetBack);
        }
        let offset = self.parts.clock_offset.load(Ordering::Relaxed);
        let bound = i64::try_from(limits::CLOCK_AHEAD.as_millis()).unwrap_or(i64::MAX);
        (offset.abs() > bound).then_some(SubmitError::Clock { offset_seconds: offset / 1000 })
    }
}
