//! The only owner of a ledger's files: appends groups.
//!
//! Must not know what is appended, nor sign anything.
//!
//! Invariants:
//! - the order of a commit is the order of the code below; each step says what a crash there means;
//! - after a [`Fatal`] nothing is written any more, because the page cache may then show bytes that are not on the disk.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use sinergi_proto::base::ids::{Epoch, LedgerIndex};
use sinergi_proto::tlog::frontier::Frontier;
use tlog_tiles::Hash;

use super::files::Files;
use super::group::{Group, LastGroup};
use super::reader::LedgerReader;
use super::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::tip::{Signed, Tip};
use super::{Fatal, Position};

/// A ledger, open for appending. There is one at a time for a directory.
pub struct Ledger {
    pub(super) files: Arc<Files>,
    pub(super) header: SegmentHeader,
    pub(super) tail: File,
    pub(super) end: Position,
    pub(super) tree: Frontier,
    pub(super) signed: Signed,
    pub(super) segment_bytes: u32,
    pub(super) stopped: Option<String>,
    /// Locks the directory for as long as the ledger lives.
    pub(super) _lock: File,
}

/// The state of the ledger after a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The first leaf of the group, if it has any; the ledger's next index otherwise.
    pub first: LedgerIndex,
    /// Leaves of the ledger now.
    pub size: u64,
    /// Root of the tree of these leaves.
    pub root: Hash,
    /// End of the ledger now; from here a later replay can go on.
    pub end: Position,
}

impl Ledger {
    /// A reader for this or any other thread.
    pub fn reader(&self) -> LedgerReader {
        LedgerReader::new(Arc::clone(&self.files))
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.header.epoch
    }

    /// Durable leaves.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root of the tree of the durable leaves.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The index that the next leaf gets.
    pub fn next_index(&self) -> LedgerIndex {
        LedgerIndex(self.tree.size())
    }

    /// The durable end.
    pub fn end(&self) -> Position {
        self.end
    }

    /// The largest size known signed, in leaves.
    pub fn signed_size(&self) -> u64 {
        self.signed.newest().size
    }

    /// Notes that a checkpoint of this size was signed. The next group records it, or [`Self::seal_signed`].
    /// A size that is not above the largest one so far, or is above the ledger's, is ignored. A note over [`super::NOTE_BYTES_MAX`] is left out.
    pub fn signed(&mut self, size: u64, note: &[u8]) {
        if size > self.signed_size() && size <= self.size() {
            self.signed.note(size, note);
        }
    }

    /// Records the newest signed checkpoint now: for a clean shutdown.
    pub fn seal_signed(&mut self) -> Result<(), Fatal> {
        if self.signed.newest().unrecorded.is_none() {
            return Ok(());
        }
        let group = self.begin();
        self.append(group).map(drop)
    }

    /// The place of the next group, if no other group is committed before it.
    pub fn tip(&self) -> Tip {
        Tip {
            files: Arc::clone(&self.files),
            signed: self.signed.clone(),
            position: self.end,
            seed: self.header.seed,
            next_leaf: self.tree.size(),
            segment_bytes: self.segment_bytes,
            capacity: 0,
            last: LastGroup { start: self.end, first_leaf: self.tree.size(), contents: Arc::default() },
        }
    }

    /// Begins a group at the end of the ledger. Commit it before the next one is begun.
    pub fn begin(&self) -> Group {
        self.tip().begin()
    }

    /// Makes a group durable: one write, one fdatasync. An empty group costs nothing.
    pub fn commit(&mut self, group: Group) -> Result<Committed, Fatal> {
        if group.is_empty() && self.stopped.is_none() {
            return Ok(Committed { first: self.next_index(), size: self.size(), root: self.root(), end: self.end });
        }
        self.append(group)
    }

    fn append(&mut self, group: Group) -> Result<Committed, Fatal> {
        if let Some(cause) = &self.stopped {
            return Err(Fatal::Stopped { cause: cause.clone() });
        }
        let appended = self.try_append(group);
        if let Err(fatal) = &appended {
            self.stop(fatal);
        }
        appended
    }

    /// Ends this ledger.
    pub(super) fn stop(&mut self, fatal: &Fatal) {
        self.stopped.get_or_insert_with(|| fatal.to_string());
    }

    fn try_append(&mut self, mut group: Group) -> Result<Committed, Fatal> {
        let on_this_end = group.start == self.end && group.seed == self.header.seed;
        let on_a_new_segment = group.start.segment == self.end.segment + 1 && self.end.offset >= self.segment_bytes;
        if !(on_this_end || on_a_new_segment) || group.first_leaf != self.size() {
            return Err(Fatal::WrongGroup { problem: "another group was committed since it was begun" });
        }
        let (signed_size, note) = {
            let newest = self.signed.newest();
            (newest.size, newest.unrecorded.clone().unwrap_or_default())
        };
        group.finish(signed_size, &note).map_err(|problem| Fatal::WrongGroup { problem })?;
        if on_a_new_segment {
            self.begin_segment(group.seed)?;
        }
        let failed = |action, offset: u32, source| Fatal::Io {
            action,
            path: self.files.path(group.start.segment),
            offset: offset.into(),
            source,
        };

        // A crash from here on may leave a part of the group. The next open cuts it, or keeps the group if all of it is there. No caller has
        // got an answer yet, so both are correct.
        let offset = group.start.offset;
        self.tail.write_all_at(&group.bytes, offset.into()).map_err(|source| failed("write", offset, source))?;
        // The commit point.
        self.tail.sync_data().map_err(|source| failed("sync", offset, source))?;
        // If the file was moved away or deleted, the next start would not find the group, so it does not count as durable.
        if !self.tail_is_in_its_place().map_err(|source| failed("look for", offset, source))? {
            return Err(Fatal::Gone { path: self.files.path(group.start.segment) });
        }
        // A crash from here on keeps the group. The next open derives `hashes` and `positions` from it.
        self.end = group.end();
        self.files.publish_durable(self.end);
        self.signed.was_recorded();
        self.files.derived.extend(&mut self.tree, &group.batch)?;
        self.files.publish_settled(self.tree.size());
        Ok(Committed { first: LedgerIndex(group.first_leaf), size: self.size(), root: self.root(), end: self.end })
    }

    fn tail_is_in_its_place(&self) -> io::Result<bool> {
        let file = |metadata: Metadata| (metadata.dev(), metadata.ino());
        match std::fs::metadata(self.files.path(self.header.number)) {
            Ok(named) => Ok(file(named) == file(self.tail.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Seals the newest segment and begins the next.
    fn begin_segment(&mut self, seed: u32) -> Result<(), Fatal> {
        // The new header says that the derived files are on the disk up to its first leaf.
        self.files.derived.sync()?;
        let header = SegmentHeader {
            number: self.header.number + 1,
            seed,
            first_leaf: self.tree.size(),
            signed_size: self.signed_size(),
            root: self.tree.root(),
            ..self.header
        };
        let failed = |source| Fatal::Io { action: "create", path: self.files.path(header.number), offset: 0, source };
        self.tail = segment::create(&self.files.dir, &header).map_err(failed)?;
        self.header = header;
        self.end = Position { segment: header.number, offset: SEGMENT_HEADER_BYTES };
        self.files.push_segment(header);
        self.files.publish_durable(self.end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sinergi_proto::base::ids::LedgerIndex;

    use std::path::Path;

    use super::super::fixture::{Fixture, append, assert_holds};
    use super::super::record::Own;
    use super::super::{AppendError, BODY_BYTES_MAX, LEAF_BYTES_MAX, RecordKind};
    use super::*;

    #[test]
    fn appended_records_are_there_after_reopening_with_the_same_root() {
        let fixture = Fixture::new();
        let (mut ledger, opened) = fixture.open();
        assert!(opened.created);
        for leaves in [3, 1, 0, 7] {
            append(&mut ledger, leaves);
        }
        assert_holds(&ledger, 11);
        let (root, end) = (ledger.root(), ledger.end());
        drop(ledger);

        let (mut ledger, opened) = fixture.open();
        assert!(!opened.created && opened.cut.is_none() && opened.rebuilt_from.is_none());
        assert_eq!((ledger.root(), ledger.end(), opened.end), (root, end, end));
        assert_eq!(append(&mut ledger, 2).first, LedgerIndex(11));
        assert_holds(&ledger, 13);
    }

    #[test]
    fn the_root_is_that_of_rfc_6962() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let mut group = ledger.begin();
        for leaf in leaves {
            group.leaf(&[], leaf).expect("room");
        }
        let committed = ledger.commit(group).expect("a commit");
        assert_eq!(committed.root.to_string(), "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=");
        assert_eq!((committed.first, committed.size), (LedgerIndex(0), 8));
    }

    #[test]
    fn a_full_segment_is_sealed_and_the_next_begun() {
        let fixture = Fixture::with_segments_of(1000);
        let (mut ledger, _) = fixture.open();
        for _ in 0..20 {
            append(&mut ledger, 5);
        }
        let segments = ledger.end().segment;
        assert!(segments > 5, "{segments} segments");
        assert_holds(&ledger, 100);
        drop(ledger);
        let (mut ledger, opened) = fixture.open();
        assert!(opened.rebuilt_from.is_none());
        assert_holds(&ledger, 100);
        append(&mut ledger, 5);
        let all: Vec<u64> = ledger
            .reader()
            .records_from(ledger.reader().start())
            .filter_map(|record| {
                let record = record.expect("intact");
                (record.kind == RecordKind::Leaf).then(|| record.leaf().expect("an index").0)
            })
            .collect();
        assert_eq!(all, (0..105).collect::<Vec<_>>());
    }

    #[test]
    fn the_largest_size_signed_is_recorded_with_the_next_group_or_on_shutdown() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 3);
        ledger.signed(3, b"note 3");
        ledger.signed(2, b"note 2");
        ledger.signed(4, b"more than there is");
        append(&mut ledger, 2);
        ledger.signed(5, b"note 5");
        let recorded = fixture.copy().open().1;
        assert_eq!((recorded.signed_size, recorded.signed_note.as_deref()), (3, Some(&b"note 3"[..])));
        ledger.seal_signed().expect("a commit");
        let end = ledger.end();
        ledger.seal_signed().expect("nothing to do");
        assert_eq!(ledger.end(), end);
        drop(ledger);
        let recorded = fixture.open().1;
        assert_eq!((recorded.signed_size, recorded.signed_note.as_deref()), (5, Some(&b"note 5"[..])));
    }

    #[test]
    fn an_empty_group_writes_nothing() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let end = append(&mut ledger, 1).end;
        let group = ledger.begin();
        assert_eq!(ledger.commit(group).expect("nothing").end, end);
        assert_eq!(ledger.end(), end);
    }

    #[test]
    fn a_failed_write_stops_the_ledger_and_loses_nothing_that_was_acknowledged() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 3);
        ledger.tail = File::open(fixture.file("00000001.seg")).expect("a handle that cannot write");
        let mut group = ledger.begin();
        group.leaf(&[], b"lost").expect("room");
        assert!(matches!(ledger.commit(group), Err(Fatal::Io { action: "write", .. })));
        let group = ledger.begin();
        assert!(matches!(ledger.commit(group), Err(Fatal::Stopped { .. })));
        assert!(matches!(ledger.seal_signed(), Ok(())));
        drop(ledger);
        assert_holds(&fixture.open().0, 3);
    }

    #[test]
    fn nothing_is_committed_to_a_file_that_a_start_would_not_find() {
        let ways: [fn(&Path, &Path); 3] = [
            |file, _| std::fs::remove_file(file).expect("removed"),
            |file, aside| std::fs::rename(file, aside).expect("moved away"),
            |file, aside| drop((std::fs::rename(file, aside), std::fs::copy(aside, file))),
        ];
        for goes in ways {
            let fixture = Fixture::new();
            let (mut ledger, _) = fixture.open();
            append(&mut ledger, 3);
            let file = fixture.file("00000001.seg");
            goes(&file, &fixture.file("aside"));
            let mut group = ledger.begin();
            group.leaf(&[], b"lost").expect("room");
            assert!(matches!(ledger.commit(group), Err(Fatal::Gone { path }) if path == file));
            assert_eq!(ledger.size(), 3);
        }
    }

    #[test]
    fn a_group_is_committed_only_to_the_end_that_it_was_begun_on() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let mut stale = ledger.begin();
        stale.leaf(&[], b"late").expect("room");
        append(&mut ledger, 1);
        assert!(matches!(ledger.commit(stale), Err(Fatal::WrongGroup { .. })));
    }

    #[test]
    fn content_without_its_leaf_is_not_committed() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let mut group = ledger.begin();
        group.content(LedgerIndex(0), &[], b"early").expect("the next leaf");
        let too_early = group.content(LedgerIndex(1), &[], b"too early");
        assert!(matches!(too_early, Err(AppendError::NoSuchLeaf { .. })));
        assert!(matches!(ledger.commit(group), Err(Fatal::WrongGroup { .. })));
    }

    #[test]
    fn a_record_that_is_too_large_is_refused_and_leaves_the_group_as_it_was() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let mut group = ledger.begin();
        let refused = group.leaf(&[], &vec![0; LEAF_BYTES_MAX + 1]);
        assert!(matches!(refused, Err(AppendError::TooLarge { what: "body", .. })));
        let refused = group.record(RecordKind::Deferred, &[0; 40_000], &[]);
        assert!(matches!(refused, Err(AppendError::TooLarge { what: "header", .. })));
        for kind in [RecordKind::Leaf, RecordKind::Content, RecordKind::Signed, RecordKind::Unknown(77)] {
            assert!(matches!(group.record(kind, &[], &[]), Err(AppendError::NotARecord(_))));
        }
        assert!(group.is_empty());
        let body = vec![1; BODY_BYTES_MAX];
        let taken = (0..9).take_while(|_| group.record(RecordKind::Deferred, &[], &body).is_ok()).count();
        assert_eq!(taken, 3);
        assert!(matches!(group.record(RecordKind::Deferred, &[], &body), Err(AppendError::GroupFull { .. })));
        ledger.commit(group).expect("a commit");
        drop(ledger);
        assert_eq!(fixture.open().1.tail_records, 4);
    }

    #[test]
    fn a_record_of_an_unknown_kind_is_kept_and_passed_over() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 1);
        let mut group = ledger.begin();
        let position = group.push(RecordKind::Unknown(200), Own::None, b"new", b"newer program").expect("room");
        ledger.commit(group).expect("a commit");
        append(&mut ledger, 1);
        drop(ledger);
        let (ledger, _) = fixture.open();
        assert_holds(&ledger, 2);
        let record = ledger.reader().record(position).expect("the record");
        assert_eq!((record.kind, record.body.as_slice()), (RecordKind::Unknown(200), &b"newer program"[..]));
    }
}
