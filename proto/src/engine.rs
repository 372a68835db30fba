//! The engine: every decision of a node, as one pure machine.
//!
//! ```text
//!   Input, Now --> gather --> decide --> record --> Batch --> the node: append, sync, tell links, sign, derive, destroy, answer
//!                    |                     |                                                               |
//!                    v                     v                                                               v
//!                  View                the engine's own state <------------------------------------- Input::Applied
//! ```
//!
//! 1. **Gather**: everything that a decision needs is read through the [`View`]. A read that fails ends the input there: what was decided
//!    before stays as it is.
//! 2. **Decide**: without the view, and without any way to fail.
//! 3. **Record**: [`Record`]s are the only mutation. Each is applied to the engine's state and put into the [`Batch`].
//!
//! The daemon makes a batch durable while the engine decides the next one; the simulator does the same in memory. Neither decides anything.
//!
//! | file | what it holds |
//! |---|---|
//! | [`input`], [`batch`], [`record`], [`view`] | what goes in, what comes out, what is written, what may be asked |
//! | `surroundings` | what changes around the engine and was not told it yet |
//! | `write` | own entries: lodge, act |
//! | `receive` | a peer's items: known, refused, deferred, taken |
//! | `append` | the path that all entries share: fold, routes, leaf |
//! | `rejudge` | items that wait or were refused, judged again |
//! | `automatic` | what the node does by itself |
//! | `backfill` | what a new peer should have had |
//! | [`recovery`], `epoch` | a new ledger: which epoch it begins, and what it takes over from the old one |
//! | [`case`], `cases`, `pending`, [`waiting`], `refusal_quota` | the state |
//!
//! Must not know: clocks, files, sockets, threads, the operator's messages.
//!
//! Invariants:
//! - while the rollback guard is not clear nothing is decided and nothing signed;
//! - an answer is [`Withheld`] until its batch is applied;
//! - the same inputs, times and views give the same batches;
//! - place, parents and clock of an own entry are filled in here, just before it is signed: there is no other signer of entries.

pub mod batch;
pub mod case;
pub mod input;
pub mod record;
pub mod recovery;
pub mod view;
pub mod waiting;

mod append;
mod automatic;
mod backfill;
mod cases;
mod epoch;
mod pending;
mod receive;
mod refusal_quota;
mod rejudge;
mod surroundings;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use batch::{Batch, BatchNumber, Destroy, Recheck, Warning};
pub use case::{Case, Duties};
pub use cases::{CaseRoom, Cases};
pub use input::{
    Act, Acted, Answer, Delivery, GuardState, Input, Kept, KeptItem, Lodge, Lodged, NotDone, NotTaken, OldEntry,
    Retried, Withheld,
};
pub use record::{
    CursorHeader, DeferredDoneHeader, DeferredHeader, External, LeafHeader, ReceiptHeader, Record, RefusedHeader,
    RoutingHeader, SeenHeader,
};
pub use surroundings::{Around, Surroundings};
pub use view::View;
pub use waiting::{ItemKey, Waiting};

use crate::charter::Charters;
use crate::clock::HybridClock;
use crate::ids::{AgencyId, ComplaintId, Epoch, LedgerIndex};
use crate::key::SigningKey;
use crate::limits;
use crate::route::{Standpoint, reset_of};
use crate::tree::root_of;
use crate::wire::{self, entry::Body};

use backfill::Backfill;
use pending::Pending;
use refusal_quota::RefusalQuota;
use rejudge::Rechecking;

/// What a node is, for as long as it runs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The agency that it signs for.
    pub own: AgencyId,
    /// Its federation.
    pub federation: String,
    /// The key that signs its entries.
    pub key: SigningKey,
    /// The adjacent peers.
    pub adjacent: BTreeSet<AgencyId>,
    /// How long an addressee has to answer an offer that names no time, in milliseconds.
    pub answer_within_millis: u64,
    /// About how many bytes of records a batch may hold before backlog waits for the next one.
    pub batch_bytes: usize,
    /// How much is held in memory.
    pub cases: CaseRoom,
}

/// Where a node stands when it starts: read from its ledger and store.
#[derive(Debug)]
pub struct Snapshot {
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// Its leaves.
    pub size: LedgerIndex,
    /// The clock of the newest own entry.
    pub clock: HybridClock,
    /// Items that wait, with their bytes.
    pub deferred: Vec<(DeferredHeader, Vec<u8>)>,
    /// Complaints about which the node may have something to do by itself, or contents to destroy.
    pub duties: BTreeSet<ComplaintId>,
    /// Adjacent peers whose backfill is not complete.
    pub new_peers: BTreeSet<AgencyId>,
    /// The newest checkpoint that was seen of each agency, as a signed note.
    pub seen: BTreeMap<AgencyId, Vec<u8>>,
}

/// Everything that a node decides. See the [module](self).
pub struct Engine {
    config: EngineConfig,
    charters: Arc<Charters>,
    guard: GuardState,
    /// By how much the clocks of most peers are ahead, in milliseconds.
    clock_offset: i64,

    epoch: Epoch,
    next_leaf: LedgerIndex,
    clock: HybridClock,
    cases: Cases,
    pending: Pending,
    waiting: Waiting,
    /// Peers of which nothing is taken because too much of theirs waits.
    held_up: BTreeSet<AgencyId>,
    /// Items whose signatures are being checked again.
    rechecking: Rechecking,
    refusal_quota: RefusalQuota,
    /// Complaints about which the node has something to do by itself.
    automatic: BTreeSet<ComplaintId>,
    /// Complaints from before the start whose erased contents may not have been destroyed.
    undestroyed: BTreeSet<ComplaintId>,
    backfill: Backfill,
    seen: BTreeMap<AgencyId, Vec<u8>>,

    /// The batch that is open.
    open: BatchNumber,
    /// The newest batch that the view shows.
    applied: BatchNumber,
}

impl Engine {
    /// An engine over a ledger that was opened, so that everything in it is durable and can be read. It waits for the rollback guard.
    pub fn open(snapshot: Snapshot, config: EngineConfig, charters: Arc<Charters>) -> Self {
        let Snapshot { epoch, size, clock, deferred, duties, new_peers, seen } = snapshot;
        let mut waiting = Waiting::default();
        for (header, item) in deferred {
            waiting.add(header, BatchNumber::default(), &item, &config.federation);
        }
        waiting.started();
        let open = BatchNumber::default().next();
        Self {
            guard: GuardState::Waiting,
            clock_offset: 0,
            epoch,
            next_leaf: size,
            clock,
            cases: Cases::new(config.cases),
            pending: Pending::new(open, size),
            waiting,
            held_up: BTreeSet::new(),
            rechecking: Rechecking::default(),
            refusal_quota: RefusalQuota::default(),
            automatic: duties.clone(),
            undestroyed: duties,
            backfill: Backfill::new(new_peers),
            seen,
            open,
            applied: BatchNumber::default(),
            config,
            charters,
        }
    }

    /// Decides on one input. `now`: the wall clock, milliseconds since 1970. What is decided is added to the batch.
    ///
    /// # Errors
    /// When the view cannot read what the decision needs. What was decided before is in the batch and stands.
    pub fn handle<V: View>(
        &mut self,
        input: Input,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Withheld<Answer>, V::Error> {
        self.cases.make_room(self.applied);
        let answer = match input {
            Input::Guard(state) => self.note(|engine| engine.guard = state),
            Input::PeerClocks(offset) => self.note(|engine| engine.clock_offset = offset),
            Input::Charters(charters) => self.note(|engine| {
                engine.charters = charters;
                engine.waiting.time_passed();
            }),
            Input::Applied(number) => self.note(|engine| engine.note_applied(number)),
            Input::Work => {
                self.work(view, batch)?;
                Answer::Nothing
            }
            Input::Rechecked(checked) if self.guard != GuardState::Clear => {
                // They wait on, and are checked again when the node may sign.
                let keys = checked.into_iter().map(|(key, _)| key);
                self.note(|engine| keys.for_each(|key| engine.put_back(key)))
            }
            input if self.guard != GuardState::Clear => self.decline(&input),
            input => self.decide_on(input, now, view, batch)?,
        };
        Ok(Withheld::new(answer))
    }

    fn decide_on<V: View>(
        &mut self,
        input: Input,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Answer, V::Error> {
        Ok(match input {
            Input::Lodge(lodge) => Answer::Lodged(self.lodge(*lodge, now, view, batch)?),
            Input::Act(act) => Answer::Acted(self.act(*act, now, view, batch)?),
            Input::Deliver(delivery) => Answer::Delivered(self.deliver(delivery, now, view, batch)?),
            Input::Receipt(header, ack) => {
                self.record(Record::Receipt { header, ack: ack.into() }, batch);
                Answer::Nothing
            }
            Input::Seen(header, note) => {
                self.keep_seen(header, note, batch);
                Answer::Nothing
            }
            Input::Witness(newer) => Answer::Witnessed(self.witness(newer, now, batch)),
            Input::Rechecked(checked) => {
                self.rechecked(checked, now, view, batch)?;
                Answer::Nothing
            }
            Input::Retry(items) => Answer::Retried(Ok(self.retry(items, now, view, batch)?)),
            Input::Tick => {
                self.waiting.time_passed();
                self.warn_of_unkept_refusals(now, batch);
                self.act_by_itself(now, view, batch)?;
                Answer::Nothing
            }
            Input::Declare(reset) => Answer::Declared(self.write_of_node(Body::LedgerReset(reset), now, batch)),
            Input::TakeOver(entry) => {
                self.take_over(*entry, now, view, batch)?;
                Answer::Nothing
            }
            Input::TakeOverCursor(header) => {
                self.record(Record::Cursor(header), batch);
                Answer::Nothing
            }
            Input::Guard(_) | Input::PeerClocks(_) | Input::Charters(_) | Input::Applied(_) | Input::Work => {
                Answer::Nothing
            }
        })
    }

    /// Closes the open batch, if there is anything in it; its number. The next one is open then. `None`: there was nothing.
    pub fn close(&mut self, batch: &Batch) -> Option<BatchNumber> {
        if batch.is_empty() {
            return None;
        }
        let closed = self.open;
        self.open = closed.next();
        self.pending.open_next(self.open, self.next_leaf);
        Some(closed)
    }

    /// Whether [`Input::Work`] has something to do now.
    pub fn has_backlog(&self) -> bool {
        !self.undestroyed.is_empty()
            || (self.guard == GuardState::Clear
                && (self.backfill.is_under_way() || (self.waiting.is_ready(self.applied) && self.may_recheck())))
    }

    /// Whether there will be work as soon as the batches that are not applied yet are.
    pub fn awaits_applied(&self) -> bool {
        self.guard == GuardState::Clear && self.waiting.is_ready(self.open)
    }

    /// A complaint, if it is in memory: those of the open batch always are.
    pub fn case(&self, id: &ComplaintId) -> Option<&Case> {
        self.cases.peek(id)
    }

    /// The batch that is open.
    pub fn open_batch(&self) -> BatchNumber {
        self.open
    }

    /// The leaf that comes next.
    pub fn next_leaf(&self) -> LedgerIndex {
        self.next_leaf
    }

    /// What waits.
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// The charters by which it decides.
    pub fn charters(&self) -> &Arc<Charters> {
        &self.charters
    }

    fn note(&mut self, change: impl FnOnce(&mut Self)) -> Answer {
        change(self);
        Answer::Nothing
    }

    fn note_applied(&mut self, number: BatchNumber) {
        self.applied = self.applied.max(number);
        self.pending.applied(number);
    }

    /// Peers may have seen another ledger: nothing is taken. What links sent is sent again.
    fn decline(&self, input: &Input) -> Answer {
        let error = match self.guard {
            GuardState::SetBack => NotDone::SetBack,
            GuardState::Waiting | GuardState::Clear => NotDone::Unheard,
        };
        match input {
            Input::Lodge(_) => Answer::Lodged(Err(error)),
            Input::Act(_) => Answer::Acted(Err(error)),
            Input::Witness(_) => Answer::Witnessed(Err(error)),
            Input::Retry(_) => Answer::Retried(Err(error)),
            Input::Declare(_) => Answer::Declared(Err(error)),
            Input::Deliver(_) => Answer::Delivered(Err(NotTaken::MayNotSign)),
            _ => Answer::Nothing,
        }
    }

    /// A slice of the work that is left to do. What is destroyed needs no signature, so that does not wait for the guard.
    fn work<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        self.destroy_from_before(view, batch)?;
        if self.guard != GuardState::Clear {
            return Ok(());
        }
        self.recheck_ready(view, batch)?;
        self.backfill_some(view, batch)
    }

    /// The only mutation: the record is applied to the state and put into the batch. A leaf has been folded before.
    fn record(&mut self, record: Record, batch: &mut Batch) {
        match &record {
            Record::Leaf { header, entry } => {
                let index = self.next_leaf;
                self.next_leaf = index.next();
                if entry.author != self.config.own && reset_of(entry).is_some() {
                    self.pending.add_epoch(entry.author.clone(), entry.place.epoch);
                }
                match entry.complaint {
                    Some(complaint) => {
                        self.cases.place(entry, index, header);
                        if let Some(external) = &header.external {
                            self.pending.add_imported(external.clone(), complaint);
                        }
                        batch.touched.insert(complaint);
                    }
                    None => self.pending.add_node_entry(entry.id, index),
                }
                self.waiting.arrived(&entry.id);
            }
            Record::Content { leaf, content, .. } => self.pending.add_content(*leaf, content.clone()),
            Record::Seen { header, note } => drop(self.seen.insert(header.peer.clone(), note.to_vec())),
            Record::Deferred { header, item } => {
                self.waiting.add(header.clone(), self.open, item, &self.config.federation);
            }
            Record::DeferredDone(header) => {
                self.waiting.remove(&header.item);
                batch.destroy.insert(Destroy::DeferredItem(header.item));
            }
            Record::Routing(RoutingHeader::Introduced { peer }) => self.backfill.completed(peer),
            Record::Routing(RoutingHeader::Leaf { .. })
            | Record::Receipt { .. }
            | Record::Cursor(_)
            | Record::Refused { .. } => {}
        }
        batch.push(record);
    }

    /// Whether a batch has room for more of the backlog.
    fn has_room(&self, batch: &Batch) -> bool {
        batch.bytes < self.config.batch_bytes
    }

    /// Why nothing may be signed now.
    fn may_not_sign(&self) -> Option<NotDone> {
        match self.guard {
            GuardState::SetBack => return Some(NotDone::SetBack),
            GuardState::Waiting => return Some(NotDone::Unheard),
            GuardState::Clear => {}
        }
        let bound = i64::try_from(limits::CLOCK_AHEAD.as_millis()).unwrap_or(i64::MAX);
        (self.clock_offset.saturating_abs() > bound)
            .then_some(NotDone::Clock { offset_seconds: self.clock_offset / 1000 })
    }

    fn standpoint(&self) -> Standpoint<'_> {
        Standpoint { own: &self.config.own, adjacent: &self.config.adjacent, charter: self.charters.newest() }
    }

    fn keep_seen(&mut self, header: SeenHeader, note: Vec<u8>, batch: &mut Batch) {
        self.record(Record::Seen { header, note: note.into() }, batch);
    }

    /// Keeps newer checkpoints, and commits to the newest of every agency.
    ///
    /// The root of a `Witnessed` is over the newest `Seen` record of each agency before it in the ledger, in the order of ids.
    fn witness(&mut self, newer: Vec<(AgencyId, Vec<u8>)>, now: u64, batch: &mut Batch) -> Result<(), NotDone> {
        if let Some(error) = self.may_not_sign() {
            return Err(error);
        }
        for (peer, note) in newer {
            self.keep_seen(SeenHeader { at: now, peer }, note, batch);
        }
        let root = root_of(self.seen.values().map(Vec::as_slice)).to_vec();
        self.write_of_node(Body::Witnessed(wire::Witnessed { root, peers: self.seen.len() as u64 }), now, batch)
    }
}
