//! A group: the records that become durable together, encoded where they will lie.
//!
//! It must not know files beyond looking up the newest content of an older leaf.
//!
//! Invariants:
//! - the first record is the group head, which is filled in last: the length of the group, and the newest checkpoint that is signed by then;
//! - positions and indexes are those that commit will give, because groups are built one after the other, each on the end of the one before;
//! - a refused record leaves the group as it was.

use std::collections::HashMap;
use std::sync::Arc;

use sinergi_proto::base::ids::LedgerIndex;
use tlog_tiles::Hash;

use super::derived::Batch;
use super::files::Files;
use super::record::{self, Own};
use super::{AppendError, GROUP_BYTES_MAX, HEADER_BYTES_MAX, Position, ReadError, RecordKind};

/// Records that are being collected for one commit. Dropped without a commit, it leaves no trace.
pub struct Group {
    files: Arc<Files>,
    /// The group before, which may not be on the disk yet.
    last: LastGroup,
    pub(super) start: Position,
    pub(super) seed: u32,
    pub(super) first_leaf: u64,
    /// Bytes for a note in the head.
    note_room: usize,
    head_bytes: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) batch: Batch,
    pub(super) newest_content: Arc<HashMap<u64, Position>>,
}

/// The group before the next one, which may not be on the disk yet.
#[derive(Clone)]
pub(super) struct LastGroup {
    /// Its first position. Everything before it must be on the disk.
    pub(super) start: Position,
    /// Its first leaf.
    pub(super) first_leaf: u64,
    /// The newest content of each leaf that it holds contents of.
    pub(super) contents: Arc<HashMap<u64, Position>>,
}

impl Group {
    /// A group that will begin at `start`, after the group `last`, with so much room for a note in its head; `bytes` is room for all of it.
    pub(super) fn new(
        files: Arc<Files>,
        last: LastGroup,
        start: Position,
        seed: u32,
        first_leaf: u64,
        note_room: usize,
        mut bytes: Vec<u8>,
    ) -> Self {
        let head = Own::Group { signed_size: 0, bytes: 0 };
        record::encode(&mut bytes, seed, RecordKind::Signed, head, &vec![0; note_room], &[]);
        let (head_bytes, batch, newest_content) = (bytes.len(), Batch::default(), Arc::default());
        Self { files, last, start, seed, first_leaf, note_room, head_bytes, bytes, batch, newest_content }
    }

    /// The group's first position. Records before it belong to earlier groups.
    pub fn start(&self) -> Position {
        self.start
    }

    /// Its end so far.
    pub fn end(&self) -> Position {
        Position { offset: self.start.offset + self.bytes.len() as u32, ..self.start }
    }

    /// The index that the next leaf gets.
    pub fn next_index(&self) -> LedgerIndex {
        LedgerIndex(self.first_leaf + self.batch.leaves.len() as u64)
    }

    /// Bytes that the group takes so far.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.head_bytes
    }

    /// Adds a leaf; its index.
    pub fn leaf(&mut self, header: &[u8], leaf: &[u8]) -> Result<LedgerIndex, AppendError> {
        self.hashed_leaf(header, leaf, tlog_tiles::record_hash(leaf))
    }

    /// Adds a leaf whose RFC 6962 hash is known; its index.
    pub fn hashed_leaf(&mut self, header: &[u8], leaf: &[u8], hash: Hash) -> Result<LedgerIndex, AppendError> {
        let index = self.next_index();
        let position = self.push(RecordKind::Leaf, Own::Leaf { index: index.0 }, header, leaf)?;
        self.batch.leaves.push((hash, position));
        Ok(index)
    }

    /// Adds this node's signature over leaves of this group, in their order.
    pub fn signature(&mut self, leaves: &[LedgerIndex], signature: &[u8]) -> Result<Position, AppendError> {
        let next = self.next_index();
        let Some(first) = leaves.first().copied() else { return Err(AppendError::NoSuchLeaf { index: next, next }) };
        let mut header = Vec::with_capacity(4 * leaves.len());
        for leaf in leaves {
            let distance = leaf.0.checked_sub(first.0).and_then(|distance| u32::try_from(distance).ok());
            let distance = distance.filter(|_| first.0 >= self.first_leaf && *leaf < next);
            header.extend(distance.ok_or(AppendError::NoSuchLeaf { index: *leaf, next })?.to_le_bytes());
        }
        let position = self.push(RecordKind::Signature, Own::Signature { first: first.0 }, &header, signature)?;
        self.batch.signatures.extend(leaves.iter().map(|leaf| (leaf.0, position)));
        Ok(position)
    }

    /// Adds content of an entry: of a leaf of this group, or of the next one, which then must follow before the commit, or of a leaf before
    /// this group, when all groups but the one before this are on the disk.
    pub fn content(&mut self, leaf: LedgerIndex, header: &[u8], body: &[u8]) -> Result<Position, AppendError> {
        if leaf > self.next_index() {
            return Err(AppendError::NoSuchLeaf { index: leaf, next: self.next_index() });
        }
        let previous = match self.newest_content.get(&leaf.0) {
            Some(position) => Some(*position),
            None if leaf.0 < self.first_leaf => self.content_before(leaf)?,
            None => None,
        };
        let own = Own::Content { index: leaf.0, previous };
        let position = self.push(RecordKind::Content, own, header, body)?;
        Arc::make_mut(&mut self.newest_content).insert(leaf.0, position);
        self.batch.contents.push((leaf.0, position));
        Ok(position)
    }

    fn content_before(&self, leaf: LedgerIndex) -> Result<Option<Position>, ReadError> {
        if leaf.0 >= self.last.first_leaf || self.last.contents.contains_key(&leaf.0) {
            return Ok(self.last.contents.get(&leaf.0).copied());
        }
        let end = self.files.settled();
        if end < self.last.start {
            return Err(ReadError::BeyondEnd { position: self.last.start, end });
        }
        Ok(self.files.derived.places(leaf)?.content)
    }

    /// Adds any other record; where it will be.
    pub fn record(&mut self, kind: RecordKind, header: &[u8], body: &[u8]) -> Result<Position, AppendError> {
        match kind {
            RecordKind::Leaf
            | RecordKind::Content
            | RecordKind::Signature
            | RecordKind::Signed
            | RecordKind::Unknown(_) => Err(AppendError::NotARecord(kind)),
            _ => self.push(kind, Own::None, header, body),
        }
    }

    pub(super) fn push(
        &mut self,
        kind: RecordKind,
        own: Own,
        header: &[u8],
        body: &[u8],
    ) -> Result<Position, AppendError> {
        for (what, length, bound) in
            [("header", header.len(), HEADER_BYTES_MAX), ("body", body.len(), kind.body_bound())]
        {
            if length > bound {
                return Err(AppendError::TooLarge { what, kind, length, bound });
            }
        }
        let length = record::encoded_length(header.len(), body.len());
        if self.bytes.len() + length > GROUP_BYTES_MAX {
            return Err(AppendError::GroupFull { length });
        }
        let offset = self.start.offset + self.bytes.len() as u32;
        record::encode(&mut self.bytes, self.seed, kind, own, header, body);
        Ok(Position { segment: self.start.segment, offset })
    }

    /// Fills in the head, with the newest checkpoint that was signed (a note that it has no room for is left out); what is wrong with the
    /// group, if anything.
    pub(super) fn finish(&mut self, signed_size: u64, note: &[u8]) -> Result<(), &'static str> {
        let next = self.next_index().0;
        if self.batch.contents.iter().any(|(index, _)| *index >= next) {
            return Err("it holds content of a leaf that was not appended after it");
        }
        let bytes = u32::try_from(self.bytes.len() - self.head_bytes).expect("groups are bounded");
        let note = if note.len() <= self.note_room { note } else { &[] };
        let unused = vec![0; self.note_room - note.len()];
        let mut head = Vec::with_capacity(self.head_bytes);
        record::encode(&mut head, self.seed, RecordKind::Signed, Own::Group { signed_size, bytes }, &unused, note);
        self.bytes[..self.head_bytes].copy_from_slice(&head);
        Ok(())
    }
}
