//! Scans the newest segment at open: finds the end of its last whole group, and whether the bytes after it may be cut.
//!
//! It must not know the derived files, and changes nothing.
//!
//! Invariants:
//! - a group counts as a whole or not at all;
//! - the fdatasync of a group returned before the head of the next one was written. So damage before an intact group head is not a
//!   torn write, and is never cut. Leaves below the largest signed size are never cut either.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::files::{Files, Segment};
use super::record::{ALIGNMENT, Own};
use super::scan::{Bodies, Records, SCAN_BYTES, Until, record_at};
use super::segment::SEGMENT_HEADER_BYTES;
use super::{NOTE_BYTES_MAX, OpenError, Position, Problem, ReadError, Record, RecordKind};

/// The result of scanning the newest segment.
pub(super) struct Tail {
    /// The end of the last whole group.
    pub(super) end: Position,
    /// Leaves up to there.
    pub(super) leaves: u64,
    /// Records up to there.
    pub(super) records: u64,
    /// The largest size known signed.
    pub(super) signed_size: u64,
    /// The newest note in this segment.
    pub(super) note: Option<Vec<u8>>,
    /// The damage that ends it, if it does not end with the file: offset and problem.
    pub(super) torn: Option<(u32, Problem)>,
    /// Whether the bytes after the damaged group show that more than one group is lost.
    pub(super) lost_more: bool,
}

/// Checks that records form groups, and leaves follow each other, within one segment.
pub(super) struct Groups {
    next_leaf: u64,
    boundary: u32,
    leaves_wanted: u64,
}

impl Groups {
    /// Before the first record of a segment.
    pub(super) fn new(first_leaf: u64) -> Self {
        Self { next_leaf: first_leaf, boundary: SEGMENT_HEADER_BYTES, leaves_wanted: 0 }
    }

    /// The index of the next leaf.
    pub(super) fn next_leaf(&self) -> u64 {
        self.next_leaf
    }

    /// The end of the group whose head was read last.
    pub(super) fn boundary(&self) -> u32 {
        self.boundary
    }

    /// The next record; whether it completes a group.
    pub(super) fn accept(&mut self, record: &Record) -> Result<bool, Problem> {
        let at_boundary = record.position.offset == self.boundary;
        let end = record.end().offset;
        match record.own {
            Own::Group { signed_size, bytes } if at_boundary => {
                if signed_size > self.next_leaf {
                    return Err(Problem::Group("it says that more leaves were signed than there are"));
                }
                self.boundary = end.checked_add(bytes).ok_or(Problem::Group("a group longer than a segment"))?;
            }
            Own::Group { .. } => return Err(Problem::Group("a group begins within another one")),
            _ if at_boundary => return Err(Problem::Group("a group does not begin with its head")),
            Own::Leaf { index } if index != self.next_leaf => {
                return Err(Problem::LeafOrder { found: index, expected: self.next_leaf });
            }
            Own::Leaf { .. } => self.next_leaf += 1,
            Own::Content { index, .. } => self.leaves_wanted = self.leaves_wanted.max(index.saturating_add(1)),
            Own::Signature { .. } | Own::None => {}
        }
        if end > self.boundary {
            return Err(Problem::Group("a record reaches over the end of its group"));
        }
        let complete = end == self.boundary;
        if complete && self.leaves_wanted > self.next_leaf {
            return Err(Problem::Group("content of a leaf that is not there"));
        }
        Ok(complete)
    }
}

/// Scans the newest segment from its start, verifying everything.
pub(super) fn scan(files: &Arc<Files>, segment: &Segment) -> Result<Tail, OpenError> {
    let start = Position { segment: segment.header.number, offset: SEGMENT_HEADER_BYTES };
    let (signed_size, leaves) = (segment.header.signed_size, segment.header.first_leaf);
    let mut tail = Tail { end: start, leaves, records: 0, signed_size, note: None, torn: None, lost_more: false };
    let mut groups = Groups::new(leaves);
    let mut records = Records::new(Arc::clone(files), start, Bodies::All, Until::EndOf(start.segment), SCAN_BYTES);
    let (mut signed_size, mut note, mut count) = (signed_size, None, 0);
    while let Some(next) = records.next() {
        let (record, complete) = match next {
            Ok(record) => match groups.accept(&record) {
                Ok(complete) => (record, complete),
                Err(problem) => {
                    tail.torn = Some((record.position.offset, problem));
                    break;
                }
            },
            Err(ReadError::Damaged { problem, .. }) => {
                tail.torn = Some((records.position().offset, problem));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        count += 1;
        if let Own::Group { signed_size: size, .. } = record.own {
            signed_size = signed_size.max(size);
            note = (!record.body.is_empty()).then_some(record.body.clone()).or(note);
        }
        if complete {
            (tail.end, tail.leaves, tail.records) = (record.end(), groups.next_leaf(), count);
            (tail.signed_size, tail.note) = (signed_size, note.clone());
        }
    }
    if tail.torn.is_none() && records.position() != tail.end {
        let (length, end) = (groups.boundary() - tail.end.offset, records.position().offset);
        tail.torn = Some((tail.end.offset, Problem::Incomplete { length, end }));
    }
    // Only the head of the damaged group says how long the group is.
    tail.lost_more = tail.torn.is_some() && groups.boundary() > tail.end.offset && segment.length > groups.boundary();
    match tail.torn {
        Some((offset, problem)) => refuse_if_synced(files, segment, &tail, offset, problem)?,
        None if tail.signed_size > tail.leaves => {
            let evidence = format!("a checkpoint of size {} was signed over {} leaves", tail.signed_size, tail.leaves);
            let path = files.path(start.segment);
            let problem = Problem::Group("leaves are missing at the end");
            return Err(OpenError::Damaged { path, offset: tail.end.offset, problem, evidence });
        }
        None => {}
    }
    Ok(tail)
}

/// Returns an error if a later group head or a signed size shows that the damaged bytes had been synced.
fn refuse_if_synced(
    files: &Arc<Files>,
    segment: &Segment,
    tail: &Tail,
    offset: u32,
    problem: Problem,
) -> Result<(), OpenError> {
    let path = files.path(segment.header.number);
    if let Some(head) = next_group_head(files, segment, offset)? {
        let size = head.signed_size().unwrap_or_default();
        let evidence = format!(
            "the group at offset {} was written after it had been synced (checkpoint of size {size} signed)",
            head.position.offset
        );
        return Err(OpenError::Damaged { path, offset, problem, evidence });
    }
    if tail.signed_size > tail.leaves {
        let evidence =
            format!("{} leaves are whole, but a checkpoint of size {} was signed", tail.leaves, tail.signed_size);
        return Err(OpenError::Damaged { path, offset, problem, evidence });
    }
    Ok(())
}

/// The first intact group head after an offset. The segment's seed makes sure that no body passes for one.
fn next_group_head(files: &Arc<Files>, segment: &Segment, offset: u32) -> Result<Option<Record>, OpenError> {
    /// Bytes that are checked before a candidate is read in full.
    const LOOK: usize = 8;
    let number = segment.header.number;
    let file = files.file(number)?;
    let mut buffer = vec![0; SCAN_BYTES as usize];
    let mut at = offset.next_multiple_of(ALIGNMENT as u32) + ALIGNMENT as u32;
    while segment.length.saturating_sub(at) >= LOOK as u32 {
        let length = buffer.len().min((segment.length - at) as usize);
        let chunk = &mut buffer[..length];
        let failed = |source| ReadError::Io { path: files.path(number), offset: at.into(), source };
        file.read_exact_at(chunk, at.into()).map_err(failed)?;
        for (nth, window) in chunk.windows(LOOK).enumerate().step_by(ALIGNMENT) {
            let body_length = u32::from_le_bytes([window[0], window[1], window[2], window[3]]) as usize;
            if window[6] == RecordKind::Signed.code() && window[7] == 0 && body_length <= NOTE_BYTES_MAX {
                let position = Position { segment: number, offset: at + nth as u32 };
                if let Ok(head) = record_at(files, position, Bodies::All) {
                    return Ok(Some(head));
                }
            }
        }
        // The last bytes are too few to check; they are read again with the bytes after them.
        at += ((length - LOOK) / ALIGNMENT * ALIGNMENT + ALIGNMENT) as u32;
    }
    Ok(None)
}
