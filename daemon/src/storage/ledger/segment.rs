//! Segment files: their names and their header.
//!
//! ```text
//! 0  8 bytes "SNRGSEG1"      24  u64 first leaf             72  u32 0
//! 8  u32 format version      32  u64 largest size signed    76  u32 CRC-32 of bytes 0..76
//! 12 u32 number              40  32 bytes root of the tree before the first leaf
//! 16 u32 epoch               80  records
//! 20 u32 seed of the header checksums
//! ```
//!
//! It must not know what records are.
//!
//! Invariants:
//! - numbers run from 1 without a gap;
//! - a segment counts only when file and directory have been synced, and records are written to it only then: a header that is
//!   not whole on a file without records is a creation that was interrupted;
//! - when a segment is created, `hashes` and `positions` have been synced up to its first leaf.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sinergi_proto::base::ids::Epoch;
use tlog_tiles::Hash;

/// Bytes of a segment's header; the first record begins here.
pub(super) const SEGMENT_HEADER_BYTES: u32 = 80;
/// The format that this program reads and writes. Format 1 had signed entries as leaves; no federation ever used it.
pub(super) const FORMAT: u32 = 2;
const MAGIC: &[u8; 8] = b"SNRGSEG1";
const CHECKSUM_OFFSET: usize = 76;

/// The header of a segment, written when the segment is created.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SegmentHeader {
    pub(super) number: u32,
    pub(super) epoch: Epoch,
    pub(super) seed: u32,
    pub(super) first_leaf: u64,
    pub(super) signed_size: u64,
    pub(super) root: Hash,
}

/// Bytes do not form a header that this program knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderProblem {
    Damaged(&'static str),
    Older(u32),
    Newer(u32),
}

impl SegmentHeader {
    /// The header's bytes.
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.seed.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_leaf.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.signed_size.to_le_bytes());
        bytes[40..72].copy_from_slice(&self.root.0);
        let checksum = crc32fast::hash(&bytes[..CHECKSUM_OFFSET]);
        bytes[CHECKSUM_OFFSET..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header in these bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderProblem> {
        let bytes: &[u8; SEGMENT_HEADER_BYTES as usize] =
            bytes.first_chunk().ok_or(HeaderProblem::Damaged("the file is shorter than a header"))?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if &bytes[..8] != MAGIC {
            return Err(HeaderProblem::Damaged("it does not begin with SNRGSEG1"));
        }
        if word(8) > FORMAT {
            return Err(HeaderProblem::Newer(word(8)));
        }
        if crc32fast::hash(&bytes[..CHECKSUM_OFFSET]) != word(CHECKSUM_OFFSET) {
            return Err(HeaderProblem::Damaged("it does not match its checksum"));
        }
        if word(8) < FORMAT {
            return Err(HeaderProblem::Older(word(8)));
        }
        let mut root = [0; 32];
        root.copy_from_slice(&bytes[40..72]);
        Ok(Self {
            number: word(12),
            epoch: Epoch(word(16)),
            seed: word(20),
            first_leaf: long(24),
            signed_size: long(32),
            root: Hash(root),
        })
    }
}

/// The file of a segment.
pub(super) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.seg"))
}

/// The numbers of the segment files in the directory, ascending.
pub(super) fn numbers(dir: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg")).and_then(|stem| stem.parse().ok());
        // Only the name that we would give: `1.seg` is somebody's copy.
        numbers.extend(number.filter(|number| *number > 0 && path(dir, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Creates a segment and makes it durable. A file of that name without records is replaced.
pub(super) fn create(dir: &Path, header: &SegmentHeader) -> io::Result<File> {
    let path = path(dir, header.number);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    file.write_all(&header.encode())?;
    // A crash up to here leaves a file without a whole header: open removes it.
    file.sync_all()?;
    // A crash up to here may lose the name: the segment before it is still the newest.
    sync_dir(dir)?;
    Ok(file)
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        number: 7,
        epoch: Epoch(2),
        seed: 0xdead_beef,
        first_leaf: 1 << 40,
        signed_size: 12,
        root: tlog_tiles::EMPTY_HASH,
    };

    #[test]
    fn a_header_survives_writing_and_shows_every_flipped_bit() {
        let bytes = HEADER.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(HEADER));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bad).is_err(), "bit {bit}");
        }
        assert!(SegmentHeader::decode(&bytes[..79]).is_err());
    }

    #[test]
    fn only_names_that_the_ledger_gives_are_segments() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in
            ["00000002.seg", "00000001.seg", "1.seg", "00000000.seg", "00000003.seg.bak", "hashes", "123456789.seg"]
        {
            fs::write(dir.path().join(name), b"").expect("a file");
        }
        assert_eq!(numbers(dir.path()).expect("a listing"), [1, 2, 123_456_789]);
    }

    /// The first segment of a ledger with one record of each kind, made with a fixed seed.
    fn golden_segment() -> Vec<u8> {
        use crate::storage::ledger::record::{Own, RecordKind, encode};

        let header = SegmentHeader { number: 1, epoch: Epoch(1), first_leaf: 0, signed_size: 0, ..HEADER };
        let mut bytes = header.encode().to_vec();
        let mut records = Vec::new();
        let mut add = |kind, own, body: &[u8]| encode(&mut records, header.seed, kind, own, b"local", body);
        add(RecordKind::Content, Own::Content { index: 0, previous: None }, b"content");
        add(RecordKind::Leaf, Own::Leaf { index: 0 }, b"entry 0");
        for code in [3, 4, 5, 6, 7, 9, 250] {
            add(RecordKind::from_code(code), Own::None, &[code; 5]);
        }
        add(RecordKind::Leaf, Own::Leaf { index: 1 }, b"entry 1");
        let distances: Vec<u8> = [0_u32, 1].iter().flat_map(|distance| distance.to_le_bytes()).collect();
        encode(&mut records, header.seed, RecordKind::Signature, Own::Signature { first: 0 }, &distances, &[7; 64]);
        let head = |signed_size, length| Own::Group { signed_size, bytes: length as u32 };
        encode(&mut bytes, header.seed, RecordKind::Signed, head(0, records.len()), b"", b"");
        bytes.extend(records);
        encode(&mut bytes, header.seed, RecordKind::Signed, head(2, 0), b"", b"note of size 2");
        bytes
    }

    #[test]
    fn the_format_is_that_of_the_golden_segment() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/ledger/golden/format-2.seg");
        if std::env::var_os("SINERGI_WRITE_GOLDEN").is_some() {
            fs::write(golden, golden_segment()).expect("the golden folder is writable");
        }
        assert_eq!(golden_segment(), fs::read(golden).expect("a file"), "a new layout needs a new format version");
    }

    #[test]
    fn the_golden_segment_is_read() {
        use crate::storage::ledger::{Ledger, LedgerOptions};

        let dir = tempfile::tempdir().expect("a directory");
        fs::write(path(dir.path(), 1), include_bytes!("golden/format-2.seg")).expect("a write");
        let (ledger, opened) = Ledger::open(dir.path(), LedgerOptions::default()).expect("the ledger opens");
        assert!(opened.cut.is_none());
        assert_eq!((opened.tail_records, opened.signed_size, ledger.size()), (13, 2, 2));
        assert_eq!(opened.signed_note.as_deref(), Some(&b"note of size 2"[..]));
        let reader = ledger.reader();
        let codes: Vec<_> =
            reader.records_from(reader.start()).map(|record| record.expect("intact").kind.code()).collect();
        assert_eq!(codes, [8, 2, 1, 3, 4, 5, 6, 7, 9, 250, 1, 11, 8]);
        let index = sinergi_proto::base::ids::LedgerIndex(0);
        assert_eq!(reader.contents(index).expect("contents")[0].body, b"content");
        let leaves = [0, 1].map(sinergi_proto::base::ids::LedgerIndex);
        for leaf in leaves {
            let signature = reader.signature_of(leaf).expect("readable").expect("a signature");
            assert_eq!(signature.signed_leaves().collect::<Vec<_>>(), leaves);
            assert_eq!(signature.body, [7; 64]);
        }
        let hashes = [&b"entry 0"[..], b"entry 1"].map(tlog_tiles::record_hash);
        assert_eq!(ledger.root(), tlog_tiles::node_hash(hashes[0], hashes[1]));
    }

    #[test]
    fn a_segment_of_format_1_is_refused_and_stays_as_it_is() {
        use crate::storage::ledger::{Ledger, LedgerOptions, OpenError};

        let dir = tempfile::tempdir().expect("a directory");
        let old = include_bytes!("golden/format-1.seg");
        fs::write(path(dir.path(), 1), old).expect("a write");
        let refused = Ledger::open(dir.path(), LedgerOptions::default()).err();
        assert!(matches!(refused, Some(OpenError::Older { found: 1, known: FORMAT, .. })), "{refused:?}");
        assert_eq!(fs::read(path(dir.path(), 1)).expect("the segment"), old);
    }
}
