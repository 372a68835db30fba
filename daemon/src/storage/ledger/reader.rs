//! Reading a ledger from any thread, while its owner appends.
//!
//! It must not know what records mean, and never writes.
//!
//! Invariants:
//! - only durable records are visible;
//! - a position in `positions` counts only if the record there confirms it.

use std::path::Path;
use std::sync::Arc;

use sinergi_proto::base::ids::{Epoch, LedgerIndex};
use tlog_tiles::{Error as TreeError, Hash, HashReader};

use super::files::Files;
use super::record::Own;
use super::scan::{Bodies, Records, SCAN_BYTES, Until, record_at};
use super::{Position, ReadError, Record, RecordKind};

/// A view of the ledger that grows with it. Clones are cheap and share the open files.
#[derive(Clone)]
pub struct LedgerReader {
    pub(super) files: Arc<Files>,
}

impl LedgerReader {
    pub(super) fn new(files: Arc<Files>) -> Self {
        Self { files }
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.files.segments()[0].header.epoch
    }

    /// Durable leaves.
    pub fn size(&self) -> u64 {
        self.files.leaves()
    }

    /// The folder of the ledger.
    pub fn folder(&self) -> &Path {
        &self.files.dir
    }

    /// Number of bodies that were erased since the ledger was opened. A cache of bodies compares it with an earlier value.
    pub fn erasures(&self) -> u64 {
        self.files.erasures()
    }

    /// The position of the first record, also if there is none yet.
    pub fn start(&self) -> Position {
        Files::START
    }

    /// The durable end.
    pub fn end(&self) -> Position {
        self.files.settled()
    }

    /// Bytes of all segments and derived files.
    pub fn disk_bytes(&self) -> Result<u64, ReadError> {
        let end = self.files.settled();
        let segment = |segment: &super::files::Segment| {
            u64::from(if segment.header.number == end.segment { end.offset } else { segment.length })
        };
        let (hashes, positions) = self.files.derived.lengths()?;
        Ok(self.files.segments().iter().map(segment).sum::<u64>() + hashes + positions)
    }

    /// The record at a position.
    pub fn record(&self, position: Position) -> Result<Record, ReadError> {
        record_at(&self.files, position, Bodies::All)
    }

    /// The position of a leaf's record.
    pub fn position_of(&self, index: LedgerIndex) -> Result<Position, ReadError> {
        let size = self.size();
        if index.0 >= size {
            return Err(ReadError::NoLeaf { index, size });
        }
        let places = self.files.derived.places(index)?;
        places.leaf.ok_or_else(|| self.derived_error(index, 0, "it names no record".to_owned()))
    }

    /// A leaf.
    pub fn leaf(&self, index: LedgerIndex) -> Result<Record, ReadError> {
        let position = self.position_of(index)?;
        let record = record_at(&self.files, position, Bodies::All)?;
        if record.own != (Own::Leaf { index: index.0 }) {
            return Err(self.derived_error(index, 0, format!("the record at {position} is another one")));
        }
        Ok(record)
    }

    /// This node's signature over a leaf. `None` for a leaf that another agency signed.
    pub fn signature_of(&self, index: LedgerIndex) -> Result<Option<Record>, ReadError> {
        let size = self.size();
        if index.0 >= size {
            return Err(ReadError::NoLeaf { index, size });
        }
        let Some(position) = self.files.derived.places(index)?.signature else { return Ok(None) };
        let record = record_at(&self.files, position, Bodies::All)?;
        if !record.signed_leaves().any(|leaf| leaf == index) {
            return Err(self.derived_error(index, 16, format!("the record at {position} does not sign it")));
        }
        Ok(Some(record))
    }

    /// All content records of an entry, newest first.
    pub fn contents(&self, index: LedgerIndex) -> Result<Vec<Record>, ReadError> {
        self.content_chain(index, Bodies::All)
    }

    /// The positions of all content records of an entry, also of erased and damaged ones.
    pub fn content_positions(&self, index: LedgerIndex) -> Result<Vec<Position>, ReadError> {
        let records = self.content_chain(index, Bodies::OfLeaves)?;
        Ok(records.into_iter().map(|record| record.position).collect())
    }

    fn content_chain(&self, index: LedgerIndex, bodies: Bodies) -> Result<Vec<Record>, ReadError> {
        let size = self.size();
        if index.0 >= size {
            return Err(ReadError::NoLeaf { index, size });
        }
        let mut next = self.files.derived.places(index)?.content;
        let mut records: Vec<Record> = Vec::new();
        while let Some(position) = next {
            let record = record_at(&self.files, position, bodies)?;
            let Own::Content { index: of, previous } = record.own else {
                return Err(self.derived_error(index, 8, format!("the record at {position} is no content")));
            };
            // A chain leads strictly backwards, so that it ends.
            if of != index.0 || previous.is_some_and(|previous| previous >= position) {
                return Err(self.derived_error(index, 8, format!("the content at {position} is of another chain")));
            }
            next = previous;
            records.push(record);
        }
        Ok(records)
    }

    /// All records from a position on, in order, group heads included. The position is [`Self::start`], that of a record, or the
    /// end of one.
    pub fn records_from(&self, position: Position) -> Records {
        Records::new(Arc::clone(&self.files), position, Bodies::All, Until::Settled, SCAN_BYTES)
    }

    /// All leaves from an index on, in order; the index may be that of the next leaf.
    pub fn leaves_from(&self, index: LedgerIndex) -> Result<Leaves, ReadError> {
        // The end is read first: then a leaf that is not below the size comes after that end.
        let end = self.end();
        let size = self.size();
        let position = match index.0 {
            next if next == size => end,
            _ => self.position_of(index)?,
        };
        let records = Records::new(Arc::clone(&self.files), position, Bodies::OfLeaves, Until::Settled, SCAN_BYTES);
        Ok(Leaves { records, from: index })
    }

    /// All leaves from an index on and the routing records before each of them, in order; the index may be that of the next leaf.
    pub fn steps_from(&self, index: LedgerIndex) -> Result<Steps, ReadError> {
        let Some(before) = index.0.checked_sub(1) else {
            let records =
                Records::new(Arc::clone(&self.files), self.start(), Bodies::OfLeaves, Until::Settled, SCAN_BYTES);
            return Ok(Steps { records, from: index });
        };
        // From the end of the leaf before it on.
        let leaves = self.leaves_from(LedgerIndex(before))?;
        Ok(Steps { records: leaves.records, from: index })
    }

    /// The hashes of leaves, in their order: one read for those that follow each other.
    ///
    /// # Errors
    /// A leaf is not in the ledger, or its hash cannot be read.
    pub fn leaf_hashes(&self, leaves: &[LedgerIndex]) -> Result<Vec<Hash>, ReadError> {
        let size = self.size();
        if let Some(index) = leaves.iter().find(|index| index.0 >= size) {
            return Err(ReadError::NoLeaf { index: *index, size });
        }
        let mut hashes = Vec::with_capacity(leaves.len());
        for run in leaves.chunk_by(|one, next| one.0 + 1 == next.0) {
            hashes.extend(self.files.derived.leaf_hashes(run[0].0..run[0].0 + run.len() as u64)?);
        }
        Ok(hashes)
    }

    /// The root of the tree of the first `size` leaves.
    pub fn root_at(&self, size: u64) -> Result<Hash, ReadError> {
        tlog_tiles::tree_hash(size, self).map_err(|source| ReadError::Tree { size, source })
    }

    fn derived_error(&self, index: LedgerIndex, within: u64, problem: String) -> ReadError {
        let offset = index.0 * super::derived::PLACE_BYTES + within;
        ReadError::Derived { path: self.files.derived.positions_path.clone(), index, offset, problem }
    }
}

/// The tree, for `tlog_tiles::{tree_hash, prove_record, prove_tree}` over any size up to the durable one.
impl HashReader for LedgerReader {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let count = tlog_tiles::stored_hash_count(self.size());
        if indexes.iter().any(|index| *index >= count) {
            return Err(TreeError::IndexesNotInTree);
        }
        // The trait's error has no place for an I/O error; its text says what happened.
        let read =
            |index: &u64| self.files.derived.hash(*index).map_err(|error| TreeError::InvalidInput(error.to_string()));
        indexes.iter().map(read).collect()
    }
}

/// Leaves in order. `None` at the end of what is durable; when the ledger has grown, the next call goes on.
pub struct Leaves {
    records: Records,
    from: LedgerIndex,
}

impl Iterator for Leaves {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.from;
        self.records.find(|record| match record {
            Ok(record) => record.kind == RecordKind::Leaf && record.leaf() >= Some(from),
            Err(_) => true,
        })
    }
}

/// Leaves and routing records in order. `None` at the end of what is durable.
pub struct Steps {
    records: Records,
    from: LedgerIndex,
}

impl Iterator for Steps {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.from;
        self.records.find(|record| match record {
            Ok(record) => {
                record.kind == RecordKind::Routing || (record.kind == RecordKind::Leaf && record.leaf() >= Some(from))
            }
            Err(_) => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::fixture::{Fixture, append, leaf_bytes};
    use super::*;

    #[test]
    fn the_hashes_of_leaves_are_those_of_their_bytes_in_the_order_they_are_asked_for() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 40);
        let reader = ledger.reader();
        let asked = [3, 4, 5, 6, 17, 0, 1, 38, 39, 2].map(LedgerIndex);
        let hashes = asked.map(|index| tlog_tiles::record_hash(&leaf_bytes(index.0)));
        assert_eq!(reader.leaf_hashes(&asked).expect("hashes"), hashes);
        assert_eq!(reader.leaf_hashes(&[]).expect("nothing"), []);
        let beyond = reader.leaf_hashes(&[LedgerIndex(39), LedgerIndex(40)]);
        assert!(matches!(beyond, Err(ReadError::NoLeaf { index: LedgerIndex(40), size: 40 })));
    }

    #[test]
    fn contents_of_an_entry_are_found_newest_first_whenever_they_came() {
        let fixture = Fixture::with_segments_of(300);
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 3);
        for round in 0..4 {
            let mut group = ledger.begin();
            for body in ["a", "b"] {
                group.content(LedgerIndex(1), &[], format!("{body}{round}").as_bytes()).expect("room");
            }
            ledger.commit(group).expect("a commit");
            append(&mut ledger, 2);
        }
        let expected = ["b3", "a3", "b2", "a2", "b1", "a1", "b0", "a0", "text 1"].map(String::from);
        for _ in 0..2 {
            let contents = ledger.reader().contents(LedgerIndex(1)).expect("contents");
            let bodies: Vec<_> =
                contents.into_iter().map(|record| String::from_utf8(record.body).expect("text")).collect();
            assert_eq!(bodies, expected);
            drop(ledger);
            ledger = fixture.open().0;
        }
    }

    #[test]
    fn a_reader_sees_whole_groups_and_a_growing_tree_while_the_owner_appends() {
        let fixture = Fixture::with_segments_of(20_000);
        let (mut ledger, _) = fixture.open();
        let reader = ledger.reader();
        let watcher = thread::spawn(move || {
            let mut leaves = reader.leaves_from(LedgerIndex(0)).expect("a start");
            let mut next = 0;
            while next < 2000 {
                let Some(leaf) = leaves.next() else {
                    thread::yield_now();
                    continue;
                };
                let leaf = leaf.expect("intact");
                assert_eq!((leaf.leaf(), leaf.body), (Some(LedgerIndex(next)), leaf_bytes(next)));
                next += 1;
                let size = reader.size();
                assert!(size >= next);
                let index = LedgerIndex(size - 1);
                assert_eq!(reader.leaf(index).expect("the leaf").body, leaf_bytes(index.0));
                assert!(!reader.contents(LedgerIndex(0)).expect("contents").is_empty());
                let root = reader.root_at(size).expect("a root");
                let proof = tlog_tiles::prove_record(size, index.0, &reader).expect("a proof");
                let hash = reader.leaf_hashes(&[index]).expect("a hash")[0];
                tlog_tiles::check_record(&proof, size, root, index.0, hash).expect("a valid proof");
            }
        });
        while ledger.size() < 2000 {
            append(&mut ledger, 20);
            let mut group = ledger.begin();
            group.content(LedgerIndex(0), &[], b"more").expect("room");
            ledger.commit(group).expect("a commit");
        }
        watcher.join().expect("no panic");
    }

    #[test]
    fn leaves_are_read_from_any_index_up_to_the_next() {
        let fixture = Fixture::with_segments_of(500);
        let (mut ledger, _) = fixture.open();
        let reader = ledger.reader();
        for _ in 0..5 {
            append(&mut ledger, 4);
        }
        for from in 0..=20 {
            let indexes: Vec<_> = reader
                .leaves_from(LedgerIndex(from))
                .expect("a start")
                .map(|leaf| leaf.expect("intact").leaf())
                .collect();
            assert_eq!(indexes, (from..20).map(|index| Some(LedgerIndex(index))).collect::<Vec<_>>());
        }
        assert!(matches!(reader.leaves_from(LedgerIndex(21)), Err(ReadError::NoLeaf { .. })));
        let mut waiting = reader.leaves_from(LedgerIndex(20)).expect("a start");
        assert!(waiting.next().is_none());
        append(&mut ledger, 1);
        assert_eq!(waiting.next().expect("a leaf").expect("intact").leaf(), Some(LedgerIndex(20)));
    }

    #[test]
    fn replay_goes_on_from_the_end_of_any_group() {
        let fixture = Fixture::with_segments_of(400);
        let (mut ledger, _) = fixture.open();
        let ends: Vec<_> = (0..6).map(|_| append(&mut ledger, 2).end).collect();
        let reader = ledger.reader();
        for (nth, end) in ends.iter().enumerate() {
            let rest = reader.records_from(*end).collect::<Result<Vec<_>, _>>().expect("intact");
            assert_eq!(
                rest.len(),
                (5 - nth) * 7,
                "head, two contents, two leaves, a receipt, a signature for each group"
            );
            assert!(rest.first().is_none_or(|record| record.kind == RecordKind::Signed));
        }
        assert_eq!(reader.records_from(reader.start()).count(), 42);
    }

    #[test]
    fn a_missing_leaf_or_record_is_an_error_and_not_a_panic() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 2);
        let reader = ledger.reader();
        assert!(matches!(reader.leaf(LedgerIndex(2)), Err(ReadError::NoLeaf { .. })));
        assert!(matches!(reader.contents(LedgerIndex(9)), Err(ReadError::NoLeaf { .. })));
        assert!(reader.root_at(3).is_err());
        for segment in 0..4 {
            for offset in 0..reader.end().offset + 8 {
                let position = Position { segment, offset };
                if let Ok(record) = reader.record(position) {
                    assert_eq!(record.position, position);
                }
                let _ = reader.records_from(position).count();
            }
        }
    }
}
