//! The writer: one thread that owns all mutation of the node.
//!
//! It takes a group of submissions from a bounded queue, decides and signs each on the state that the ones before left, appends all to the
//! ledger with one fdatasync, and signs one checkpoint. Then a second thread (`publisher.rs`) applies the group to the store and answers every
//! waiter, while this one goes on with the next group.
//!
//! Invariants:
//! - nobody is answered before the group is durable and the store shows it;
//! - the store is a group behind what is decided: a complaint that it lacks is in memory, and whoever reads it here waits for it
//!   (`Writer::store`);
//! - a checkpoint is signed only over durable leaves;
//! - nothing is appended or signed while [`Continuity`] says that peers may have seen another ledger;
//! - place, parents and clock of an own entry are filled in here, just before it is signed: there is no other signer;
//! - after a failed write nothing is written or answered any more ([`WriterError`] ends the node).

mod author;
mod checkpoints;
mod deferred;
mod duties;
mod epoch;
mod introduction;
mod publisher;
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

use sinergi_proto::clock::HybridClock;
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
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
use crate::ledger::{AppendError, Committed, EraseError, Fatal, Group, Ledger, RecordKind};
use crate::recent::Recent;
use crate::store::{Store, StoreError};

use checkpoints::Checkpoints;
use deferred::Waiting;
use introduction::{Introduction, owed_behind};
use publisher::{Answer, Durable, Publication, Publisher};
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

/// What a writer is made of.
pub struct WriterParts {
    /// The agency that it signs for.
    pub own: AgencyId,
    /// Its federation.
    pub federation: String,
    /// The ledger.
    pub ledger: Ledger,
    /// The applier, which has applied the whole ledger.
    pub applier: Applier,
    /// The charters.
    pub directory: Directory,
    /// Where links find the newest leaves.
    pub recent: Recent,
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
    checkpoints: Checkpoints,
    queue: mpsc::Receiver<Queued>,
    head: Arc<watch::Sender<Head>>,
    publisher: Publisher,
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

/// What a group holds that cannot be looked up before it is durable.
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
    /// A writer over a ledger that was opened (so everything in it is on the disk), and the handle to it. Signs nothing yet.
    ///
    /// # Errors
    /// When the items that wait cannot be read.
    pub fn new(mut parts: WriterParts) -> Result<(Self, WriterHandle), WriterError> {
        let epoch = parts.ledger.epoch();
        let owed = owed_behind(parts.applier.reader())?;
        let introduction = Introduction::load(parts.applier.store(), &parts.adjacent)?;
        let seen = witness::load(parts.applier.store(), parts.applier.reader())?;
        let recorded = parts.recorded.take();
        let checkpoints = Checkpoints::new(&parts.federation, &parts.own, epoch, &parts.keys, recorded.as_deref());
        let waiting = deferred::load(&parts.applier, &parts.federation)?;
        let duties = parts.applier.store().duties()?;
        let clock = parts.applier.store().own_clock()?;
        let checkpoint = recorded.unwrap_or_default().into();
        let first = Head {
            epoch,
            size: parts.ledger.next_index(),
            owed,
            root: parts.ledger.root().0,
            checkpoint,
            is_signed: false,
            counts: parts.applier.counts(),
        };
        let counts = first.counts;
        let (head, head_receiver) = watch::channel(first);
        let head = Arc::new(head);
        let (handle, queue) = WriterHandle::new(head_receiver);
        let (store, own) = (parts.applier.store().clone(), parts.own.clone());
        let publisher = Publisher::start(store, own, counts, Arc::clone(&head), handle.stop())?;
        let open = OpenGroup::default();
        let to_erase = duties.clone();
        Ok((
            Self {
                parts,
                checkpoints,
                queue,
                head,
                publisher,
                clock,
                waiting,
                refusals: Refusals::default(),
                duties,
                to_erase,
                open,
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
        let mut stop = false;
        while !stop {
            // What became possible with the last group goes on without waiting for somebody to submit something.
            let group = if self.is_clear() && (self.waiting.is_unblocked() || self.introduction.is_under_way()) {
                self.queue.try_recv().map(|first| self.take_group(first)).unwrap_or_default()
            } else {
                let Some(first) = self.queue.blocking_recv() else { break };
                self.take_group(first)
            };
            stop = group.iter().any(|queued| matches!(queued.submission, Submission::Stop));
            self.commit_group(group)?;
        }
        self.queue.close();
        while let Ok(queued) = self.queue.try_recv() {
            self.commit_group(vec![queued])?;
        }
        self.parts.ledger.seal_signed()?;
        let counts = self.publisher.end()?;
        self.parts.applier.close(self.parts.ledger.end(), counts)?;
        Ok(())
    }

    /// 1: a group is whatever waits, bounded in submissions and bytes: under load it grows, so that an fdatasync carries more.
    fn take_group(&mut self, first: Queued) -> Vec<Queued> {
        let mut bytes = first.weight;
        let mut group = vec![first];
        while group.len() < limits::GROUP_SUBMISSIONS && bytes < limits::GROUP_BYTES - limits::FRAME_BYTES {
            let Ok(next) = self.queue.try_recv() else { break };
            bytes += next.weight;
            group.push(next);
        }
        group
    }

    fn commit_group(&mut self, submissions: Vec<Queued>) -> Result<(), WriterError> {
        if !self.is_clear() {
            submissions.into_iter().for_each(|queued| self.decline(queued.submission));
            return Ok(());
        }
        if !self.head.borrow().is_signed {
            self.sign_first();
        }
        let mut group = self.parts.ledger.begin();
        let mut answers = Vec::with_capacity(submissions.len());
        let mut rooms = Vec::with_capacity(submissions.len());
        // 2: decide and sign each. A crash here loses what nobody was told of.
        for queued in submissions {
            let Queued { submission, room, .. } = queued;
            rooms.push(room);
            answers.extend(self.prepare(&mut group, submission)?);
        }
        self.try_unblocked(&mut group)?;
        self.introduce_peers(&mut group)?;
        self.end_group(group, answers, rooms)
    }

    /// Makes a group durable, and hands it over to be shown and answered.
    fn end_group(
        &mut self,
        group: Group,
        answers: Vec<Answer>,
        rooms: Vec<OwnedSemaphorePermit>,
    ) -> Result<(), WriterError> {
        let open = std::mem::take(&mut self.open);
        let durable = if group.is_empty() {
            self.parts.applier.nothing_appended();
            None
        } else {
            Some(self.make_durable(group, open)?)
        };
        let has_grown = durable.is_some();
        if has_grown && self.has_contents_to_erase() {
            // Who ordered it is answered when it is done.
            self.publish(Publication { durable, ..Publication::default() })?;
            self.erase_contents()?;
            return self.publish(Publication { durable: None, answers, rooms });
        }
        self.publish(Publication { durable, answers, rooms })
    }

    fn publish(&mut self, publication: Publication) -> Result<(), WriterError> {
        let has_grown = publication.durable.is_some();
        self.publisher.publish(publication)?;
        if has_grown {
            self.parts.applier.earlier_is_stored();
        } else {
            self.parts.applier.all_is_stored();
        }
        Ok(())
    }

    fn make_durable(&mut self, group: Group, open: OpenGroup) -> Result<Durable, WriterError> {
        // 3: one write, one fdatasync. A crash during it leaves the whole group or nothing of it.
        let Committed { first, size, root, end } = self.parts.ledger.commit(group)?;
        if open.late_content {
            self.parts.recent.clear();
        } else {
            self.parts.recent.publish(first, open.leaves, self.parts.applier.reader().erasures());
        }
        // 4: the checkpoint covers durable leaves only, which determine it: a crash here changes nothing.
        let checkpoint = self.sign_checkpoint();
        let changes = self.parts.applier.seal();
        Ok(Durable { changes, end, size: LedgerIndex(size), owed: self.owed, root: root.0, checkpoint })
    }

    /// The store, when it has everything that is durable.
    fn store(&mut self) -> Result<&Store, WriterError> {
        self.publisher.settle()?;
        Ok(self.parts.applier.store())
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

    /// The first checkpoint since the start. The leaves are on the disk since the ledger was opened.
    fn sign_first(&mut self) {
        let checkpoint = self.sign_checkpoint();
        self.head.send_modify(|head| (head.checkpoint, head.is_signed) = (checkpoint, true));
    }

    fn sign_checkpoint(&mut self) -> Arc<[u8]> {
        let offset = self.parts.clock_offset.load(Ordering::Relaxed);
        self.checkpoints.sign(&mut self.parts.ledger, offset)
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
