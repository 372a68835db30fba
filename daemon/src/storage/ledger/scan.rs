//! Reading records, one after the other or one at a position: the only code that takes records out of files.
//!
//! It must not know what records mean to each other (groups: tail.rs and verify.rs).
//!
//! Invariants:
//! - nothing after the published end is read;
//! - a length is checked against its bound and the end before a byte of it is allocated or read;
//! - every record that is returned has passed its checksums.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::files::Files;
use super::record::{ALIGNMENT, BodyState, Own, PREFIX_BYTES, Prefix};
use super::segment::SEGMENT_HEADER_BYTES;
use super::{Position, Problem, ReadError, Record, RecordKind};

/// Buffer of a sequential reader, in bytes.
pub(super) const SCAN_BYTES: u32 = 1024 * 1024;
/// Buffer for one record, in bytes; a larger one is read in a second step.
pub(super) const SINGLE_BYTES: u32 = 4096;

/// Which bodies are read and checked; of the others only the header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    All,
    OfLeaves,
}

/// The end of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The end of all records that are on the disk and in the derived files.
    Settled,
    /// The end of this segment, or of what is on the disk in it.
    EndOf(u32),
}

/// All records from a position on, in order. `None` at the end of what is durable; when the ledger has grown, the next call goes
/// on. After an error it stays at its end.
pub struct Records {
    files: Arc<Files>,
    at: Position,
    bodies: Bodies,
    until: Until,
    capacity: u32,
    buffer: Vec<u8>,
    buffer_at: Position,
    file: Option<(u32, Arc<File>)>,
    failed: bool,
    /// The damaged record without its body, if its header is intact: where the next one begins is known.
    damaged: Option<Record>,
}

impl Records {
    pub(super) fn new(files: Arc<Files>, at: Position, bodies: Bodies, until: Until, capacity: u32) -> Self {
        let buffer_at = at;
        let (buffer, file, failed, damaged) = (Vec::new(), None, false, None);
        Self { files, at, bodies, until, capacity, buffer, buffer_at, file, failed, damaged }
    }

    /// The position of the next record, or of the damaged one.
    pub fn position(&self) -> Position {
        self.at
    }

    /// After damage to a body: goes on behind that record, and gives it without its body. `None` if its header is damaged too, so
    /// that nobody knows where it ends.
    pub(crate) fn pass_over_damage(&mut self) -> Option<Record> {
        let record = self.damaged.take()?;
        self.at = record.end();
        self.failed = false;
        Some(record)
    }

    /// After damage whose length nobody knows: goes on at the next record with an intact header; `false` if there is none.
    pub(crate) fn pass_to_next_record(&mut self) -> bool {
        /// The unit in which a disk fails to read, in bytes.
        const SECTOR: u32 = 4096;
        let mut step = ALIGNMENT as u32;
        while let Ok(Some((_, limit))) = self.limit() {
            self.at.offset = limit.min((self.at.offset + step) / step * step);
            let Ok(Some((seed, limit))) = self.limit() else { return false };
            step = match self.begins_record(seed, limit) {
                Ok(true) => {
                    self.failed = false;
                    return true;
                }
                Err(ReadError::Io { .. }) => SECTOR,
                Ok(false) | Err(_) => ALIGNMENT as u32,
            };
        }
        false
    }

    fn begins_record(&mut self, seed: u32, limit: u32) -> Result<bool, ReadError> {
        let start = self.load(PREFIX_BYTES as u32, limit)?;
        let prefix = self.buffer[start..].first_chunk().expect("a whole prefix is loaded");
        let Ok(prefix) = Prefix::decode(prefix) else { return Ok(false) };
        let head = prefix.head_length() as usize;
        let start = self.load(head as u32, limit)?;
        Ok(prefix.header_is_intact(seed, &self.buffer[start + PREFIX_BYTES..start + head]))
    }

    /// Where this segment ends for us; moves on to the next segment at its end. `None`: nothing more yet.
    fn limit(&mut self) -> Result<Option<(u32, u32)>, ReadError> {
        loop {
            let end = match self.until {
                Until::Settled => self.files.settled(),
                Until::EndOf(_) => self.files.durable(),
            };
            let beyond = ReadError::BeyondEnd { position: self.at, end };
            let Some(segment) = self.files.segment(self.at.segment) else { return Err(beyond) };
            let limit = if self.at.segment == end.segment { end.offset } else { segment.length };
            if self.at > end || self.at.offset > limit || self.at.offset < SEGMENT_HEADER_BYTES {
                return Err(beyond);
            }
            if self.at.offset < limit {
                return Ok(Some((segment.header.seed, limit)));
            }
            if self.at.segment == end.segment || self.until == Until::EndOf(self.at.segment) {
                return Ok(None);
            }
            self.at = Position { segment: self.at.segment + 1, offset: SEGMENT_HEADER_BYTES };
        }
    }

    /// Sees to it that the buffer holds this many bytes from the current position on; where in the buffer they begin.
    fn load(&mut self, length: u32, limit: u32) -> Result<usize, ReadError> {
        if length > limit - self.at.offset {
            return Err(self.damage(Problem::Incomplete { length, end: limit }));
        }
        let held = self.at.offset.wrapping_sub(self.buffer_at.offset) as usize;
        if self.buffer_at.segment == self.at.segment
            && self.at >= self.buffer_at
            && held + length as usize <= self.buffer.len()
        {
            return Ok(held);
        }
        let file = match &self.file {
            Some((number, file)) if *number == self.at.segment => file,
            _ => &self.file.insert((self.at.segment, self.files.file(self.at.segment)?)).1,
        };
        self.buffer.resize(length.max(self.capacity).min(limit - self.at.offset) as usize, 0);
        self.buffer_at = self.at;
        if let Err(source) = file.read_exact_at(&mut self.buffer, self.at.offset.into()) {
            self.buffer.clear();
            return Err(ReadError::Io {
                path: self.files.path(self.at.segment),
                offset: self.at.offset.into(),
                source,
            });
        }
        Ok(0)
    }

    fn damage(&self, problem: Problem) -> ReadError {
        let path = self.files.path(self.at.segment);
        ReadError::Damaged { path, offset: self.at.offset.into(), problem }
    }

    fn step(&mut self) -> Result<Option<Record>, ReadError> {
        let Some((seed, limit)) = self.limit()? else { return Ok(None) };
        let start = self.load(PREFIX_BYTES as u32, limit)?;
        let prefix = self.buffer[start..].first_chunk().expect("a whole prefix is loaded");
        let prefix = Prefix::decode(prefix).map_err(|problem| self.damage(problem))?;
        let (head, length) = (prefix.head_length() as usize, prefix.total_length());

        let start = self.load(head as u32, limit)?;
        let header = &self.buffer[start + PREFIX_BYTES..start + head];
        if !prefix.header_is_intact(seed, header) {
            return Err(self.damage(Problem::HeaderChecksum));
        }
        let (own, header) = Own::decode(prefix.kind, header).map_err(|problem| self.damage(problem))?;
        let mut record = Record {
            position: self.at,
            kind: prefix.kind,
            header: header.to_vec(),
            body: Vec::new(),
            erased: false,
            own,
            length,
        };
        if length > limit - self.at.offset {
            return Err(self.damage(Problem::Incomplete { length, end: limit }));
        }
        if self.bodies == Bodies::All || prefix.kind == RecordKind::Leaf {
            let start = self.load(length, limit)?;
            let (body, padding) =
                self.buffer[start + head..start + length as usize].split_at(prefix.body_length as usize);
            match prefix.body_state(body, padding) {
                Ok(BodyState::Intact) => record.body = body.to_vec(),
                Ok(BodyState::Erased) => record.erased = true,
                Err(problem) => {
                    self.damaged = Some(record);
                    return Err(self.damage(problem));
                }
            }
        }
        self.at.offset += length;
        Ok(Some(record))
    }
}

impl Iterator for Records {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        step.transpose()
    }
}

/// The record at this position, if it is on the disk.
pub(super) fn record_at(files: &Arc<Files>, position: Position, bodies: Bodies) -> Result<Record, ReadError> {
    let beyond = || ReadError::BeyondEnd { position, end: files.durable() };
    if position >= files.durable() {
        return Err(beyond());
    }
    let mut records = Records::new(Arc::clone(files), position, bodies, Until::EndOf(position.segment), SINGLE_BYTES);
    records.next().unwrap_or_else(|| Err(beyond()))
}
