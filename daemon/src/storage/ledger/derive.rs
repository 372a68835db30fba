//! Brings `hashes` and `positions` up to the leaves at open, with the code that commits use.
//!
//! It must not know how the end of the ledger was found.
//!
//! Invariants:
//! - what belongs to the newest segment is always computed again: it was never synced;
//! - what lies before it was synced when that segment was created; it is taken over if it is long enough, gives the root in the
//!   segment's header, and its last leaf is where it says. Otherwise the same is asked of the segment before, down to the first;
//! - a rebuild below the newest segment leaves a mark until it is synced, so that an interrupted one is begun again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::tlog::frontier::Frontier;

use super::derived::{Batch, PLACE_BYTES, hashes_length};
use super::files::{Files, Segment};
use super::record::Own;
use super::scan::{Bodies, Records, SCAN_BYTES, Until, record_at};
use super::segment::{SEGMENT_HEADER_BYTES, sync_dir};
use super::{Fatal, OpenError, Position, ReadError};

/// Leaves and contents that are applied at once.
const BATCH: usize = 8192;
/// Name of the mark.
const MARK: &str = "rebuilding";

/// The derived files after they were brought up to the ledger.
pub(super) struct BroughtUp {
    pub(super) tree: Frontier,
    /// The leaf from which on the files were rebuilt, if that is below the newest segment.
    pub(super) rebuilt_from: Option<LedgerIndex>,
}

/// Brings both files up to the end of the ledger and makes them durable.
pub(super) fn bring_up(files: &Arc<Files>, rebuild: bool) -> Result<BroughtUp, OpenError> {
    let segments = files.segments();
    let mark = files.dir.join(MARK);

    let mut first = segments.len() - 1;
    while first > 0 && !holds_up_to(files, &segments[first])? {
        first -= 1;
    }
    if rebuild || mark.exists() || names_lost_records(files)? {
        first = 0;
    }
    let below_the_newest = first + 1 < segments.len();
    if below_the_newest {
        let marked = File::create(&mark).and_then(|file| file.sync_all()).and_then(|()| sync_dir(&files.dir));
        marked.map_err(|source| OpenError::Io { action: "create", path: mark.clone(), source })?;
    }
    let tree = replay(files, &segments[first..])?;
    files.derived.sync().map_err(OpenError::Derived)?;
    match fs::remove_file(&mark) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(OpenError::Io { action: "remove", path: mark, source });
        }
        _ => {}
    }
    let rebuilt_from = (below_the_newest || rebuild).then(|| LedgerIndex(segments[first].header.first_leaf));
    Ok(BroughtUp { tree, rebuilt_from })
}

/// Leaves that the files have beyond these.
pub(super) fn surplus(files: &Files, leaves: u64) -> Result<u64, ReadError> {
    let (hashes, positions) = files.derived.lengths()?;
    let is_longer = hashes > hashes_length(leaves) && positions / PLACE_BYTES > leaves;
    Ok(if is_longer { positions / PLACE_BYTES - leaves } else { 0 })
}

/// Computes both files anew from the first of these segments on.
fn replay(files: &Arc<Files>, segments: &[Segment]) -> Result<Frontier, OpenError> {
    let mut tree: Option<Frontier> = None;
    for segment in segments {
        let header = &segment.header;
        let tree = match &mut tree {
            Some(tree) => tree,
            None => {
                files.derived.truncate(header.first_leaf).map_err(OpenError::Derived)?;
                tree.insert(files.derived.frontier(header.first_leaf)?)
            }
        };
        if tree.size() != header.first_leaf || tree.root() != header.root {
            return Err(OpenError::Discontinuous {
                path: files.path(header.number),
                expected: header.first_leaf,
                expected_root: header.root.to_string(),
                found: tree.size(),
                found_root: tree.root().to_string(),
            });
        }
        replay_segment(files, header.number, tree)?;
    }
    Ok(tree.expect("there is a segment"))
}

fn replay_segment(files: &Arc<Files>, number: u32, tree: &mut Frontier) -> Result<(), OpenError> {
    let start = Position { segment: number, offset: SEGMENT_HEADER_BYTES };
    let records = Records::new(Arc::clone(files), start, Bodies::OfLeaves, Until::EndOf(number), SCAN_BYTES);
    let mut batch = Batch::default();
    let mut apply = |batch: &mut Batch| -> Result<(), Fatal> {
        // Content may come before its leaf: it waits for the batch that holds the leaf.
        let next = tree.size() + batch.leaves.len() as u64;
        let early = batch.contents.iter().position(|(index, _)| *index >= next).unwrap_or(batch.contents.len());
        let early = batch.contents.split_off(early);
        files.derived.extend(tree, batch)?;
        *batch = Batch { contents: early, ..Batch::default() };
        Ok(())
    };
    for record in records {
        let record = record?;
        match record.own {
            Own::Leaf { .. } => batch.leaves.push((tlog_tiles::record_hash(&record.body), record.position)),
            Own::Content { index, .. } => batch.contents.push((index, record.position)),
            Own::Signature { .. } => {
                batch.signatures.extend(record.signed_leaves().map(|leaf| (leaf.0, record.position)));
            }
            Own::Group { .. } | Own::None => {}
        }
        if batch.leaves.len() + batch.contents.len() >= BATCH {
            apply(&mut batch).map_err(OpenError::Derived)?;
        }
    }
    apply(&mut batch).map_err(OpenError::Derived)
}

/// Whether the files can be believed up to the first leaf of this segment.
fn holds_up_to(files: &Arc<Files>, segment: &Segment) -> Result<bool, ReadError> {
    let size = segment.header.first_leaf;
    let (hashes, positions) = files.derived.lengths()?;
    if hashes < hashes_length(size) || positions < size * PLACE_BYTES {
        return Ok(false);
    }
    let Some(last) = size.checked_sub(1) else { return Ok(true) };
    if files.derived.frontier(size)?.root() != segment.header.root {
        return Ok(false);
    }
    let Some(position) = files.derived.places(LedgerIndex(last))?.leaf else { return Ok(false) };
    Ok(record_at(files, position, Bodies::OfLeaves).is_ok_and(|record| record.own == Own::Leaf { index: last }))
}

/// Whether `positions` names a record behind the end of the ledger: then an older content may have been named before.
fn names_lost_records(files: &Files) -> Result<bool, ReadError> {
    let newest = files.segments().last().map_or(0, |segment| segment.header.first_leaf);
    let (end, (_, length)) = (files.durable().to_bits(), files.derived.lengths()?);
    let length = length.min(newest * PLACE_BYTES);
    let mut buffer = vec![0; SCAN_BYTES as usize];
    let mut offset = 0;
    while offset < length {
        let chunk = &mut buffer[..(length - offset).min(SCAN_BYTES.into()) as usize];
        let failed = |source| ReadError::Io { path: files.derived.positions_path.clone(), offset, source };
        files.derived.positions.read_exact_at(chunk, offset).map_err(failed)?;
        let (words, _) = chunk.as_chunks::<8>();
        if words.iter().any(|word| u64::from_le_bytes(*word) >= end) {
            return Ok(true);
        }
        offset += chunk.len() as u64;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, append, assert_holds, assert_signed, leaf_bytes};
    use super::*;

    /// Several segments of 100 leaves in all; the newest holds leaves.
    fn ledger() -> Fixture {
        let fixture = Fixture::with_segments_of(2000);
        let (mut ledger, _) = fixture.open();
        for _ in 0..20 {
            append(&mut ledger, 5);
        }
        assert!(ledger.end().segment > 3);
        fixture
    }

    fn newest_first_leaf(fixture: &Fixture) -> u64 {
        let (ledger, _) = fixture.open();
        ledger.header.first_leaf
    }

    #[test]
    fn missing_derived_files_are_rebuilt() {
        let fixture = ledger();
        for names in [&["hashes"][..], &["positions"], &["hashes", "positions"]] {
            let copy = fixture.copy();
            for name in names {
                fs::remove_file(copy.file(name)).expect("the file");
            }
            let (ledger, opened) = copy.open();
            assert_eq!(opened.rebuilt_from, Some(LedgerIndex(0)));
            assert_holds(&ledger, 100);
            assert_signed(&ledger, 100);
        }
    }

    #[test]
    fn derived_files_of_any_length_are_brought_up() {
        let fixture = ledger();
        for name in ["hashes", "positions"] {
            let full = fixture.length(name);
            for length in (0..full + 100).step_by(37) {
                let copy = fixture.copy();
                copy.cut(name, length);
                assert_holds(&copy.open().0, 100);
            }
        }
    }

    #[test]
    fn a_rebuild_begins_at_the_newest_segment_up_to_which_the_files_hold() {
        let fixture = ledger();
        fixture.cut("positions", 50 * PLACE_BYTES);
        let rebuilt_from = fixture.open().1.rebuilt_from.expect("a rebuild");
        assert!((1..=50).contains(&rebuilt_from.0), "{rebuilt_from}");
    }

    #[test]
    fn whatever_stands_for_the_newest_segment_is_computed_again() {
        let fixture = ledger();
        let first = newest_first_leaf(&fixture);
        assert!(first < 100);
        for (name, start) in [("hashes", hashes_length(first)), ("positions", first * PLACE_BYTES)] {
            for offset in (start..fixture.length(name)).step_by(5) {
                let copy = fixture.copy();
                copy.flip(name, offset);
                assert_holds(&copy.open().0, 100);
            }
        }
    }

    #[test]
    fn a_tree_that_does_not_give_the_newest_segments_root_is_rebuilt() {
        let fixture = ledger();
        let first = newest_first_leaf(&fixture);
        // The largest complete subtree before the newest segment is on the right edge.
        let level = first.ilog2() as u8;
        fixture.flip("hashes", tlog_tiles::stored_hash_index(level, 0) * 32 + 5);
        let (ledger, opened) = fixture.open();
        assert!(opened.rebuilt_from.is_some());
        assert_holds(&ledger, 100);
    }

    #[test]
    fn a_rebuild_on_demand_heals_what_open_does_not_look_at() {
        let mut fixture = ledger();
        fixture.flip("hashes", 0);
        fixture.flip("positions", 3);
        fixture.options.rebuild_derived = true;
        let (ledger, opened) = fixture.open();
        assert_eq!(opened.rebuilt_from, Some(LedgerIndex(0)));
        assert_holds(&ledger, 100);
    }

    #[test]
    fn an_interrupted_rebuild_is_begun_again() {
        let fixture = ledger();
        fixture.flip("hashes", 0);
        fs::write(fixture.file(MARK), b"").expect("a mark");
        let (ledger, opened) = fixture.open();
        assert_eq!(opened.rebuilt_from, Some(LedgerIndex(0)));
        assert!(!fixture.file(MARK).exists());
        assert_holds(&ledger, 100);
    }

    #[test]
    fn a_position_behind_the_end_is_not_believed() {
        let fixture = ledger();
        let lost = Position { segment: 4000, offset: 80 }.to_bits().to_le_bytes();
        let file = fs::OpenOptions::new().write(true).open(fixture.file("positions")).expect("the file");
        file.write_all_at(&lost, 3 * PLACE_BYTES + 8).expect("a write");
        let (ledger, opened) = fixture.open();
        assert_eq!(opened.rebuilt_from, Some(LedgerIndex(0)));
        assert_holds(&ledger, 100);
    }

    #[test]
    fn content_for_an_older_leaf_is_noted_again_from_the_newest_segment() {
        let fixture = ledger();
        let (mut ledger, _) = fixture.open();
        let mut group = ledger.begin();
        group.content(LedgerIndex(2), b"content", b"late").expect("room");
        ledger.commit(group).expect("a commit");
        drop(ledger);
        let before = fixture.copy();
        // As if the write to `positions` had not reached the disk.
        let file = fs::OpenOptions::new().write(true).open(before.file("positions")).expect("the file");
        file.write_all_at(&Position { segment: 1, offset: 80 }.to_bits().to_le_bytes(), 2 * PLACE_BYTES + 8)
            .expect("a write");
        let (ledger, opened) = before.open();
        assert!(opened.rebuilt_from.is_none());
        let bodies: Vec<_> =
            ledger.reader().contents(LedgerIndex(2)).expect("contents").into_iter().map(|record| record.body).collect();
        assert_eq!(bodies, [b"late".to_vec(), b"text 2".to_vec()]);
    }

    #[test]
    fn a_sealed_segment_with_other_leaves_is_seen_when_the_tree_is_rebuilt() {
        let mut fixture = ledger();
        let other = Fixture::with_segments_of(2000);
        let (mut ledger, _) = other.open();
        let mut group = ledger.begin();
        for index in (0..25).rev() {
            group.leaf(b"local", &leaf_bytes(index)).expect("room");
        }
        ledger.commit(group).expect("a commit");
        drop(ledger);
        fs::copy(other.file("00000001.seg"), fixture.file("00000001.seg")).expect("a copy");
        fixture.options.rebuild_derived = true;
        let error = fixture.try_open().map(|_| ()).expect_err("another tree");
        assert!(matches!(error, OpenError::Discontinuous { .. }), "{error}");
    }
}
