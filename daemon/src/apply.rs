//! Applying the ledger to the store: the one code path for new groups, for start-up after a crash, and for a rebuild.
//!
//! Must not know where records come from. Holds the folds of the complaints that are being worked on.
//!
//! Invariants:
//! - a leaf is applied in two steps that always follow each other: into the fold (so that the next entry of the same group is decided on it),
//!   and to its place;
//! - nothing reaches the store but by [`Applier::flush`], or from what [`Applier::seal`] gives, which is written when its group is durable;
//! - a complaint whose changes the store may lack is in memory, so it is never loaded from an old row;
//! - applying a record again changes nothing.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;

use lru::LruCache;
use sinergi_proto::entry::{Body, Entry};
use sinergi_proto::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::wire;

use crate::case::{Case, CaseError, Leaf};
use crate::directory::Directory;
use crate::headers::{
    self, CursorHeader, DeferredDoneHeader, DeferredHeader, LeafHeader, ReceiptHeader, RefusedHeader, RoutingHeader,
    SeenHeader,
};
use crate::ledger::{LedgerReader, Position, Record, RecordKind};
use crate::store::{Changes, Counts, PeerCursor, Placed, RefusedRow, Sight, Store, StoreError};

/// Complaints whose folds are kept in memory.
const CASES_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Records after which a replay writes to the store.
const REPLAY_BATCH: u64 = 4096;

/// Applies records to the store.
pub struct Applier {
    own: AgencyId,
    federation: String,
    store: Store,
    reader: LedgerReader,
    directory: Directory,
    /// Boxed here and below: a complaint goes from one to the other with each of its groups.
    cases: LruCache<ComplaintId, Box<Case>>,
    /// Complaints that the records since the last seal touched.
    touched: HashMap<ComplaintId, Box<Case>>,
    /// Complaints of the newest seal. They are not evicted before the store has them.
    sealed: HashMap<ComplaintId, Box<Case>>,
    /// Complaints of the seal before that.
    sealed_before: HashMap<ComplaintId, Box<Case>>,
    /// Complaints that were looked for since the last seal and are not here: a new one is asked for several times.
    absent: HashSet<ComplaintId>,
    /// The highest id in the store, once it was asked for: ids grow with time, so that a new complaint need not be looked for.
    highest: Option<ComplaintId>,
    changes: Changes,
    counts: Counts,
}

/// What a leaf's insertion into the fold showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Folded {
    /// The custody path changed otherwise than by growing: both parties are alarmed.
    pub path_changed: bool,
}

impl Applier {
    /// An applier that has applied what the store says. Its counts are wrong until [`Self::count`].
    pub fn new(own: AgencyId, federation: String, store: Store, reader: LedgerReader, directory: Directory) -> Self {
        Self {
            own,
            federation,
            store,
            reader,
            directory,
            cases: LruCache::new(CASES_KEPT),
            touched: HashMap::new(),
            sealed: HashMap::new(),
            sealed_before: HashMap::new(),
            absent: HashSet::new(),
            highest: None,
            changes: Changes::default(),
            counts: Counts::default(),
        }
    }

    /// A complaint as the records up to now left it.
    ///
    /// # Errors
    /// When store, ledger and charters contradict each other.
    pub fn case(&mut self, id: &ComplaintId) -> Result<Option<&mut Case>, CaseError> {
        if self.absent.contains(id) {
            return Ok(None);
        }
        if !self.touched.contains_key(id) {
            let in_memory =
                self.sealed.remove(id).or_else(|| self.sealed_before.remove(id)).or_else(|| self.cases.pop(id));
            let case = match in_memory {
                Some(case) => Some(case),
                None if *id > self.highest()? => None,
                None => {
                    let charters = self.directory.charters();
                    Case::load(id, &self.store, &self.reader, &self.federation, &charters)?.map(Box::new)
                }
            };
            let Some(case) = case else {
                self.absent.insert(*id);
                return Ok(None);
            };
            self.touched.insert(*id, case);
        }
        Ok(self.touched.get_mut(id).map(Box::as_mut))
    }

    fn highest(&mut self) -> Result<ComplaintId, StoreError> {
        let highest = match self.highest {
            Some(highest) => highest,
            None => self.store.highest_complaint()?.unwrap_or(ComplaintId([0; 32])),
        };
        Ok(*self.highest.insert(highest))
    }

    /// First step of a leaf: its entry into the fold. It was admitted; `index` will be its leaf.
    ///
    /// # Errors
    /// When store, ledger and charters contradict each other.
    pub fn fold(&mut self, entry: &Entry, index: LedgerIndex) -> Result<Folded, CaseError> {
        let Some(id) = entry.complaint else { return Ok(Folded::default()) };
        let charters = self.directory.charters();
        match self.case(&id)? {
            Some(case) => Ok(Folded { path_changed: case.insert(entry, index, &charters)? }),
            None => {
                // An entry of a later version's body may be the first of its complaint that is here only by being Lodged.
                let case = Case::lodge(entry).ok_or(CaseError::StoreMismatch(id))?;
                self.absent.remove(&id);
                self.touched.insert(id, Box::new(case));
                Ok(Folded::default())
            }
        }
    }

    /// Second step of a leaf: where it lies and where it goes.
    pub fn place(&mut self, entry: &Entry, index: LedgerIndex, header: &LeafHeader) {
        if entry.author == self.own {
            self.changes.own_clock(entry.clock);
        } else {
            self.changes.authored(&entry.author, entry.place, index);
            if matches!(&entry.body, Body::Node(body) if matches!(**body, wire::entry::Body::LedgerReset(_))) {
                self.changes.reset(&entry.author, entry.place.epoch, index);
            }
        }
        for agency in &header.unreachable {
            self.changes.unreachable(agency, index);
        }
        let Some(id) = entry.complaint else {
            return self.changes.node_entry(Placed::new(entry.clock, &entry.id, index));
        };
        if let Some(external) = &header.external {
            self.changes.imported(external, &id);
        }
        if let Some(case) = self.touched.get_mut(&id) {
            case.place(index, header, entry);
        }
    }

    /// A record that is no leaf.
    ///
    /// # Errors
    /// When its header cannot be read.
    pub fn record(&mut self, kind: RecordKind, position: Position, header: &[u8]) -> Result<(), CaseError> {
        let malformed = |source| CaseError::Header { index: LedgerIndex::default(), source };
        match kind {
            RecordKind::Receipt => {
                let receipt: ReceiptHeader = headers::decode(header).map_err(malformed)?;
                self.changes.cursor(PeerCursor::Acknowledged, &receipt.peer, receipt.cursor);
                self.changes.sight(Sight::Receipt, &receipt.peer, position);
                for (number, (entry, code)) in (0..).zip(&receipt.refused) {
                    let peer = receipt.peer.clone();
                    let row = RefusedRow {
                        peer,
                        by_us: false,
                        entry: entry.0,
                        code: *code,
                        detail: String::new(),
                        at: receipt.at,
                    };
                    self.changes.refused(position, number, row);
                }
            }
            RecordKind::Cursor => {
                let header: CursorHeader = headers::decode(header).map_err(malformed)?;
                self.changes.cursor(PeerCursor::Received, &header.peer, header.cursor);
            }
            RecordKind::Seen => {
                let header: SeenHeader = headers::decode(header).map_err(malformed)?;
                self.changes.sight(Sight::Shown, &header.peer, position);
            }
            RecordKind::Refused => {
                let header: RefusedHeader = headers::decode(header).map_err(malformed)?;
                let row = RefusedRow {
                    peer: header.peer,
                    by_us: true,
                    entry: header.entry.0,
                    code: header.code,
                    detail: header.detail,
                    at: header.at,
                };
                self.changes.refused(position, 0, row);
            }
            RecordKind::Deferred => {
                let header: DeferredHeader = headers::decode(header).map_err(malformed)?;
                self.changes.deferred(header.item, position);
            }
            RecordKind::DeferredDone => {
                let header: DeferredDoneHeader = headers::decode(header).map_err(malformed)?;
                self.changes.settled(header.item);
            }
            RecordKind::Routing => {
                if let RoutingHeader::Introduced { peer } = headers::decode(header).map_err(malformed)? {
                    self.changes.introduced(&peer);
                }
            }
            RecordKind::Leaf | RecordKind::Content | RecordKind::Signed | RecordKind::Unknown(_) => {}
        }
        Ok(())
    }

    /// Nothing was appended: what was looked at is as it was.
    pub fn nothing_appended(&mut self) {
        self.absent.clear();
        self.sealed.extend(self.touched.drain());
    }

    /// What was applied since the last seal, for the store. What it changed stays in memory until the store is said to have it.
    pub fn seal(&mut self) -> Changes {
        self.absent.clear();
        self.sealed_before.extend(self.sealed.drain());
        for (id, mut case) in self.touched.drain() {
            case.save(id, &self.own, &mut self.changes);
            self.highest = self.highest.map(|highest| highest.max(id));
            self.sealed.insert(id, case);
        }
        std::mem::take(&mut self.changes)
    }

    /// The store has everything but the newest seal.
    pub fn earlier_is_stored(&mut self) {
        for (id, case) in self.sealed_before.drain() {
            self.cases.put(id, case);
        }
    }

    /// The store has everything.
    pub fn all_is_stored(&mut self) {
        self.earlier_is_stored();
        for (id, case) in self.sealed.drain() {
            self.cases.put(id, case);
        }
    }

    /// Writes what was applied since the last seal: the ledger is applied up to `end` then.
    ///
    /// # Errors
    /// When sled fails.
    pub fn flush(&mut self, end: Position) -> Result<(), StoreError> {
        let changes = self.seal();
        self.store.write(changes, end, &self.own, &mut self.counts)?;
        self.all_is_stored();
        Ok(())
    }

    /// Applies everything behind the store's watermark. `progress` hears how many leaves are done and how many there are.
    ///
    /// # Errors
    /// When store, ledger and charters contradict each other.
    pub fn replay(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<u64, CaseError> {
        let from = self.store.watermark()?.unwrap_or(self.reader.start());
        let total = self.reader.size();
        let mut records = self.reader.records_from(from);
        let (mut applied, mut done, mut unwritten) = (0, 0, 0);
        while let Some(record) = records.next() {
            let record = record?;
            if let Some(index) = record.leaf().filter(|_| record.kind == RecordKind::Leaf) {
                applied += 1;
                done = index.0 + 1;
            }
            self.apply(record)?;
            unwritten += 1;
            if unwritten == REPLAY_BATCH {
                unwritten = 0;
                self.flush(records.position())?;
                progress(done, total);
            }
        }
        self.flush(records.position())?;
        progress(total, total);
        Ok(applied)
    }

    fn apply(&mut self, record: Record) -> Result<(), CaseError> {
        if record.kind != RecordKind::Leaf {
            return self.record(record.kind, record.position, &record.header);
        }
        let Leaf { index, header, entry } = Leaf::parse(record, &self.federation)?;
        self.fold(&entry, index)?;
        self.place(&entry, index, &header);
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

    /// An orderly end with these figures: the next start need not count.
    ///
    /// # Errors
    /// When sled fails.
    pub fn close(&mut self, end: Position, counts: Counts) -> Result<(), StoreError> {
        self.counts = counts;
        self.flush(end)?;
        self.store.remember_counts(&self.counts)?;
        self.store.flush()
    }

    /// The figures over all complaints, as of the last [`Self::flush`].
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
