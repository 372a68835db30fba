//! The bytes of a record.
//!
//! ```text
//! 0  u32 body length      8  u32 header checksum: CRC-32 of segment seed, bytes 0..8 and header
//! 4  u16 header length   12  u32 body checksum: CRC-32 of the body
//! 6  u8  kind            16  header: the ledger's own part, then the caller's
//! 7  u8  flags (0)           body, then zeros up to a multiple of 4
//!
//! own part: Leaf       u64 leaf index
//!           Content    u64 leaf index of its entry, u64 position of the content before it (0: none)
//!           Signature  u64 leaf index of the first signed leaf; the rest of the header is a u32 for each signed leaf: its distance from the first
//!           Signed     u64 largest size signed, u32 bytes of the group behind this record, u32 0 (it heads its group), zeros; its body is the
//!                    note of that size: header and body together were laid out before the note was known
//! ```
//!
//! It must not know files or segments beyond the seed.
//!
//! Invariants:
//! - little endian; a record begins at a multiple of 4, so its body checksum never lies across two sectors;
//! - the seed is random and known to this node alone: no body can hold bytes that pass for a record;
//! - a content whose body checksum is that of zeros is erased, whatever is left of its body: the checksum is overwritten
//!   first, so an interrupted erasure is no damage;
//! - kinds that are not known are kept and passed over.

use std::fmt;

use sinergi_proto::base::ids::LedgerIndex;

use super::{BODY_BYTES_MAX, HEADER_BYTES_MAX, LEAF_BYTES_MAX, NOTE_BYTES_MAX};

/// Bytes before the header.
pub(super) const PREFIX_BYTES: usize = 16;
/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 4;
/// Offset of the body checksum in a record.
pub(super) const BODY_CHECKSUM_OFFSET: u32 = 12;
/// Largest own part of a header.
const OWN_BYTES_MAX: usize = 16;

/// The position of a record: the segment's number (from 1) and the offset in its file, in bytes. Ordered as the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Offset in the segment's file, in bytes.
    pub offset: u32,
}

impl Position {
    /// The position as one number that grows as the ledger does; never 0.
    pub fn to_bits(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }

    /// The position with this number; `None` for 0.
    pub fn from_bits(bits: u64) -> Option<Self> {
        let position = Self { segment: (bits >> 32) as u32, offset: bits as u32 };
        (position.segment > 0).then_some(position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}.seg:{}", self.segment, self.offset)
    }
}

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A leaf of the tree; body: `Entry` bytes.
    Leaf,
    /// Content of an entry.
    Content,
    /// A receipt of a peer.
    Receipt,
    /// How far this node has received a peer's ledger.
    Cursor,
    /// An item that was refused.
    Refused,
    /// An item that waits for something.
    Deferred,
    /// A deferred item that was settled.
    DeferredDone,
    /// Head of a group: the largest size signed before it; body: the signed note, if there is a new one.
    Signed,
    /// A routing or peer decision.
    Routing,
    /// A checkpoint that a peer showed; body: the signed note.
    Seen,
    /// This node's signature over leaves of the same group; body: the signature.
    Signature,
    /// The latest time that may be cosigned.
    Ceiling,
    /// How far the complaints were judged again under a newer charter.
    Judged,
    /// Items of a peer were put off.
    PutOff,
    /// A kind of a newer program.
    Unknown(u8),
}

impl RecordKind {
    /// Whether the body may be overwritten in place: it holds what the law may order forgotten, and no leaf.
    pub(super) fn is_erasable(self) -> bool {
        matches!(self, Self::Content | Self::Deferred)
    }

    /// The number in the file.
    pub fn code(self) -> u8 {
        match self {
            Self::Leaf => 1,
            Self::Content => 2,
            Self::Receipt => 3,
            Self::Cursor => 4,
            Self::Refused => 5,
            Self::Deferred => 6,
            Self::DeferredDone => 7,
            Self::Signed => 8,
            Self::Routing => 9,
            Self::Seen => 10,
            Self::Signature => 11,
            Self::Ceiling => 12,
            Self::Judged => 13,
            Self::PutOff => 14,
            Self::Unknown(code) => code,
        }
    }

    /// The kind with this number.
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Leaf,
            2 => Self::Content,
            3 => Self::Receipt,
            4 => Self::Cursor,
            5 => Self::Refused,
            6 => Self::Deferred,
            7 => Self::DeferredDone,
            8 => Self::Signed,
            9 => Self::Routing,
            10 => Self::Seen,
            11 => Self::Signature,
            12 => Self::Ceiling,
            13 => Self::Judged,
            14 => Self::PutOff,
            other => Self::Unknown(other),
        }
    }

    /// Largest body, in bytes.
    pub(super) fn body_bound(self) -> usize {
        match self {
            Self::Leaf => LEAF_BYTES_MAX,
            Self::Signed => NOTE_BYTES_MAX,
            _ => BODY_BYTES_MAX,
        }
    }
}

/// The problem of a damaged record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file ends within it.
    #[error("a record of at least {length} bytes reaches over the end at {end}")]
    Incomplete {
        /// Bytes that it needs.
        length: u32,
        /// The end of the file or segment, in bytes.
        end: u32,
    },
    /// A length over its bound.
    #[error("{what} of {value} bytes, the limit is {bound}")]
    Length {
        /// Which length.
        what: &'static str,
        /// Its value.
        value: u32,
        /// The bound.
        bound: u32,
    },
    /// Prefix or header fail their checksum.
    #[error("prefix or header do not match their checksum")]
    HeaderChecksum,
    /// The body fails its checksum.
    #[error("the body does not match its checksum")]
    BodyChecksum,
    /// A kind, flag, padding or own header that is never written.
    #[error("{0}")]
    Malformed(&'static str),
    /// A leaf out of order.
    #[error("leaf {found} where {expected} belongs")]
    LeafOrder {
        /// The index in the record.
        found: u64,
        /// The index that its place gives.
        expected: u64,
    },
    /// A group that is not complete or not where one begins.
    #[error("{0}")]
    Group(&'static str),
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its position.
    pub position: Position,
    /// Its kind.
    pub kind: RecordKind,
    /// The caller's header.
    pub header: Vec<u8>,
    /// The body; empty if it was erased, or if only leaves' bodies were asked for.
    pub body: Vec<u8>,
    /// Whether this is a content whose body was erased.
    pub erased: bool,
    pub(super) own: Own,
    pub(super) length: u32,
}

impl Record {
    /// Of a leaf its index, of a content that of its entry's leaf.
    pub fn leaf(&self) -> Option<LedgerIndex> {
        match self.own {
            Own::Leaf { index } | Own::Content { index, .. } => Some(LedgerIndex(index)),
            Own::Signature { .. } | Own::Group { .. } | Own::None => None,
        }
    }

    /// Of a signature the leaves that it is over, in their order. Empty for other records.
    pub fn signed_leaves(&self) -> impl Iterator<Item = LedgerIndex> + '_ {
        let (distances, _) = self.header.as_chunks::<4>();
        let first = match self.own {
            Own::Signature { first } => Some(first),
            _ => None,
        };
        let leaf = |first: u64| move |distance: &[u8; 4]| first + u64::from(u32::from_le_bytes(*distance));
        first.into_iter().flat_map(move |first| distances.iter().map(leaf(first))).map(LedgerIndex)
    }

    /// Of a group head (`Signed`) the largest size that was signed before it, in leaves.
    pub fn signed_size(&self) -> Option<u64> {
        match self.own {
            Own::Group { signed_size, .. } => Some(signed_size),
            _ => None,
        }
    }

    /// The position behind it, from which to read on.
    pub fn end(&self) -> Position {
        Position { segment: self.position.segment, offset: self.position.offset + self.length }
    }
}

/// The ledger's own part of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Leaf { index: u64 },
    Content { index: u64, previous: Option<Position> },
    Signature { first: u64 },
    Group { signed_size: u64, bytes: u32 },
    None,
}

impl Own {
    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Leaf { index } | Self::Signature { first: index } => out.extend(index.to_le_bytes()),
            Self::Content { index, previous } => {
                out.extend(index.to_le_bytes());
                out.extend(previous.map_or(0, Position::to_bits).to_le_bytes());
            }
            Self::Group { signed_size, bytes } => {
                out.extend(signed_size.to_le_bytes());
                out.extend(bytes.to_le_bytes());
                out.extend([0; 4]);
            }
            Self::None => {}
        }
    }

    /// The own part of a header of this kind, and the rest.
    pub(super) fn decode(kind: RecordKind, header: &[u8]) -> Result<(Self, &[u8]), Problem> {
        const SHORT: Problem = Problem::Malformed("the header is too short for its kind");
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        match kind {
            RecordKind::Leaf => {
                let (index, rest) = header.split_first_chunk().ok_or(SHORT)?;
                Ok((Self::Leaf { index: number(index) }, rest))
            }
            RecordKind::Signature => {
                let (first, rest) = header.split_first_chunk().ok_or(SHORT)?;
                Ok((Self::Signature { first: number(first) }, rest))
            }
            RecordKind::Content => {
                let (index, rest) = header.split_first_chunk().ok_or(SHORT)?;
                let (previous, rest) = rest.split_first_chunk().ok_or(SHORT)?;
                Ok((Self::Content { index: number(index), previous: Position::from_bits(number(previous)) }, rest))
            }
            RecordKind::Signed => {
                let (size, rest) = header.split_first_chunk().ok_or(SHORT)?;
                let (bytes, rest) = rest.split_first_chunk().ok_or(SHORT)?;
                let rest = rest.get(4..).ok_or(SHORT)?;
                Ok((Self::Group { signed_size: number(size), bytes: u32::from_le_bytes(*bytes) }, rest))
            }
            _ => Ok((Self::None, header)),
        }
    }
}

/// The fixed part of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    pub(super) kind: RecordKind,
    pub(super) body_length: u32,
    pub(super) header_length: u16,
    header_checksum: u32,
    pub(super) body_checksum: u32,
    covered: [u8; 8],
}

impl Prefix {
    /// The prefix in these bytes, its lengths within their bounds. Its checksum still has to be checked, with the header.
    pub(super) fn decode(bytes: &[u8; PREFIX_BYTES]) -> Result<Self, Problem> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let kind = RecordKind::from_code(bytes[6]);
        let header_length = u16::from_le_bytes([bytes[4], bytes[5]]);
        if bytes[6] == 0 {
            return Err(Problem::Malformed("a record of kind 0"));
        }
        if usize::from(header_length) > HEADER_BYTES_MAX + OWN_BYTES_MAX {
            let bound = (HEADER_BYTES_MAX + OWN_BYTES_MAX) as u32;
            return Err(Problem::Length { what: "a header", value: header_length.into(), bound });
        }
        if word(0) as usize > kind.body_bound() {
            return Err(Problem::Length { what: "a body", value: word(0), bound: kind.body_bound() as u32 });
        }
        let mut covered = [0; 8];
        covered.copy_from_slice(&bytes[..8]);
        Ok(Self {
            kind,
            body_length: word(0),
            header_length,
            header_checksum: word(8),
            body_checksum: word(12),
            covered,
        })
    }

    /// Bytes of prefix and header.
    pub(super) fn head_length(&self) -> u32 {
        PREFIX_BYTES as u32 + u32::from(self.header_length)
    }

    /// Bytes of the whole record with its padding.
    pub(super) fn total_length(&self) -> u32 {
        (self.head_length() + self.body_length).next_multiple_of(ALIGNMENT as u32)
    }

    /// Whether prefix and header are what was written.
    pub(super) fn header_is_intact(&self, seed: u32, header: &[u8]) -> bool {
        header_checksum(seed, &self.covered, header) == self.header_checksum
    }

    /// Whether the body (with its padding) is what was written, and whether it was erased.
    pub(super) fn body_state(&self, body: &[u8], padding: &[u8]) -> Result<BodyState, Problem> {
        let is_erasable = self.kind.is_erasable() && self.body_length > 0;
        if padding.iter().any(|byte| *byte != 0) {
            Err(Problem::Malformed("the padding is not zero"))
        } else if crc32fast::hash(body) == self.body_checksum {
            let erased = is_erasable && body.iter().all(|byte| *byte == 0);
            Ok(if erased { BodyState::Erased } else { BodyState::Intact })
        } else if is_erasable && zeros_checksum(self.body_length) == self.body_checksum {
            Ok(BodyState::Erased)
        } else {
            Err(Problem::BodyChecksum)
        }
    }
}

/// The state of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyState {
    Intact,
    Erased,
}

/// The body checksum of this many zeros: the mark of an erased content.
pub(super) fn zeros_checksum(length: u32) -> u32 {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut hasher = crc32fast::Hasher::new();
    let mut left = length as usize;
    while left > 0 {
        let step = left.min(ZEROS.len());
        hasher.update(&ZEROS[..step]);
        left -= step;
    }
    hasher.finalize()
}

/// Bytes that a record with a header and body of these lengths takes, at most.
pub(super) fn encoded_length(header: usize, body: usize) -> usize {
    (PREFIX_BYTES + OWN_BYTES_MAX + header + body).next_multiple_of(ALIGNMENT)
}

/// Appends a record. The lengths have been checked against their bounds.
pub(super) fn encode(out: &mut Vec<u8>, seed: u32, kind: RecordKind, own: Own, header: &[u8], body: &[u8]) {
    let start = out.len();
    out.extend([0; PREFIX_BYTES]);
    own.encode(out);
    out.extend(header);
    let header_length = out.len() - start - PREFIX_BYTES;
    let body_length = u32::try_from(body.len()).expect("bodies are bounded");
    let mut covered = [0; 8];
    covered[..4].copy_from_slice(&body_length.to_le_bytes());
    covered[4..6].copy_from_slice(&u16::try_from(header_length).expect("headers are bounded").to_le_bytes());
    covered[6] = kind.code();
    let checksum = header_checksum(seed, &covered, &out[start + PREFIX_BYTES..]);
    out[start..start + 8].copy_from_slice(&covered);
    out[start + 8..start + 12].copy_from_slice(&checksum.to_le_bytes());
    out[start + 12..start + 16].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    out.extend(body);
    let padded = (out.len() - start).next_multiple_of(ALIGNMENT);
    out.resize(start + padded, 0);
}

fn header_checksum(seed: u32, covered: &[u8; 8], header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(covered);
    hasher.update(header);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(kind: RecordKind, body: &[u8]) -> (Prefix, Vec<u8>) {
        let mut out = Vec::new();
        encode(&mut out, 7, kind, Own::None, b"head", body);
        let prefix = Prefix::decode(out.first_chunk().expect("a prefix")).expect("bounds");
        (prefix, out)
    }

    #[test]
    fn a_record_takes_a_multiple_of_four_bytes_and_survives_writing() {
        for length in 0..9 {
            let body = vec![0xa5; length];
            let (prefix, out) = encoded(RecordKind::Receipt, &body);
            assert_eq!(out.len() as u32, prefix.total_length());
            assert_eq!(out.len() % ALIGNMENT, 0);
            assert!(prefix.header_is_intact(7, &out[16..20]));
            assert_eq!(prefix.body_state(&out[20..20 + length], &out[20 + length..]), Ok(BodyState::Intact));
        }
    }

    #[test]
    fn another_seed_does_not_pass_for_a_record() {
        let (prefix, out) = encoded(RecordKind::Receipt, b"body");
        assert!(!prefix.header_is_intact(8, &out[16..20]));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (_, out) = encoded(RecordKind::Receipt, b"body.");
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let seen = match Prefix::decode(bad.first_chunk().expect("a prefix")) {
                Err(_) => true,
                Ok(prefix) if prefix.total_length() as usize != bad.len() => true,
                Ok(prefix) => {
                    let body = prefix.head_length() as usize..(prefix.head_length() + prefix.body_length) as usize;
                    !prefix.header_is_intact(7, &bad[16..body.start])
                        || prefix.body_state(&bad[body.clone()], &bad[body.end..]).is_err()
                }
            };
            assert!(seen, "bit {bit}");
        }
    }

    #[test]
    fn a_length_over_its_bound_is_damage() {
        let (_, mut out) = encoded(RecordKind::Leaf, b"leaf");
        out[..4].copy_from_slice(&(LEAF_BYTES_MAX as u32 + 1).to_le_bytes());
        let found = Prefix::decode(out.first_chunk().expect("a prefix"));
        assert!(matches!(found, Err(Problem::Length { what: "a body", .. })), "{found:?}");
    }

    #[test]
    fn a_content_that_is_half_erased_counts_as_erased() {
        let (mut prefix, _) = encoded(RecordKind::Content, b"personal");
        prefix.body_checksum = zeros_checksum(8);
        assert_eq!(prefix.body_state(b"\0\0\0\0onal", &[]), Ok(BodyState::Erased));
        assert_eq!(prefix.body_state(&[0; 8], &[]), Ok(BodyState::Erased));
    }

    #[test]
    fn zeros_that_a_torn_write_left_are_no_erasure() {
        let (prefix, _) = encoded(RecordKind::Content, b"personal");
        assert_eq!(prefix.body_state(&[0; 8], &[]), Err(Problem::BodyChecksum));
    }

    #[test]
    fn positions_keep_their_order_as_numbers() {
        let early = Position { segment: 1, offset: u32::MAX };
        let late = Position { segment: 2, offset: 80 };
        assert!(early < late && early.to_bits() < late.to_bits());
        assert_eq!(Position::from_bits(late.to_bits()), Some(late));
        assert_eq!(Position::from_bits(0), None);
        assert_eq!(late.to_string(), "00000002.seg:80");
    }
}
