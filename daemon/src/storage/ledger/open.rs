//! Opening a ledger: find the segments, judge the newest, make it durable, bring up the derived files.
//!
//! It must not know what records mean.
//!
//! Invariants:
//! - nothing is cut or removed before the newest segment has been scanned as a whole;
//! - on return everything that readers see is on the disk. After a failed sync the page cache may show bytes that are not on the
//!   disk, so the newest bytes (as many as one group can hold) are written again and synced;
//! - sealed segments are trusted; `verify` checks them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinergi_proto::base::ids::{Epoch, LedgerIndex};

use super::derived::Derived;
use super::files::{Files, Segment};
use super::segment::{self, FORMAT, HeaderProblem, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::tail::Tail;
use super::tip::Signed;
use super::{
    GROUP_BYTES_MAX, Ledger, LedgerOptions, LedgerReader, OpenError, Position, Problem, SEGMENT_BYTES_MAX, derive, tail,
};

/// The result of opening: what was found and what was done.
#[derive(Clone, Debug)]
pub struct Opened {
    /// A new ledger was made.
    pub created: bool,
    /// The torn tail that was cut: a group that was never acknowledged.
    pub cut: Option<Cut>,
    /// A segment file whose creation had been interrupted, removed.
    pub removed: Option<PathBuf>,
    /// Records of the newest segment, all verified.
    pub tail_records: u64,
    /// The largest size known signed, in leaves.
    pub signed_size: u64,
    /// The newest signed note that the newest segment holds.
    pub signed_note: Option<Vec<u8>>,
    /// The leaf from which on the derived files were rebuilt, if more than the newest segment was.
    pub rebuilt_from: Option<LedgerIndex>,
    /// Leaves that the derived files had beyond the ledger. They were durable once: unless peers are asked first, signing now may
    /// fork the ledger.
    pub lost_leaves: u64,
    /// The position from which a full replay starts.
    pub start: Position,
    /// The end of the ledger. A watermark beyond it speaks of what was lost: replay from the start.
    pub end: Position,
}

/// A torn tail that was cut.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The newest segment.
    pub path: PathBuf,
    /// The new length of the segment, in bytes.
    pub offset: u32,
    /// Whether the bytes after the damaged group show that more than one group was cut.
    pub is_more_than_one: bool,
    /// Number of bytes that were cut.
    pub bytes: u32,
    /// The problem of the cut bytes.
    pub problem: Problem,
}

impl Ledger {
    /// Opens the ledger in `dir`, or makes a new one in an empty or missing directory. Everything that it then holds is on the
    /// disk. See [`Opened`] for what was found and done.
    pub fn open(dir: &Path, options: LedgerOptions) -> Result<(Self, Opened), OpenError> {
        let lock = lock(dir)?;
        let derived = Derived::open(dir).map_err(failed("open hashes and positions in", dir))?;
        let (mut segments, torn_creation) = find_segments(dir, options.epoch)?;
        let created = segments.is_empty();
        if created {
            segments.push(create_first(dir, &derived, options)?);
        }
        let newest = *segments.last().expect("there is a segment");
        let files = Arc::new(Files::new(dir.to_owned(), derived, segments));

        let tail = tail::scan(&files, &newest)?;
        let path = files.path(newest.header.number);
        if let (Some(next), Some((offset, problem))) = (&torn_creation, tail.torn) {
            let evidence = format!("{} was begun after it had been synced", next.display());
            return Err(OpenError::Damaged { path, offset, problem, evidence });
        }
        let surplus = derive::surplus(&files, tail.leaves)?;
        if surplus > 0 {
            refuse_if_written_behind(&path, &tail, torn_creation.as_deref(), surplus)?;
        }
        let bytes = newest.length - tail.end.offset;
        let cut = tail.torn.map(|(_, problem)| Cut {
            path: path.clone(),
            offset: tail.end.offset,
            is_more_than_one: tail.lost_more,
            bytes,
            problem,
        });
        let removed = torn_creation.filter(|_| !created);
        if let Some(path) = &removed {
            fs::remove_file(path).map_err(failed("remove", path))?;
        }
        let file = make_durable(&path, tail.end.offset).map_err(failed("write and sync the end of", &path))?;
        segment::sync_dir(dir).map_err(failed("sync", dir))?;

        files.publish_durable(tail.end);
        let brought = derive::bring_up(&files, options.rebuild_derived)?;
        files.publish_settled(brought.tree.size());
        let opened = Opened {
            created,
            cut,
            removed,
            tail_records: tail.records,
            signed_size: tail.signed_size,
            signed_note: tail.note,
            rebuilt_from: brought.rebuilt_from,
            lost_leaves: surplus,
            start: Files::START,
            end: tail.end,
        };
        let ledger = Self {
            files,
            header: newest.header,
            tail: file,
            end: tail.end,
            tree: brought.tree,
            signed: Signed::recorded(tail.signed_size, opened.signed_note.as_deref()),
            segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_MAX),
            stopped: None,
            _lock: lock,
        };
        Ok((ledger, opened))
    }
}

/// Returns an error if the derived files show that the damaged bytes had been synced: leaves are written to them only after their group was
/// synced.
fn refuse_if_written_behind(
    path: &Path,
    tail: &Tail,
    torn_creation: Option<&Path>,
    surplus: u64,
) -> Result<(), OpenError> {
    let evidence = format!("hashes and positions, which are written after it was synced, hold {surplus} more leaves");
    if let Some((offset, problem)) = tail.torn {
        return Err(OpenError::Damaged { path: path.into(), offset, problem, evidence });
    }
    match torn_creation {
        Some(path) => Err(OpenError::SegmentHeader { path: path.into(), problem: format!("it is cut, {evidence}") }),
        None => Ok(()),
    }
}

/// The error for an action on a path.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

/// Makes the directory if need be, and takes its lock.
fn lock(dir: &Path) -> Result<File, OpenError> {
    make_dir(dir)?;
    let path = dir.join("lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { action: "lock", path, source }),
    }
}

/// Makes a directory, with those that it lies in; the names of all are on the disk.
fn make_dir(dir: &Path) -> Result<(), OpenError> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new(""));
    make_dir(parent)?;
    fs::create_dir(dir).map_err(failed("create", dir))?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    segment::sync_dir(parent).map_err(failed("sync", parent))
}

/// All segments with whole headers, and the newest file if its creation was interrupted.
fn find_segments(dir: &Path, epoch: Option<Epoch>) -> Result<(Vec<Segment>, Option<PathBuf>), OpenError> {
    let numbers = segment::numbers(dir).map_err(failed("list", dir))?;
    let mut segments: Vec<Segment> = Vec::with_capacity(numbers.len());
    for (number, expected) in numbers.iter().copied().zip(1..) {
        let path = segment::path(dir, number);
        if number != expected {
            let evidence = format!("{} is there", path.display());
            return Err(OpenError::MissingSegment { path: segment::path(dir, expected), evidence });
        }
        let (header, length) = read_header(&path)?;
        let damaged = |problem: String| OpenError::SegmentHeader { path: path.clone(), problem };
        let header = match header {
            Ok(header) => header,
            // Records are written only when the header is on the disk, so this file never held any.
            Err(HeaderProblem::Damaged(_)) if length <= SEGMENT_HEADER_BYTES && numbers.last() == Some(&number) => {
                return Ok((segments, Some(path)));
            }
            Err(HeaderProblem::Damaged(problem)) => return Err(damaged(problem.to_owned())),
            Err(HeaderProblem::Older(found)) => return Err(OpenError::Older { path, found, known: FORMAT }),
            Err(HeaderProblem::Newer(found)) => return Err(OpenError::Newer { path, found, known: FORMAT }),
        };
        let before = segments.last().map(|segment| segment.header);
        if let Some(expected) = before.map(|before| before.epoch).or(epoch).filter(|expected| *expected != header.epoch)
        {
            return Err(OpenError::WrongEpoch { path, found: header.epoch, expected });
        }
        if header.number != number {
            return Err(damaged(format!("it is the header of segment {}", header.number)));
        }
        let first_leaf = before.map_or(0, |before| before.first_leaf);
        if header.first_leaf < first_leaf || (number == 1 && header.first_leaf != 0) {
            return Err(damaged(format!("it begins at leaf {}, the one before it at {first_leaf}", header.first_leaf)));
        }
        segments.push(Segment { header, length });
    }
    Ok((segments, None))
}

/// The readable part of a ledger that does not open, segment by segment.
pub struct Salvage {
    /// The epoch of its segments.
    pub epoch: Epoch,
    /// For records at a position; it knows no leaves.
    pub reader: LedgerReader,
    _lock: File,
}

/// Looks for segments with whole headers in a ledger that does not open; `None` if there is none. Changes nothing.
///
/// # Errors
/// The directory cannot be read, or is in use.
pub fn salvage(dir: &Path) -> Result<Option<Salvage>, OpenError> {
    let lock = lock(dir)?;
    let numbers = segment::numbers(dir).map_err(failed("list", dir))?;
    let mut found = Vec::new();
    for number in numbers {
        // A segment that cannot be read is left out, like a damaged one.
        if let Ok((Ok(header), length)) = read_header(&segment::path(dir, number))
            && header.number == number
        {
            found.push(Segment { header, length: length.max(SEGMENT_HEADER_BYTES) });
        }
    }
    let Some(last) = found.last().copied() else { return Ok(None) };
    let epoch = last.header.epoch;
    // Segments stand at their numbers: where one is missing, an empty one stands for it.
    let at = |number: u32| {
        let here = found.iter().find(|s| s.header.number == number && s.header.epoch == epoch);
        let empty = Segment { header: SegmentHeader { number, ..last.header }, length: SEGMENT_HEADER_BYTES };
        here.copied().unwrap_or(empty)
    };
    let segments = (1..=last.header.number).map(at).collect();
    let derived = Derived::open(dir).map_err(failed("open hashes and positions in", dir))?;
    let files = Arc::new(Files::new(dir.to_owned(), derived, segments));
    Ok(Some(Salvage { epoch, reader: LedgerReader::new(files), _lock: lock }))
}

fn read_header(path: &Path) -> Result<(Result<SegmentHeader, HeaderProblem>, u32), OpenError> {
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = vec![0; length.min(SEGMENT_HEADER_BYTES.into()) as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok((bytes, length))
    };
    let (bytes, length) = read().map_err(failed("read", path))?;
    let length = u32::try_from(length).map_err(|_| OpenError::SegmentHeader {
        path: path.into(),
        problem: format!("a file of {length} bytes, offsets end at {}", u32::MAX),
    })?;
    Ok((SegmentHeader::decode(&bytes), length))
}

/// Makes a new ledger, if there was none here.
fn create_first(dir: &Path, derived: &Derived, options: LedgerOptions) -> Result<Segment, OpenError> {
    let path = segment::path(dir, 1);
    if derived.lengths()? != (0, 0) {
        let evidence = "hashes and positions of its leaves are there".to_owned();
        return Err(OpenError::MissingSegment { path, evidence });
    }
    let header = SegmentHeader {
        number: 1,
        epoch: options.epoch.unwrap_or(Epoch::FIRST),
        seed: rand::random(),
        first_leaf: 0,
        signed_size: 0,
        root: tlog_tiles::EMPTY_HASH,
    };
    segment::create(dir, &header).map_err(failed("create", &path))?;
    Ok(Segment { header, length: SEGMENT_HEADER_BYTES })
}

/// Cuts the file at `end`, writes its last bytes again and syncs it. It writes the bytes that it has read, so a crash changes nothing.
fn make_durable(path: &Path, end: u32) -> io::Result<File> {
    const STEP: u64 = 1024 * 1024;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let end = u64::from(end);
    if file.metadata()?.len() > end {
        file.set_len(end)?;
    }
    let mut at = end.saturating_sub(GROUP_BYTES_MAX as u64);
    let mut buffer = vec![0; STEP as usize];
    while at < end {
        let chunk = &mut buffer[..(end - at).min(STEP) as usize];
        file.read_exact_at(chunk, at)?;
        file.write_all_at(chunk, at)?;
        at += chunk.len() as u64;
    }
    file.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, append, assert_holds};
    use super::super::{RecordKind, scan::SCAN_BYTES, segment::SegmentHeader};
    use super::*;

    const FIRST: &str = "00000001.seg";

    #[test]
    fn a_torn_tail_above_the_signed_size_is_cut_wherever_it_is_torn() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 3);
        let kept = append(&mut ledger, 2);
        ledger.signed(5, b"note");
        let derived = fixture.derived_lengths();
        let last = append(&mut ledger, 2);
        for length in kept.end.offset..last.end.offset {
            let crashed = fixture.copy();
            crashed.cut(FIRST, length.into());
            crashed.cut_derived(derived);
            let (mut ledger, opened) = crashed.open();
            let cut = opened.cut.map(|cut| (cut.offset, cut.bytes));
            let expected = (length > kept.end.offset).then_some((kept.end.offset, length - kept.end.offset));
            assert_eq!(cut, expected, "torn at {length}");
            assert_eq!((ledger.root(), ledger.end()), (kept.root, kept.end));
            assert_eq!(opened.lost_leaves, 0);
            assert_holds(&ledger, 5);
            append(&mut ledger, 1);
            drop(ledger);
            let (ledger, opened) = crashed.open();
            assert!(opened.cut.is_none(), "nothing of it is left: {:?}", opened.cut);
            assert_holds(&ledger, 6);
        }
    }

    #[test]
    fn a_group_of_which_any_byte_did_not_reach_the_disk_is_cut_as_a_whole() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let kept = append(&mut ledger, 3);
        let derived = fixture.derived_lengths();
        let last = append(&mut ledger, 2);
        for offset in kept.end.offset..last.end.offset {
            let crashed = fixture.copy();
            crashed.flip(FIRST, offset.into());
            crashed.cut_derived(derived);
            let (ledger, opened) = crashed.open();
            assert_eq!(opened.cut.expect("a cut").offset, kept.end.offset, "damaged at {offset}");
            assert_holds(&ledger, 3);
        }
    }

    /// The leaves of a ledger that does not open, as far as they can be read.
    fn salvaged(fixture: &Fixture) -> Vec<u64> {
        let salvage = salvage(fixture.path()).expect("the directory is readable").expect("there is a segment");
        let mut records = salvage.reader.records_from(salvage.reader.start());
        let mut leaves = Vec::new();
        loop {
            match records.next() {
                Some(Ok(record)) if record.kind == RecordKind::Leaf => leaves.extend(record.leaf()),
                Some(Ok(_)) => {}
                Some(Err(_)) => {
                    if records.pass_over_damage().is_none() && !records.pass_to_next_record() {
                        break;
                    }
                }
                None => break,
            }
        }
        leaves.into_iter().map(|leaf| leaf.0).collect()
    }

    #[test]
    fn a_ledger_that_does_not_open_is_read_around_whichever_byte_is_damaged() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 1);
        let second = append(&mut ledger, 1);
        let third = append(&mut ledger, 1);
        ledger.signed(3, b"note");
        append(&mut ledger, 2);
        drop(ledger);
        for offset in second.end.offset..third.end.offset {
            let damaged = fixture.copy();
            damaged.flip(FIRST, offset.into());
            assert!(damaged.try_open().is_err(), "damaged at {offset}, below what was signed");
            let leaves = salvaged(&damaged);
            let others: Vec<u64> = leaves.iter().copied().filter(|leaf| *leaf != 2).collect();
            assert_eq!(others, [0, 1, 3, 4], "damaged at {offset}");
        }
    }

    #[test]
    fn a_missing_segment_costs_itself_alone_and_another_epoch_is_left_out() {
        let fixture = Fixture::with_segments_of(1000);
        let (mut ledger, _) = fixture.open();
        while ledger.end().segment < 4 {
            append(&mut ledger, 3);
        }
        let segments = ledger.reader().files.segments();
        drop(ledger);
        let damaged = fixture.copy();
        fs::remove_file(damaged.file("00000002.seg")).expect("the segment");
        assert!(matches!(damaged.try_open(), Err(OpenError::MissingSegment { .. })));
        let (from, to) = (segments[1].header.first_leaf, segments[2].header.first_leaf);
        let leaves = salvaged(&damaged);
        assert!(leaves.len() > 3 && leaves.iter().all(|leaf| !(from..to).contains(leaf)), "{leaves:?}");
        assert!(leaves.contains(&0) && leaves.contains(&to), "{leaves:?}");
        for file in segments {
            let _ = fs::remove_file(damaged.file(&format!("{:08}.seg", file.header.number)));
        }
        assert!(salvage(damaged.path()).expect("the directory is readable").is_none());
    }

    #[test]
    fn damage_to_a_group_that_the_derived_files_hold_is_no_torn_tail() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let kept = append(&mut ledger, 3).end.offset;
        let last = append(&mut ledger, 2).end.offset;
        drop(ledger);
        for offset in (kept..last).step_by(7) {
            let (flipped, cut) = (fixture.copy(), fixture.copy());
            flipped.flip(FIRST, offset.into());
            cut.cut(FIRST, offset.max(kept + 1).into());
            for damaged in [flipped, cut] {
                let before = damaged.length(FIRST);
                for _ in 0..2 {
                    let error = damaged.try_open().map(|_| ()).expect_err("damage");
                    assert!(
                        matches!(error, OpenError::Damaged { offset: found, .. } if (kept..=offset).contains(&found)),
                        "{error}"
                    );
                    assert!(error.to_string().contains("hold 2 more leaves"), "{error}");
                }
                assert_eq!(damaged.length(FIRST), before, "nothing was cut");
            }
        }
        // At the end of a group nothing is torn: what is missing is told.
        fixture.cut(FIRST, kept.into());
        assert_eq!(fixture.open().1.lost_leaves, 2);
    }

    #[test]
    fn a_newest_segment_that_was_emptied_is_not_removed_if_the_derived_files_hold_its_leaves() {
        let fixture = Fixture::with_segments_of(500);
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 9);
        append(&mut ledger, 1);
        assert_eq!(ledger.end().segment, 2);
        drop(ledger);
        fixture.cut("00000002.seg", 0);
        let error = fixture.try_open().map(|_| ()).expect_err("damage");
        assert!(matches!(&error, OpenError::SegmentHeader { path, .. } if path.ends_with("00000002.seg")), "{error}");
        assert!(fixture.file("00000002.seg").exists());
    }

    #[test]
    fn zeros_where_a_group_should_be_are_a_torn_tail() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let kept = append(&mut ledger, 3).end.offset;
        fixture.cut(FIRST, u64::from(kept) + 4096);
        drop(ledger);
        let (ledger, opened) = fixture.open();
        assert_eq!(opened.cut.map(|cut| (cut.offset, cut.bytes)), Some((kept, 4096)));
        assert_eq!(opened.lost_leaves, 0);
        assert_holds(&ledger, 3);
    }

    #[test]
    fn damage_below_the_signed_size_stops_with_file_and_offset() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 2);
        let (start, derived) = (ledger.end().offset, fixture.derived_lengths());
        let end = append(&mut ledger, 2).end.offset;
        ledger.signed(4, b"note");
        append(&mut ledger, 2);
        drop(ledger);
        let mut records = Vec::new();
        for offset in start..end {
            let damaged = fixture.copy();
            damaged.flip(FIRST, offset.into());
            // The segment alone shows it.
            damaged.cut_derived(derived);
            let error = damaged.try_open().map(|_| ()).expect_err("damage");
            let OpenError::Damaged { path, offset: found, .. } = &error else { panic!("{error}") };
            assert_eq!(path, &damaged.file(FIRST));
            assert!((start..=offset).contains(found), "{found} for {offset}");
            assert!(error.to_string().contains("sinergi recover"), "{error}");
            records.push(*found);
            assert_eq!(damaged.length(FIRST), fixture.length(FIRST), "nothing was cut");
        }
        records.dedup();
        assert_eq!(records.len(), 7, "head, two contents, two leaves, a receipt, a signature");
    }

    #[test]
    fn damage_before_a_later_group_is_no_torn_tail_even_if_nothing_was_signed() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let offset = append(&mut ledger, 2).end.offset;
        append(&mut ledger, 0);
        append(&mut ledger, 0);
        drop(ledger);
        fixture.flip(FIRST, u64::from(offset) + 2);
        let error = fixture.try_open().map(|_| ()).expect_err("damage");
        assert!(matches!(error, OpenError::Damaged { offset: found, .. } if found == offset), "{error}");
    }

    #[test]
    fn a_later_group_is_seen_wherever_it_lies_to_the_read_buffer() {
        const PREFIX: u32 = 16;
        for distance in [SCAN_BYTES - 4, SCAN_BYTES, SCAN_BYTES + 4, 2 * SCAN_BYTES - 4, 2 * SCAN_BYTES] {
            let fixture = Fixture::new();
            let (mut ledger, _) = fixture.open();
            let offset = append(&mut ledger, 2).end.offset;
            let mut group = ledger.begin();
            let body = vec![0xff; distance as usize - group.length() - PREFIX as usize];
            group.record(RecordKind::Routing, &[], &body).expect("room");
            let head = ledger.commit(group).expect("a commit").end;
            assert_eq!(head.offset, offset + distance);
            append(&mut ledger, 0);
            drop(ledger);
            fixture.flip(FIRST, u64::from(offset) + 8);
            let error = fixture.try_open().map(|_| ()).expect_err("damage");
            assert!(
                matches!(error, OpenError::Damaged { offset: found, .. } if found == offset),
                "{distance}: {error}"
            );
        }
    }

    #[test]
    fn content_that_looks_like_a_group_head_does_not_stop_a_torn_tail_from_being_cut() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let kept = append(&mut ledger, 2).end.offset;
        let mut forged = Vec::new();
        let own = super::super::record::Own::Group { signed_size: u64::MAX, bytes: 0 };
        super::super::record::encode(&mut forged, 0, RecordKind::Signed, own, &[], b"note");
        forged.extend([1; 16]);
        let mut group = ledger.begin();
        group.record(RecordKind::Routing, &[], &forged).expect("room");
        ledger.commit(group).expect("a commit");
        drop(ledger);
        fixture.cut(FIRST, fixture.length(FIRST) - 4);
        assert_eq!(fixture.open().1.cut.expect("a cut").offset, kept);
    }

    #[test]
    fn bytes_after_a_damaged_group_show_that_more_than_one_was_lost() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        let kept = append(&mut ledger, 2).end.offset;
        let damaged = append(&mut ledger, 1).end.offset;
        drop(ledger);
        let one = fixture.copy();
        one.cut(FIRST, u64::from(damaged) - 4);
        // Otherwise hashes and positions show that the group was synced.
        one.cut_derived([0, 0]);
        let cut = one.open().1.cut.expect("a cut");
        assert_eq!((cut.offset, cut.is_more_than_one), (kept, false), "the last group was torn");
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 1);
        drop(ledger);
        // The last byte of the group before, and the head of the last one.
        fixture.flip(FIRST, u64::from(damaged) - 1);
        fixture.flip(FIRST, u64::from(damaged) + 8);
        fixture.cut_derived([0, 0]);
        let cut = fixture.open().1.cut.expect("a cut");
        assert_eq!((cut.offset, cut.is_more_than_one), (kept, true), "two groups were lost");
    }

    #[test]
    fn a_segment_whose_creation_was_interrupted_is_removed() {
        for length in [0, 1, 79, 80] {
            let fixture = Fixture::with_segments_of(500);
            let (mut ledger, _) = fixture.open();
            append(&mut ledger, 9);
            drop(ledger);
            fs::write(fixture.file("00000002.seg"), vec![0; length]).expect("a torn header");
            let (mut ledger, opened) = fixture.open();
            assert_eq!(opened.removed, Some(fixture.file("00000002.seg")));
            append(&mut ledger, 1);
            assert_holds(&ledger, 10);
            assert_eq!(ledger.end().segment, 2);
        }
        let first = Fixture::new();
        fs::write(first.file(FIRST), b"SNRG").expect("a torn header");
        assert!(first.open().1.created);
    }

    #[test]
    fn a_torn_segment_before_an_interrupted_creation_is_damage() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 2);
        drop(ledger);
        fixture.cut(FIRST, fixture.length(FIRST) - 4);
        fixture.cut_derived([0, 0]);
        fs::write(fixture.file("00000002.seg"), b"").expect("a torn header");
        assert!(matches!(fixture.try_open(), Err(OpenError::Damaged { .. })));
        assert!(fixture.file("00000002.seg").exists());
    }

    #[test]
    fn a_missing_damaged_or_foreign_segment_stops() {
        let fixture = Fixture::with_segments_of(500);
        let (mut ledger, _) = fixture.open();
        while ledger.end().segment < 4 {
            append(&mut ledger, 5);
        }
        drop(ledger);
        let without = |name: &str| {
            let copy = fixture.copy();
            fs::remove_file(copy.file(name)).expect("the file");
            copy.try_open().map(|_| ()).expect_err("a missing segment")
        };
        assert!(matches!(without(FIRST), OpenError::MissingSegment { .. }));
        let missing = without("00000003.seg");
        assert!(
            matches!(&missing, OpenError::MissingSegment { path, .. } if path.ends_with("00000003.seg")),
            "{missing}"
        );

        let damaged = fixture.copy();
        damaged.flip("00000002.seg", 30);
        assert!(matches!(damaged.try_open(), Err(OpenError::SegmentHeader { .. })));

        let mut foreign = fixture.copy();
        foreign.options.epoch = Some(Epoch(2));
        assert!(matches!(foreign.try_open(), Err(OpenError::WrongEpoch { found: Epoch(1), .. })));
        let bytes = fs::read(fixture.file("00000002.seg")).expect("the file");
        let header = SegmentHeader { epoch: Epoch(2), ..SegmentHeader::decode(&bytes).expect("a header") };
        let other = [&header.encode()[..], &bytes[80..]].concat();
        fs::write(fixture.file("00000002.seg"), other).expect("a write");
        assert!(matches!(fixture.try_open(), Err(OpenError::WrongEpoch { found: Epoch(2), .. })));
    }

    #[test]
    fn a_ledger_without_segments_but_with_a_tree_is_not_made_anew() {
        let fixture = Fixture::new();
        append(&mut fixture.open().0, 2);
        fs::remove_file(fixture.file(FIRST)).expect("the file");
        assert!(matches!(fixture.try_open(), Err(OpenError::MissingSegment { .. })));
    }

    #[test]
    fn a_ledger_is_opened_once_at_a_time() {
        let fixture = Fixture::new();
        let held = fixture.open();
        assert!(matches!(fixture.try_open(), Err(OpenError::InUse { .. })));
        drop(held);
        fixture.open();
    }

    #[test]
    fn a_new_ledger_begins_the_epoch_that_was_asked_for() {
        let mut fixture = Fixture::new();
        fixture.options.epoch = Some(Epoch(3));
        assert_eq!(fixture.open().0.epoch(), Epoch(3));
        fixture.options.epoch = None;
        assert_eq!(fixture.open().0.epoch(), Epoch(3));
    }
}
