//! The engine: every decision of a node, as one pure machine.
//!
//! ```text
//!   Input, Now --> gather --> decide --> record --> Batch --> the node: append, sync, tell links, sign, derive, destroy, answer
//!                    |                     |                                                               |
//!                    v                     v                                                               v
//!                  View                the engine's own state <------------------------------------- Input::Applied
//! ```
//!
//! 1. **Gather**: read everything that the decision needs through the [`View`]. If a read fails, the input ends there; earlier decisions stand.
//! 2. **Decide**: without the view, and without any way to fail.
//! 3. **Record**: apply each [`Record`] to the engine's state and add it to the [`Batch`]. Nothing else changes the state.
//!
//! The daemon makes a batch durable while the engine decides the next one; the simulator does the same in memory. Neither decides anything.
//!
//! | file | content |
//! |---|---|
//! | [`input`], [`batch`], [`record`], [`view`] | the engine's inputs and answers, its output, the ledger records, its reads |
//! | [`config`] | the settings of a node, and its state when it starts |
//! | [`commit`] | the steps after a batch is durable |
//! | [`own_clock`], `peer_clocks` | whether this node's wall clock can be trusted |
//! | `cosigned_time` | the time that the node's checkpoints carry |
//! | `may_sign` | whether the node may sign now, and what it declines otherwise |
//! | `surroundings` | changes around the engine that it has to be told of |
//! | `write` | own entries: lodge, act |
//! | `receive` | a peer's items: known, refused, deferred or admitted |
//! | `rejudge` | judges deferred and refused items again |
//! | `automatic` | actions that the node takes without a command |
//! | `witness` | shows the receipts that decide between competing acts |
//! | `backfill` | sends older complaints to a new peer |
//! | `fair_use` | the share of the disk that each agency may take |
//! | `send_again` | sends again the items that a peer did not take |
//! | [`recovery`], `epoch` | a new ledger: its epoch, and the entries that it takes over from the old one |
//! | [`case`], `case_cache`, `pending`, [`deferred`], `refusal_quota` | the state |
//!
//! Must not know: clocks, files, sockets, threads, the operator's messages.
//!
//! Invariants:
//! - while the rollback guard is not clear, the engine decides nothing and signs nothing;
//! - an answer is [`Withheld`] until its batch is applied;
//! - the same inputs, times and views give the same batches;
//! - the engine is the only signer of entries. It sets an own entry's place, parents and clock when it decides it, and signs all own entries of a
//!   batch when it closes the batch.

pub mod batch;
pub mod case;
pub mod commit;
pub mod config;
pub mod deferred;
pub mod error;
pub mod input;
pub mod own_clock;
pub mod record;
pub mod recovery;
pub mod view;

mod automatic;
mod backfill;
mod case_cache;
mod cosigned_time;
mod epoch;
mod fair_use;
mod judge_again;
mod may_sign;
mod peer_clocks;
mod pending;
mod receive;
mod refusal_quota;
mod rejudge;
mod send_again;
mod surroundings;
mod witness;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use batch::{Batch, BatchNumber, Closed, Destroy, Recheck, Warning};
pub use case::{Case, Duties};
pub use case_cache::{CaseCache, CaseCacheLimits};
pub use config::{EngineConfig, PeerQuotas, Snapshot};
pub use deferred::DeferredItems;
pub use error::{CommandError, DeliveryError};
pub use fair_use::DiskSpace;
pub use input::{Act, Acted, Answer, Delivery, Input, KeptAs, KeptItem, Lodge, Lodged, OldEntry, Retried, Withheld};
pub use own_clock::{ClockProblem, ClockState, OwnClock};
pub use record::{
    CeilingHeader, CursorHeader, DeferredDoneHeader, DeferredHeader, External, ItemKey, JudgedHeader, LeafHeader,
    PeerCursor, PutOffHeader, ReceiptHeader, Record, RefusedHeader, RoutingHeader, SeenHeader,
};
pub use surroundings::{Around, Surroundings};
pub use view::View;

use crate::base::clock::{HybridClock, Now};
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::OwnBatch;
use crate::routing::route::{RoutingContext, reset_of};
use crate::tlog::tree::root_of;
use crate::transparency::rollback_guard::GuardState;
use crate::wire::{self, entry::Body};

use backfill::Backfill;
use cosigned_time::CosignedTime;
use fair_use::FairUse;
use judge_again::JudgeAgain;
use pending::Pending;
use refusal_quota::RefusalQuota;
use rejudge::Rechecking;
use witness::Searches;

/// The decisions of one node. See the [module](self).
pub struct Engine {
    config: EngineConfig,
    charters: Arc<Charters>,
    guard: GuardState,
    /// The state of this node's wall clock.
    own_clock: ClockState,
    /// The time of the last input.
    now: Now,
    cosigned: CosignedTime,

    epoch: Epoch,
    next_leaf: LedgerIndex,
    clock: HybridClock,
    cases: CaseCache,
    pending: Pending,
    deferred: DeferredItems,
    /// Peers whose share in what waits is used up, as the operator was told.
    over_share: BTreeSet<AgencyId>,
    /// The newest batch that sends unsettled items again.
    sent_again_in: BatchNumber,
    /// The peer whose unsettled items were sent again last.
    sent_again_to: Option<AgencyId>,
    /// Items whose signatures are being checked again.
    rechecking: Rechecking,
    refusal_quota: RefusalQuota,
    fair_use: FairUse,
    /// The positions in peers' ledgers that are not recorded yet: their frames brought nothing new.
    unrecorded: BTreeMap<AgencyId, Cursor>,
    /// Peers whose unsigned copies the operator was told of since the last tick.
    unsigned_told: BTreeSet<AgencyId>,
    /// Complaints that need an automatic action.
    automatic: BTreeSet<ComplaintId>,
    /// Complaints in which a receipt is looked for that decides between acts.
    searches: Searches,
    /// Complaints from before the start whose erased contents may not have been destroyed yet.
    undestroyed: BTreeSet<ComplaintId>,
    backfill: Backfill,
    judge_again: JudgeAgain,
    seen: BTreeMap<AgencyId, Vec<u8>>,

    /// The open batch, which decisions are added to.
    open: BatchNumber,
    /// The newest batch that the view shows.
    applied: BatchNumber,
}

impl Engine {
    /// An engine over an open ledger: everything in the ledger is durable and readable. It waits for the rollback guard.
    pub fn open(snapshot: Snapshot, config: EngineConfig, charters: Arc<Charters>) -> Self {
        let Snapshot { epoch, size, clock, ceiling, deferred, duties, new_peers, judged, seen } = snapshot;
        let mut items = DeferredItems::new(config.quotas);
        for (header, item) in deferred {
            items.add(header, BatchNumber::default(), &item, &config.federation);
        }
        items.started();
        let open = BatchNumber::default().next();
        Self {
            guard: GuardState::Waiting,
            own_clock: ClockState::default(),
            now: Now::default(),
            cosigned: CosignedTime::of_a_start(ceiling),
            epoch,
            next_leaf: size,
            clock,
            cases: CaseCache::new(config.cases),
            pending: Pending::new(open, size),
            deferred: items,
            over_share: BTreeSet::new(),
            sent_again_in: BatchNumber::default(),
            sent_again_to: None,
            rechecking: Rechecking::default(),
            refusal_quota: RefusalQuota::new(config.quotas),
            fair_use: FairUse::new(config.quotas),
            unrecorded: BTreeMap::new(),
            unsigned_told: BTreeSet::new(),
            automatic: duties.clone(),
            searches: Searches::default(),
            undestroyed: duties,
            backfill: Backfill::new(new_peers),
            judge_again: JudgeAgain::new(judged),
            seen,
            open,
            applied: BatchNumber::default(),
            config,
            charters,
        }
    }

    /// Decides on one input, and adds the decisions to the batch. `now` is the wall clock in milliseconds since 1970.
    ///
    /// # Errors
    /// When the view cannot read what the decision needs. Decisions made before that are in the batch and stand.
    pub fn handle<V: View>(
        &mut self,
        input: Input,
        now: Now,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Withheld<Answer>, V::Error> {
        self.cases.make_room(self.applied);
        self.now = now;
        let answer = match input {
            Input::Guard(state) => self.note(|engine| engine.guard = state),
            Input::Clock(state) => self.note(|engine| engine.own_clock = state),
            Input::Space(space) => self.note(|engine| engine.fair_use.measured(space)),
            Input::Charters(charters) => self.note(|engine| engine.judge_under(charters, batch)),
            Input::Applied(number) => self.note(|engine| engine.note_applied(number)),
            Input::Work => {
                self.work(view, batch)?;
                Answer::Nothing
            }
            Input::Rechecked(checked) if self.guard != GuardState::Clear => {
                // The items stay deferred, and are checked again when the node may sign.
                let keys = checked.into_iter().map(|(key, _)| key);
                self.note(|engine| keys.for_each(|key| engine.put_back(key)))
            }
            input if self.guard != GuardState::Clear => self.decline(&input),
            input => {
                self.renew_time(batch);
                self.decide_on(input, now.wall_millis, view, batch)?
            }
        };
        Ok(Withheld::new(answer))
    }

    /// `now`: the wall clock, milliseconds since 1970.
    fn decide_on<V: View>(
        &mut self,
        input: Input,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<Answer, V::Error> {
        Ok(match input {
            Input::Lodge(lodge) => {
                let known = self.gather_imported(&lodge, view)?;
                Answer::Lodged(self.decide_lodge(*lodge, known, now, batch))
            }
            Input::Act(act) => {
                let disclosed = self.gather_act(&act, view)?;
                Answer::Acted(self.decide_act(*act, disclosed, now, batch))
            }
            Input::Deliver(delivery) => Answer::Delivered(Ok(self.deliver(delivery, now, view, batch)?)),
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
                self.deferred.time_passed();
                self.unblock_put_off(now);
                self.unsigned_told.clear();
                self.warn_of_unkept_refusals(now, batch);
                self.warn_of_shares(batch);
                self.warn_of_authors(now, batch);
                self.record_cursors(batch);
                self.warn_of_cosigned_time(batch);
                self.act_by_itself(now, view, batch)?;
                self.send_again(now, view, batch)?;
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
            Input::Guard(_)
            | Input::Clock(_)
            | Input::Space(_)
            | Input::Charters(_)
            | Input::Applied(_)
            | Input::Work => Answer::Nothing,
        })
    }

    /// Closes the open batch and opens the next one. An empty batch stays open.
    ///
    /// The new own entries are signed here, with one signature for each [`limits::SIGNED_BATCH`] of them. The signatures are the last records. The
    /// time of the checkpoint over the batch is fixed here as well, so that no entry of the next batch is dated before it, however long the
    /// signature takes.
    pub fn close(&mut self, batch: &mut Batch) -> Closed {
        let seconds = self.time_to_cosign(batch);
        if batch.is_empty() {
            return Closed { number: None, seconds };
        }
        let unsigned = std::mem::take(&mut batch.unsigned);
        for part in unsigned.chunks(limits::SIGNED_BATCH) {
            let (leaves, ids): (Vec<LedgerIndex>, Vec<EntryId>) = part.iter().copied().unzip();
            let signed = OwnBatch::sign(&ids, &self.config.key);
            self.record(Record::Signature { leaves, signed }, batch);
        }
        let closed = self.open;
        self.open = closed.next();
        self.pending.open_next(self.open, self.next_leaf);
        Closed { number: Some(closed), seconds }
    }

    /// Whether [`Input::Work`] has something to do now.
    pub fn has_backlog(&self) -> bool {
        !self.undestroyed.is_empty()
            || (self.guard == GuardState::Clear
                && (self.backfill.is_under_way()
                    || self.judge_again.is_under_way(&self.charters)
                    || (self.deferred.is_ready(self.applied) && self.may_recheck())))
    }

    /// Whether there will be work as soon as all closed batches are applied.
    pub fn awaits_applied(&self) -> bool {
        self.guard == GuardState::Clear && self.deferred.is_ready(self.open)
    }

    /// A complaint, if it is in memory. The complaints of the open batch always are.
    pub fn case(&self, id: &ComplaintId) -> Option<&Case> {
        self.cases.peek(id)
    }

    /// The number of the open batch.
    pub fn open_batch(&self) -> BatchNumber {
        self.open
    }

    /// The index of the next leaf.
    pub fn next_leaf(&self) -> LedgerIndex {
        self.next_leaf
    }

    /// The deferred items.
    pub fn deferred(&self) -> &DeferredItems {
        &self.deferred
    }

    /// The charters that the engine decides by.
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

    /// Does a slice of the backlog. Destroying contents needs no signature, so it does not wait for the guard.
    fn work<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        self.destroy_from_before(view, batch)?;
        if self.guard != GuardState::Clear {
            return Ok(());
        }
        self.recheck_ready(view, batch)?;
        self.judge_some_again(view, batch)?;
        self.backfill_some(view, batch)
    }

    /// Applies a record to the state and adds it to the batch. The entry of a leaf has been folded before.
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
                self.deferred.arrived(&entry.id);
            }
            Record::Content { leaf, content, .. } => self.pending.add_content(*leaf, content.clone()),
            Record::Seen { header, note } => drop(self.seen.insert(header.peer.clone(), note.to_vec())),
            Record::Deferred { header, item } => {
                self.deferred.add(header.clone(), self.open, item, &self.config.federation);
            }
            Record::DeferredDone(header) => {
                self.deferred.remove(&header.item);
                batch.destroy.insert(Destroy::DeferredItem(header.item));
            }
            Record::Routing(RoutingHeader::BackfillDone { peer }) => self.backfill.completed(peer),
            Record::Ceiling(header) => self.cosigned.raise(header.seconds),
            Record::Judged(header) => self.judge_again.recorded(header),
            Record::Signature { .. }
            | Record::Routing(RoutingHeader::Leaf { .. } | RoutingHeader::Again { .. })
            | Record::Receipt { .. }
            | Record::Cursor(_)
            | Record::PutOff(_)
            | Record::Refused { .. } => {}
        }
        batch.push(record);
    }

    /// Whether the batch has room for more backlog.
    fn has_room(&self, batch: &Batch) -> bool {
        batch.bytes < self.config.batch_bytes
    }

    fn routing_context(&self) -> RoutingContext<'_> {
        RoutingContext { own: &self.config.own, adjacent: &self.config.adjacent, charter: self.charters.newest() }
    }

    fn keep_seen(&mut self, header: SeenHeader, note: Vec<u8>, batch: &mut Batch) {
        self.record(Record::Seen { header, note: note.into() }, batch);
    }

    /// Stores newer checkpoints, and writes a `Witnessed` entry that commits to the newest one of every agency.
    ///
    /// The root in `Witnessed` is over the newest `Seen` record of each agency before it in the ledger, in the order of agency ids.
    fn witness(&mut self, newer: Vec<(AgencyId, Vec<u8>)>, now: u64, batch: &mut Batch) -> Result<(), CommandError> {
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
