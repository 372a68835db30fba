//! Ledgers for the tests of this module. It must not know the format: it writes through the ledger's own interface.

use std::fs;
use std::path::{Path, PathBuf};

use sinergi_proto::base::ids::LedgerIndex;
use tempfile::TempDir;

use super::{Committed, Ledger, LedgerOptions, OpenError, Opened, RecordKind};

/// A ledger in its own directory.
pub(super) struct Fixture {
    pub(super) dir: TempDir,
    pub(super) options: LedgerOptions,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with_segments_of(super::SEGMENT_BYTES)
    }

    pub(super) fn with_segments_of(segment_bytes: u32) -> Self {
        let options = LedgerOptions { segment_bytes, ..LedgerOptions::default() };
        Self { dir: tempfile::tempdir().expect("a directory"), options }
    }

    pub(super) fn open(&self) -> (Ledger, Opened) {
        self.try_open().expect("the ledger opens")
    }

    pub(super) fn try_open(&self) -> Result<(Ledger, Opened), OpenError> {
        Ledger::open(self.path(), self.options)
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// A copy of the files as they are now, as after a crash.
    pub(super) fn copy(&self) -> Self {
        let copy = Self { dir: tempfile::tempdir().expect("a directory"), options: self.options };
        for entry in fs::read_dir(self.path()).expect("a listing") {
            let path = entry.expect("an entry").path();
            fs::copy(&path, copy.path().join(path.file_name().expect("a name"))).expect("a copy");
        }
        copy
    }

    /// Inverts one byte of a file.
    pub(super) fn flip(&self, name: &str, offset: u64) {
        let mut bytes = fs::read(self.file(name)).expect("the file");
        bytes[offset as usize] ^= 0xff;
        fs::write(self.file(name), bytes).expect("a write");
    }

    /// Cuts a file to this length.
    pub(super) fn cut(&self, name: &str, length: u64) {
        let file = fs::OpenOptions::new().write(true).open(self.file(name)).expect("the file");
        file.set_len(length).expect("a cut");
    }

    /// Lengths of the derived files; [`Self::cut_derived`] makes them those of a crash before a later group was in them.
    pub(super) fn derived_lengths(&self) -> [u64; 2] {
        ["hashes", "positions"].map(|name| self.length(name))
    }

    pub(super) fn cut_derived(&self, lengths: [u64; 2]) {
        self.cut("hashes", lengths[0]);
        self.cut("positions", lengths[1]);
    }

    pub(super) fn length(&self, name: &str) -> u64 {
        fs::metadata(self.file(name)).expect("the file").len()
    }
}

/// The bytes of the leaf that the tests put at this index.
pub(super) fn leaf_bytes(index: u64) -> Vec<u8> {
    format!("signed entry {index} {}", "x".repeat(index as usize % 40)).into_bytes()
}

/// One group of leaves, each with content before it, and a receipt.
pub(super) fn append(ledger: &mut Ledger, leaves: u64) -> Committed {
    let mut group = ledger.begin();
    for _ in 0..leaves {
        let index = group.next_index();
        group.content(index, b"content", format!("text {index}").as_bytes()).expect("room");
        assert_eq!(group.leaf(b"local", &leaf_bytes(index.0)).expect("room"), index);
    }
    group.record(RecordKind::Receipt, b"peer", b"receipt").expect("room");
    let signed: Vec<LedgerIndex> = (group.first_leaf..group.next_index().0).map(LedgerIndex).collect();
    if !signed.is_empty() {
        group.signature(&signed, &[9; 64]).expect("room");
    }
    ledger.commit(group).expect("a commit")
}

/// The ledger has the signatures over the leaves below `size` that [`append`] makes.
pub(super) fn assert_signed(ledger: &Ledger, size: u64) {
    let reader = ledger.reader();
    for index in (0..size).map(LedgerIndex) {
        let signature = reader.signature_of(index).expect("a place").expect("a signature");
        assert_eq!(signature.body, [9; 64]);
    }
}

/// The ledger holds exactly the leaves below `size` that [`append`] makes, each with its content.
pub(super) fn assert_holds(ledger: &Ledger, size: u64) {
    let reader = ledger.reader();
    assert_eq!(reader.size(), size);
    for index in (0..size).map(LedgerIndex) {
        let leaf = reader.leaf(index).expect("the leaf");
        assert_eq!((leaf.header, leaf.body), (b"local".to_vec(), leaf_bytes(index.0)));
        let contents = reader.contents(index).expect("contents");
        assert_eq!(contents.last().expect("a content").body, format!("text {index}").into_bytes());
    }
    let mut hashes: Vec<tlog_tiles::Hash> = Vec::new();
    struct All<'a>(&'a [tlog_tiles::Hash]);
    impl tlog_tiles::HashReader for All<'_> {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
        }
    }
    for index in 0..size {
        let nodes = tlog_tiles::stored_hashes(index, &leaf_bytes(index), &All(&hashes)).expect("nodes");
        hashes.extend(nodes);
    }
    let root = tlog_tiles::tree_hash(size, &All(&hashes)).expect("a root");
    assert_eq!(ledger.root(), root);
    assert_eq!(reader.root_at(size).expect("a root"), root);
    let found = super::verify(&reader, |_| std::ops::ControlFlow::Continue(()));
    assert_eq!(found, [], "everything verifies");
}
