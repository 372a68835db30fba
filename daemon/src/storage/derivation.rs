//! Deriving the store from the ledger: the one path for new batches, for the start after a crash, and for a rebuild. And the engine's view of
//! what is applied.
//!
//! Must not know where records come from, and judges none of them.
//!
//! Invariants:
//! - nothing reaches the store but by `Derivation::flush`, or from what [`Derivation::close`] gives, which is written when its batch is
//!   durable;
//! - a row that a batch changed is known here until that batch is applied, so it is never read from the store as it was before;
//! - applying a record again changes nothing.

use std::collections::BTreeSet;

use lru::LruCache;
use prost::Message;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::engine::{
    BatchNumber, Case, CaseCache, CaseCacheLimits, CursorHeader, DeferredDoneHeader, DeferredHeader, External, ItemKey,
    LeafHeader, ReceiptHeader, RefusedHeader, RoutingHeader, SeenHeader, View,
};
use sinergi_proto::entry::Entry;
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::route::reset_of;
use sinergi_proto::wire;

use crate::storage::case::{self, CaseError, Leaf};
use crate::storage::charters::Directory;
use crate::storage::ledger::{LedgerReader, Position, Record, RecordKind};
use crate::storage::record_codec::Header;
use crate::storage::store::{Changes, Counts, PeerCursor, Placed, RefusedRow, Row, Sight, Store, StoreError, Summary};

/// How much is held in memory: complaints, and their entries together.
pub const CASE_CACHE_LIMITS: CaseCacheLimits = CaseCacheLimits { complaints: 4096, entries: 64 * 1024 };
/// Records after which a replay writes to the store.
const REPLAY_BATCH: u64 = 4096;

/// Derives the store.
pub struct Derivation {
    own: AgencyId,
    federation: String,
    store: Store,
    reader: LedgerReader,
    directory: Directory,
    rows: Rows,
    /// The highest id in the store, once it was asked for: ids grow with time, so that a new complaint need not be looked for.
    highest: Option<ComplaintId>,
    changes: Changes,
    counts: Counts,
}

impl Derivation {
    /// A derivation that has applied what the store says. Its counts are wrong until [`Self::count`].
    pub fn new(own: AgencyId, federation: String, store: Store, reader: LedgerReader, directory: Directory) -> Self {
        Self {
            own,
            federation,
            store,
            reader,
            directory,
            rows: Rows::new(CASE_CACHE_LIMITS.complaints),
            highest: None,
            changes: Changes::default(),
            counts: Counts::default(),
        }
    }

    /// A leaf that was not here before. `batch`: the one that it is a part of.
    ///
    /// # Errors
    /// When the row of its complaint cannot be read.
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

    /// What a leaf says beside its complaint's row.
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

    /// A peer's receipt; its record lies at `position`.
    pub fn receipt(&mut self, receipt: &ReceiptHeader, position: Position) {
        self.changes.cursor(PeerCursor::Acknowledged, &receipt.peer, receipt.cursor);
        self.changes.sight(Sight::Receipt, &receipt.peer, position);
        for (number, (entry, code)) in (0..).zip(&receipt.refused) {
            let (peer, entry, detail) = (receipt.peer.clone(), entry.0, String::new());
            let row = RefusedRow { peer, by_us: false, entry, code: *code, detail, at: receipt.at };
            self.changes.refused(position, number, row);
        }
    }

    /// How far this node has a peer's ledger.
    pub fn cursor(&mut self, header: &CursorHeader) {
        self.changes.cursor(PeerCursor::Received, &header.peer, header.cursor);
    }

    /// A checkpoint that was seen; its record lies at `position`.
    pub fn seen(&mut self, header: &SeenHeader, position: Position) {
        self.changes.sight(Sight::Shown, &header.peer, position);
    }

    /// An item that this node refused; its record lies at `position`.
    pub fn refused(&mut self, header: &RefusedHeader, position: Position) {
        let RefusedHeader { at, peer, entry, code, detail } = header.clone();
        self.changes.refused(position, 0, RefusedRow { peer, by_us: true, entry: entry.0, code, detail, at });
    }

    /// An item that waits; its record lies at `position`.
    pub fn deferred(&mut self, header: &DeferredHeader, position: Position) {
        self.changes.deferred(header.item, position);
    }

    /// An item that waits no longer.
    pub fn deferred_done(&mut self, header: &DeferredDoneHeader) {
        self.changes.settled(header.item);
    }

    /// What goes over links beside new leaves.
    pub fn routing(&mut self, header: &RoutingHeader) {
        if let RoutingHeader::BackfillDone { peer } = header {
            self.changes.introduced(peer);
        }
    }

    /// What the records since the last close change in the store. `case_cache`: the complaints that they touched, as they are now.
    pub fn close<'a>(&mut self, cases: impl Iterator<Item = (&'a ComplaintId, &'a Case)>) -> Changes {
        for (id, case) in cases {
            self.highest = self.highest.map(|highest| highest.max(*id));
            let summary = Summary::of(case, &self.own);
            self.rows.save(*id, summary, &mut self.changes);
        }
        std::mem::take(&mut self.changes)
    }

    /// The store has this batch and all before it.
    pub fn applied(&mut self, batch: BatchNumber) {
        self.rows.make_room(batch);
    }

    /// Applies everything behind the store's watermark. `progress` hears how many leaves are done and how many there are.
    ///
    /// # Errors
    /// When store, ledger and charters contradict each other.
    pub fn replay(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<u64, CaseError> {
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

    fn replay_record(&mut self, record: Record, replay: &mut Replay) -> Result<(), CaseError> {
        let position = record.position;
        match record.kind {
            RecordKind::Leaf => return self.replay_leaf(record, replay),
            // Nothing in the store follows from them, and they are many.
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
            Header::Leaf(_) | Header::Content(_) | Header::Other => {}
        }
        Ok(())
    }

    fn replay_leaf(&mut self, record: Record, replay: &mut Replay) -> Result<(), CaseError> {
        let Leaf { index, header, entry } = Leaf::parse(record, &self.federation)?;
        let Some(id) = entry.complaint else {
            self.note_leaf(&entry, index, &header);
            return Ok(());
        };
        let is_known = replay.cases.look_up(&id, self)?;
        if is_known && replay.cases.get(&id).is_some_and(|case| case.leaves.contains_key(&entry.id)) {
            // The crash came after the timeline was written. The row may not have been: it is compared, and written if it differs.
            self.note_leaf(&entry, index, &header);
            self.look_up_row(&id)?;
            replay.touched.insert(id);
            return Ok(());
        }
        let version = entry.charter_version;
        let charters = self.directory.charters();
        let charter = charters.version(version).ok_or(CaseError::Charter { index, version })?;
        replay.cases.fold(&entry, charter, replay.batch);
        // An entry may be the first of its complaint only by being Lodged.
        replay.cases.get_mut(&id).ok_or(CaseError::StoreMismatch(id))?;
        replay.cases.place(&entry, index, &header);
        replay.touched.insert(id);
        Ok(self.leaf(&entry, index, &header, replay.batch)?)
    }

    /// Writes what was replayed since the last flush: the ledger is applied up to `end` then.
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

    /// The figures: those that the last orderly end left, if nothing was applied since; counted otherwise. From then on they are kept up.
    ///
    /// # Errors
    /// When sled fails.
    pub fn count(&mut self) -> Result<(), StoreError> {
        self.counts = match self.store.remembered_counts()? {
            Some(counts) => counts,
            None => Counts::of(&self.store, &self.own)?,
        };
        Ok(())
    }

    /// An orderly end with these figures, the ledger applied up to `end`: the next start need not count.
    ///
    /// # Errors
    /// When sled fails.
    pub fn finish(&mut self, end: Position, counts: Counts) -> Result<(), StoreError> {
        self.counts = counts;
        let changes = std::mem::take(&mut self.changes);
        self.store.write(changes, end, &self.own, &mut self.counts)?;
        self.store.remember_counts(&self.counts)?;
        self.store.flush()
    }

    /// The figures over all complaints, as of the replay.
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

/// The complaints that a replay works on.
struct Replay {
    cases: CaseCache,
    touched: BTreeSet<ComplaintId>,
    batch: BatchNumber,
}

impl View for Derivation {
    type Error = CaseError;

    fn case(&mut self, id: &ComplaintId) -> Result<Option<Box<Case>>, CaseError> {
        if !self.may_be_stored(id)? {
            return Ok(None);
        }
        let charters = self.directory.charters();
        let case = case::load(id, &self.store, &self.reader, &self.federation, &charters)?;
        Ok(case.map(Box::new))
    }

    fn imported(&mut self, external: &External) -> Result<Option<ComplaintId>, CaseError> {
        Ok(self.store.imported(external)?)
    }

    fn node_entry(&mut self, clock: HybridClock, id: &EntryId) -> Result<Option<LedgerIndex>, CaseError> {
        Ok(self.store.node_entry(clock, id)?)
    }

    fn contents(&mut self, leaf: LedgerIndex) -> Result<Vec<Content>, CaseError> {
        case::contents(&self.reader, leaf)
    }

    fn declared_epoch(&mut self, agency: &AgencyId) -> Result<Option<Epoch>, CaseError> {
        Ok(self.store.reset_of(agency)?.map(|reset| reset.epoch))
    }

    fn deferred(&mut self, key: &ItemKey) -> Result<Option<wire::Item>, CaseError> {
        let Some(position) = self.store.deferred_at(key)? else { return Ok(None) };
        let record = self.reader.record(position)?;
        Ok(wire::Item::decode(record.body.as_slice()).ok())
    }

    fn complaints_after(&mut self, after: Option<ComplaintId>, most: usize) -> Result<Vec<ComplaintId>, CaseError> {
        Ok(self.store.complaints_after(after, most)?)
    }
}

/// The store's rows of complaints, as far as they are in memory.
struct Rows {
    room: usize,
    known: LruCache<ComplaintId, KnownRow>,
}

/// A complaint's row as the store has it, or will have it.
struct KnownRow {
    /// The summary that the store has, or will have when the newest closed batch is applied; `None`: it has no row.
    stored: Option<Summary>,
    /// The entries that the row lists.
    recent: Vec<Placed>,
    /// The batch that changed it.
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

    /// Adds to `changes` what the store lacks of a complaint.
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
