//! The files of a ledger as the writer and all its readers share them: which segments there are, and how far they hold.
//!
//! It must not know what is in a record.
//!
//! Invariants:
//! - the writer publishes in this order: new segments, `durable` (after the fdatasync), the derived files, `leaves`, `settled`;
//!   so what a derived file names lies below `durable`, and every leaf below `leaves` is in both derived files;
//! - few files are open at a time, however many segments there are.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::{Mutex, RwLock};

use super::derived::Derived;
use super::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::{Position, ReadError};

/// Segment files that are kept open for reading.
const OPEN_FILES: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// A segment and its length in bytes; of the newest segment the published end is what counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) length: u32,
}

/// Everything that is shared. See the file's header.
pub(super) struct Files {
    pub(super) dir: PathBuf,
    pub(super) derived: Derived,
    segments: RwLock<Vec<Segment>>,
    open: Mutex<LruCache<u32, Arc<File>>>,
    durable: AtomicU64,
    settled: AtomicU64,
    leaves: AtomicU64,
    erasures: AtomicU64,
}

impl Files {
    /// The files of these segments (at least one), readable up to the end of the newest. No leaf is published yet.
    pub(super) fn new(dir: PathBuf, derived: Derived, segments: Vec<Segment>) -> Self {
        let last = segments.last().expect("a ledger has a segment");
        let end = Position { segment: last.header.number, offset: last.length }.to_bits();
        Self {
            dir,
            derived,
            segments: RwLock::new(segments),
            open: Mutex::new(LruCache::new(OPEN_FILES)),
            durable: AtomicU64::new(end),
            settled: AtomicU64::new(end),
            leaves: AtomicU64::new(0),
            erasures: AtomicU64::new(0),
        }
    }

    /// The first position that a record can have.
    pub(super) const START: Position = Position { segment: 1, offset: SEGMENT_HEADER_BYTES };

    /// The end of what is on the disk.
    pub(super) fn durable(&self) -> Position {
        Position::from_bits(self.durable.load(Ordering::Acquire)).unwrap_or(Self::START)
    }

    /// The end of what is on the disk and in the derived files.
    pub(super) fn settled(&self) -> Position {
        Position::from_bits(self.settled.load(Ordering::Acquire)).unwrap_or(Self::START)
    }

    /// Leaves that are on the disk and in the derived files.
    pub(super) fn leaves(&self) -> u64 {
        self.leaves.load(Ordering::Acquire)
    }

    /// Everything below this position is on the disk.
    pub(super) fn publish_durable(&self, end: Position) {
        self.durable.store(end.to_bits(), Ordering::Release);
    }

    /// Everything below `durable` is in the derived files, which hold this many leaves.
    pub(super) fn publish_settled(&self, leaves: u64) {
        self.leaves.store(leaves, Ordering::Release);
        self.settled.store(self.durable.load(Ordering::Acquire), Ordering::Release);
    }

    /// Bodies that were erased since the ledger was opened.
    pub(super) fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Acquire)
    }

    /// A body is about to be erased.
    pub(super) fn note_erasure(&self) {
        self.erasures.fetch_add(1, Ordering::AcqRel);
    }

    /// Seals the newest segment at its durable end and adds the one after it, which is on the disk.
    pub(super) fn push_segment(&self, header: SegmentHeader) {
        let mut segments = self.segments.write();
        if let Some(sealed) = segments.last_mut() {
            sealed.length = self.durable().offset;
        }
        segments.push(Segment { header, length: SEGMENT_HEADER_BYTES });
    }

    /// All segments, in order.
    pub(super) fn segments(&self) -> Vec<Segment> {
        self.segments.read().clone()
    }

    /// The segment with this number.
    pub(super) fn segment(&self, number: u32) -> Option<Segment> {
        let segments = self.segments.read();
        segments.get((number as usize).checked_sub(1)?).copied()
    }

    /// The file of a segment, for reading.
    pub(super) fn file(&self, number: u32) -> Result<Arc<File>, ReadError> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&number) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(number);
        let file = Arc::new(File::open(&path).map_err(|source| ReadError::Io { path, offset: 0, source })?);
        open.put(number, Arc::clone(&file));
        Ok(file)
    }

    /// The path of a segment.
    pub(super) fn path(&self, number: u32) -> PathBuf {
        segment::path(&self.dir, number)
    }
}
