//! Derives the store from the ledger. New batches, the start after a crash, and a rebuild all take this path. It is also the engine's
//! [`View`] of the node.
//!
//! Must not know where records come from, and judges none of them.
//!
//! Invariants:
//! - the store is written only by `Derivation::flush`, and with the changes that [`Derivation::close`] returns, when their batch is durable;
//! - a row that a batch changed stays in memory until the store has that batch. Otherwise an outdated row could be read from the store;
//! - applying a record again changes nothing.

use std::collections::BTreeSet;

use lru::LruCache;
use prost::Message;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::engine::{
    BatchNumber, Case, CaseCache, CaseCacheLimits, CeilingHeader, CursorHeader, DeferredDoneHeader, DeferredHeader,
    External, ItemKey, JudgedHeader, LeafHeader, PeerCursor, ReceiptHeader, RefusedHeader, RoutingHeader, SeenHeader,
    View,
};
use sinergi_proto::entry::Entry;
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::route::reset_of;
use sinergi_proto::routing::unsettled::Unsettled;
use sinergi_proto::wire;

use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::{self, OwnDataError, ParsedLeaf};
use crate::storage::foreign_ledger;
use crate::storage::ledger::{LedgerReader, Position, ReadError, Record, RecordKind};
use crate::storage::record_codec::Header;
use crate::storage::store::{Changes, CheckpointSource, Counts, Placed, RefusedRow, Row, Store, StoreError, Summary};

/// Bounds of a cache of complaints: how many, and the memory that they take together.
pub const CASE_CACHE_LIMITS: CaseCacheLimits = CaseCacheLimits { complaints: 4096, bytes: 48 << 20 };
/// Number of records after which a replay writes to the store.
const REPLAY_BATCH: u64 = 4096;

/// Turns records of the ledger into changes of the store.
pub struct Derivation {
    own: AgencyId,
    federation: String,
    store: Store,
    reader: LedgerReader,
    charter_store: CharterStore,
    rows: Rows,
    /// The highest complaint id in the store; `None` until it is needed. Ids grow with time, so a higher id is new and needs no lookup.
    highest: Option<ComplaintId>,
    changes: Changes,
    counts: Counts,
}

impl Derivation {
    /// A derivation at the store's watermark. Its counts are zero until [`Self::count`] is called.
    pub fn new(
        own: AgencyId,
        federation: String,
        store: Store,
        reader: LedgerReader,
        charter_store: CharterStore,
    ) -> Self {
        Self {
            own,
            federation,
            store,
            reader,
            charter_store,
            rows: Rows::new(CASE_CACHE_LIMITS.complaints),
            highest: None,
            changes: Changes::default(),
            counts: Counts::default(),
        }
    }

    /// Adds a new leaf. `batch` is the batch that it belongs to.
    ///
    /// # Errors
    /// The row of its complaint cannot be read.
    pub fn leaf(
        &mut self,
        entry: &Entry,
        index: LedgerIndex,
        header: &LeafHeader,
        batch: BatchNumber,
    ) -> Result<(), StoreError> {
        self.note_leaf(entry, index, header);
        let Some(id) = entry.complaint else { return Ok(()) };
        self.look_up_row(&id)?;
        self.rows.changed(&id, Placed::new(entry.clock, &entry.id, index), batch);
        Ok(())
    }

    /// Adds the changes that a leaf makes outside the row of its complaint.
    fn note_leaf(&mut self, entry: &Entry, index: LedgerIndex, header: &LeafHeader) {
        if entry.author == self.own {
            self.changes.own_clock(entry.clock);
        } else {
            self.changes.authored(&entry.author, entry.place, index);
            if reset_of(entry).is_some() {
                self.changes.reset(&entry.author, entry.place.epoch, index);
            }
        }
        for agency in &header.unreachable {
            self.changes.unreachable(agency, index);
        }
        match entry.complaint {
            None => self.changes.node_entry(Placed::new(entry.clock, &entry.id, index)),
            Some(id) => header.external.iter().for_each(|external| self.changes.imported(external, &id)),
        }
    }

    fn look_up_row(&mut self, id: &ComplaintId) -> Result<(), StoreError> {
        if !self.rows.contains(id) {
            let row = if self.may_be_stored(id)? { self.store.row(id)? } else { None };
            self.rows.put(*id, row);
        }
        Ok(())
    }

    fn may_be_stored(&mut self, id: &ComplaintId) -> Result<bool, StoreError> {
        let highest = match self.highest {
            Some(highest) => highest,
            None => self.store.highest_complaint()?.unwrap_or(ComplaintId([0; 32])),
        };
        Ok(*id <= *self.highest.insert(highest))
    }

    /// Adds a peer's receipt. Its record lies at `position`.
    pub fn receipt(&mut self, receipt: &ReceiptHeader, position: Position) {
        self.changes.cursor(PeerCursor::Receipted, &receipt.peer, receipt.cursor);
        self.changes.checkpoint_record(CheckpointSource::Receipt, &receipt.peer, position);
        self.changes.receipt(&receipt.peer, receipt.cursor, position);
        for leaf in &receipt.settled {
            self.changes.receipt_of_leaf(&receipt.peer, *leaf, position);
        }
        self.changes.answered(receipt, position);
    }

    /// Adds how far this node has received a peer's ledger.
    pub fn cursor(&mut self, header: &CursorHeader) {
        self.changes.cursor(PeerCursor::Received, &header.peer, header.cursor);
    }

    /// Adds a checkpoint of another agency. Its record lies at `position`.
    pub fn seen(&mut self, header: &SeenHeader, position: Position) {
        self.changes.checkpoint_record(CheckpointSource::Shown, &header.peer, position);
    }

    /// Adds an item that this node refused. Its record lies at `position`.
    pub fn refused(&mut self, header: &RefusedHeader, position: Position) {
        let RefusedHeader { at, peer, entry, code, detail } = header.clone();
        self.changes.refused(position, 0, RefusedRow { peer, by_us: true, entry: entry.0, code, detail, at });
    }

    /// Adds an item that was deferred. Its record lies at `position`.
    pub fn deferred(&mut self, header: &DeferredHeader, position: Position) {
        self.changes.deferred(header.item, position);
    }

    /// Removes an item that is no longer deferred.
    pub fn deferred_done(&mut self, header: &DeferredDoneHeader) {
        self.changes.settled(header.item);
    }

    /// Adds a routing record: an order to send leaves that are already in the ledger.
    pub fn routing(&mut self, header: &RoutingHeader) {
        match header {
            RoutingHeader::BackfillDone { peer } => self.changes.backfilled(peer),
            RoutingHeader::Again { leaf, route, number } => self.changes.sent_again(&route.to, *leaf, *number),
            RoutingHeader::Leaf { .. } => {}
        }
    }

    /// Adds the latest time that may be cosigned.
    pub fn ceiling(&mut self, header: &CeilingHeader) {
        self.changes.ceiling(header.seconds);
    }

    /// Adds how far the complaints were judged again. `touched` are those whose row may change, in this batch.
    ///
    /// # Errors
    /// The row of one of them cannot be read.
    pub fn judged<'a>(
        &mut self,
        header: &JudgedHeader,
        touched: impl Iterator<Item = &'a ComplaintId>,
        batch: BatchNumber,
    ) -> Result<(), StoreError> {
        for id in touched {
            self.look_up_row(id)?;
            self.rows.keep_until(id, batch);
        }
        self.changes.judged(*header);
        Ok(())
    }

    /// The changes of the store from all records since the last call. `cases` are the complaints that the records touched, in their
    /// present state.
    pub fn close<'a>(&mut self, cases: impl Iterator<Item = (&'a ComplaintId, &'a Case)>) -> Changes {
        for (id, case) in cases {
            self.highest = self.highest.map(|highest| highest.max(*id));
            let summary = Summary::of(case, &self.own);
            self.rows.save(*id, summary, &mut self.changes);
        }
        std::mem::take(&mut self.changes)
    }

    /// Notes that the store has this batch and all before it, so that their rows may leave the memory.
    pub fn applied(&mut self, batch: BatchNumber) {
        self.rows.make_room(batch);
    }

    /// Applies all records after the store's watermark. `progress` gets the number of leaves that are done, and of all leaves. Returns
    /// how many leaves were applied.
    ///
    /// # Errors
    /// Store, ledger and charters cannot be read, or contradict each other.
    pub fn replay(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<u64, OwnDataError> {
        let from = self.store.watermark()?.unwrap_or(self.reader.start());
        let total = self.reader.size();
        let mut records = self.reader.records_from(from);
        let mut replay =
            Replay { cases: CaseCache::new(CASE_CACHE_LIMITS), touched: BTreeSet::new(), batch: BatchNumber(1) };
        let (mut applied, mut done, mut unwritten) = (0, 0, 0);
        while let Some(record) = records.next() {
            let record = record?;
            if let Some(index) = record.leaf().filter(|_| record.kind == RecordKind::Leaf) {
                applied += 1;
                done = index.0 + 1;
            }
            self.replay_record(record, &mut replay)?;
            unwritten += 1;
            if unwritten == REPLAY_BATCH {
                unwritten = 0;
                self.flush(records.position(), &mut replay)?;
                progress(done, total);
            }
        }
        self.flush(records.position(), &mut replay)?;
        progress(total, total);
        Ok(applied)
    }

    fn replay_record(&mut self, record: Record, replay: &mut Replay) -> Result<(), OwnDataError> {
        let position = record.position;
        match record.kind {
            RecordKind::Leaf => return self.replay_leaf(record, replay),
            // They are many, and the store holds nothing that is derived from them.
            RecordKind::Content => return Ok(()),
            _ => {}
        }
        match Header::of(&record)? {
            Header::Receipt(header) => self.receipt(&header, position),
            Header::Cursor(header) => self.cursor(&header),
            Header::Seen(header) => self.seen(&header, position),
            Header::Refused(header) => self.refused(&header, position),
            Header::Deferred(header) => self.deferred(&header, position),
            Header::DeferredDone(header) => self.deferred_done(&header),
            Header::Routing(header) => self.routing(&header),
            Header::Ceiling(header) => self.ceiling(&header),
            // The rows that go with it were not written. The engine judges these complaints once more.
            Header::Judged(_) => {}
            // Audits read it from the ledger.
            Header::PutOff(_) => {}
            Header::Leaf(_) | Header::Content(_) | Header::Other => {}
        }
        Ok(())
    }

    fn replay_leaf(&mut self, record: Record, replay: &mut Replay) -> Result<(), OwnDataError> {
        let ParsedLeaf { index, header, entry } = ParsedLeaf::parse(record, &self.federation)?;
        let Some(id) = entry.complaint else {
            self.note_leaf(&entry, index, &header);
            return Ok(());
        };
        let is_known = replay.cases.look_up(&id, self)?;
        if is_known && replay.cases.get(&id).is_some_and(|case| case.leaves.contains_key(&entry.id)) {
            // A crash came between the write of the timeline and the write of the watermark. The row may be missing: it is compared, and
            // written if it differs.
            self.note_leaf(&entry, index, &header);
            self.look_up_row(&id)?;
            replay.touched.insert(id);
            return Ok(());
        }
        let name = entry.charter;
        let charters = self.charter_store.charters();
        charters.named(&name).ok_or(OwnDataError::Charter { index, name })?;
        replay.cases.fold(&entry, &charters, replay.batch);
        // The first entry of a complaint must be its Lodged.
        replay.cases.get_mut(&id).ok_or(OwnDataError::StoreMismatch(id))?;
        replay.cases.place(&entry, index, &header);
        replay.touched.insert(id);
        Ok(self.leaf(&entry, index, &header, replay.batch)?)
    }

    /// Writes the changes since the last flush to the store. Its watermark is `end` then.
    fn flush(&mut self, end: Position, replay: &mut Replay) -> Result<(), StoreError> {
        let cases = replay.touched.iter().filter_map(|id| Some((id, replay.cases.get(id)?)));
        let changes = self.close(cases);
        self.store.write(changes, end, &self.own, &mut self.counts)?;
        self.applied(replay.batch);
        replay.cases.make_room(replay.batch);
        replay.touched.clear();
        replay.batch = replay.batch.next();
        Ok(())
    }

    /// Loads the figures over all complaints. They are the ones that the last clean shutdown saved, if nothing was applied since.
    /// Otherwise all complaints are counted. From then on the figures are kept up to date.
    pub fn count(&mut self) -> Result<(), StoreError> {
        self.counts = match self.store.remembered_counts()? {
            Some(counts) => counts,
            None => Counts::of(&self.store, &self.own)?,
        };
        Ok(())
    }

    /// A clean shutdown: saves the figures, with the ledger applied up to `end`, so that the next start need not count.
    pub fn finish(&mut self, end: Position, counts: Counts) -> Result<(), StoreError> {
        self.counts = counts;
        let changes = std::mem::take(&mut self.changes);
        self.store.write(changes, end, &self.own, &mut self.counts)?;
        self.store.remember_counts(&self.counts)?;
        self.store.flush()
    }

    /// The figures over all complaints, as of the last [`Self::count`].
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The ledger.
    pub fn reader(&self) -> &LedgerReader {
        &self.reader
    }
}

/// The state of a replay: the complaints in memory, and the ones that changed since the last flush.
struct Replay {
    cases: CaseCache,
    touched: BTreeSet<ComplaintId>,
    batch: BatchNumber,
}

impl View for Derivation {
    type Error = OwnDataError;

    fn case(&mut self, id: &ComplaintId) -> Result<Option<Box<Case>>, OwnDataError> {
        if !self.may_be_stored(id)? {
            return Ok(None);
        }
        let charters = self.charter_store.charters();
        let case = complaint_loader::load(id, &self.store, &self.reader, &self.federation, &charters)?;
        Ok(case.map(Box::new))
    }

    fn imported(&mut self, external: &External) -> Result<Option<ComplaintId>, OwnDataError> {
        Ok(self.store.imported(external)?)
    }

    fn node_entry(&mut self, clock: HybridClock, id: &EntryId) -> Result<Option<LedgerIndex>, OwnDataError> {
        Ok(self.store.node_entry(clock, id)?)
    }

    fn contents(&mut self, leaf: LedgerIndex) -> Result<Vec<Content>, OwnDataError> {
        complaint_loader::contents(&self.reader, leaf)
    }

    fn declared_epoch(&mut self, agency: &AgencyId) -> Result<Option<Epoch>, OwnDataError> {
        let own = (&self.store, &self.reader, self.federation.as_str());
        let reset = foreign_ledger::reset_of(agency, own, &self.charter_store.charters())?;
        Ok(reset.map(|reset| reset.epoch))
    }

    fn receipts(&mut self, peer: &AgencyId, leaf: LedgerIndex, most: usize) -> Result<Vec<wire::Ack>, OwnDataError> {
        let mut found = self.store.receipts_of_leaf(peer, leaf, most)?;
        found.extend(self.store.receipts_after(peer, self.reader.epoch(), leaf, most - found.len())?);
        let mut acks = Vec::new();
        for position in found {
            match self.reader.record(position) {
                Ok(record) => acks.extend(wire::Ack::decode(record.body.as_slice()).ok()),
                // The node works without it. Another agency may have a receipt that decides as well.
                Err(error @ ReadError::Damaged { .. }) => tracing::warn!(%peer, %error, "a receipt cannot be read"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(acks)
    }

    fn deferred(&mut self, key: &ItemKey) -> Result<Option<wire::Item>, OwnDataError> {
        let Some(position) = self.store.deferred_at(key)? else { return Ok(None) };
        let record = self.reader.record(position)?;
        Ok(wire::Item::decode(record.body.as_slice()).ok())
    }

    fn unsettled(&mut self, peer: &AgencyId, now: u64, most: usize) -> Result<Vec<Unsettled>, OwnDataError> {
        Ok(self.store.unsettled_due(peer, now, most)?)
    }

    fn complaints_after(&mut self, after: Option<ComplaintId>, most: usize) -> Result<Vec<ComplaintId>, OwnDataError> {
        Ok(self.store.complaints_after(after, most)?)
    }
}

/// A cache of the store's rows of complaints.
struct Rows {
    room: usize,
    known: LruCache<ComplaintId, KnownRow>,
}

/// The row of a complaint, as the store has it or will have it.
struct KnownRow {
    /// The summary that the store has when the newest closed batch is applied; `None` if it has no row.
    stored: Option<Summary>,
    /// The newest entries, which the row lists.
    recent: Vec<Placed>,
    /// The last batch that changed the row.
    changed_in: BatchNumber,
}

impl Rows {
    fn new(room: usize) -> Self {
        Self { room, known: LruCache::unbounded() }
    }

    fn contains(&self, id: &ComplaintId) -> bool {
        self.known.contains(id)
    }

    fn put(&mut self, id: ComplaintId, row: Option<Row>) {
        let (stored, recent) = row.map_or((None, Vec::new()), |row| (Some(row.summary), row.recent));
        self.known.put(id, KnownRow { stored, recent, changed_in: BatchNumber::default() });
    }

    fn changed(&mut self, id: &ComplaintId, placed: Placed, batch: BatchNumber) {
        if let Some(row) = self.known.get_mut(id) {
            row.recent.push(placed);
            row.changed_in = batch;
        }
    }

    /// Keeps the row in memory until this batch is applied.
    fn keep_until(&mut self, id: &ComplaintId, batch: BatchNumber) {
        if let Some(row) = self.known.get_mut(id) {
            row.changed_in = batch;
        }
    }

    /// Adds the row of a complaint to `changes`, if the store has another one.
    fn save(&mut self, id: ComplaintId, summary: Summary, changes: &mut Changes) {
        let Some(row) = self.known.get_mut(&id) else { return };
        if row.stored.as_ref() == Some(&summary) {
            return;
        }
        if row.recent.len() > Row::RECENT {
            changes.no_longer_recent(id, row.recent.drain(..));
        }
        let old = row.stored.replace(summary.clone());
        changes.complaint(id, old, Row { summary, recent: row.recent.clone() });
    }

    fn make_room(&mut self, applied: BatchNumber) {
        while self.known.len() > self.room
            && self.known.peek_lru().is_some_and(|(_, oldest)| oldest.changed_in <= applied)
        {
            self.known.pop_lru();
        }
    }
}
