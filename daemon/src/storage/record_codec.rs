//! Encodes the typed records of the ledger as bytes, and decodes them. No other file knows the layout of a [`Record`].
//!
//! A record of the ledger has a header and a body. This node writes the header for itself, and it never leaves the node. The store is derived
//! from headers and entries. The body of a leaf is the bare entry; the envelope of a received entry is in the header, and the signature over new own
//! entries is a record of its own. The body of a content is its salt (32 bytes) and its data. Every other body holds received bytes, unchanged.
//!
//! Invariant: the first byte of a header is the version of its layout, so that a later program can read it.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sinergi_proto::base::ids::EntryId;
use sinergi_proto::engine::{
    CeilingHeader, CursorHeader, DeferredDoneHeader, DeferredHeader, JudgedHeader, LeafHeader, PutOffHeader,
    ReceiptHeader, Record, RefusedHeader, RoutingHeader, SeenHeader,
};
use sinergi_proto::entry::Envelope;
use sinergi_proto::entry::content::Content;
use tlog_tiles::Hash;

use crate::storage::ledger::{self, AppendError, Group, Position, RecordKind};

const LAYOUT: u8 = 3;
/// Most headers fit in this many bytes: one allocation is enough for them.
const USUAL_BYTES: usize = 128;

/// The header of a content record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHeader {
    /// The entry that commits to it.
    pub entry: EntryId,
    /// The number of the commitment in that entry.
    pub commitment: u32,
}

/// The header of a record, by the record's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// Of a leaf.
    Leaf(LeafHeader),
    /// Of a content.
    Content(ContentHeader),
    /// Of a receipt from a peer.
    Receipt(ReceiptHeader),
    /// How far this node has received a peer's ledger.
    Cursor(CursorHeader),
    /// Of a checkpoint that another agency signed.
    Seen(SeenHeader),
    /// Of an item that this node refused.
    Refused(RefusedHeader),
    /// Of an item that this node deferred.
    Deferred(DeferredHeader),
    /// An item is no longer deferred.
    DeferredDone(DeferredDoneHeader),
    /// An order to send leaves that are already in the ledger.
    Routing(RoutingHeader),
    /// The latest time that may be cosigned.
    Ceiling(CeilingHeader),
    /// How far the complaints were judged again under a newer charter.
    Judged(JudgedHeader),
    /// Items of a peer were put off.
    PutOff(PutOffHeader),
    /// A record of the ledger itself, or of a kind that only a later program knows.
    Other,
}

/// The header of a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// A later program wrote it.
    #[error(
        "the header of the record at {position} has layout {layout}, this program knows {LAYOUT}: run the program that wrote it"
    )]
    Layout {
        /// The record.
        position: Position,
        /// The layout; 0 if there is none.
        layout: u8,
    },
    /// It is damaged, although its checksum is right.
    #[error("the header of the record at {position} cannot be read: {source}")]
    Malformed {
        /// The record.
        position: Position,
        /// The error of the decoder.
        source: postcard::Error,
    },
}

impl Header {
    /// Reads the header of a record.
    ///
    /// # Errors
    /// A later program wrote it, or it is damaged.
    pub fn of(record: &ledger::Record) -> Result<Self, HeaderError> {
        Ok(match record.kind {
            RecordKind::Leaf => Self::Leaf(leaf_header(record)?),
            RecordKind::Content => Self::Content(decode(record)?),
            RecordKind::Receipt => Self::Receipt(decode(record)?),
            RecordKind::Cursor => Self::Cursor(decode(record)?),
            RecordKind::Seen => Self::Seen(decode(record)?),
            RecordKind::Refused => Self::Refused(decode(record)?),
            RecordKind::Deferred => Self::Deferred(decode(record)?),
            RecordKind::DeferredDone => Self::DeferredDone(decode(record)?),
            RecordKind::Routing => Self::Routing(decode(record)?),
            RecordKind::Ceiling => Self::Ceiling(decode(record)?),
            RecordKind::Judged => Self::Judged(decode(record)?),
            RecordKind::PutOff => Self::PutOff(decode(record)?),
            RecordKind::Signature | RecordKind::Signed | RecordKind::Unknown(_) => Self::Other,
        })
    }
}

/// The header of a leaf record.
#[derive(Serialize, Deserialize)]
struct StoredLeaf {
    header: LeafHeader,
    /// The bytes of the envelope. Empty for an own entry whose signature is a record of its own.
    envelope: Vec<u8>,
}

/// Reads the header of a leaf.
///
/// # Errors
/// A later program wrote it, or it is damaged.
pub fn leaf_header(leaf: &ledger::Record) -> Result<LeafHeader, HeaderError> {
    Ok(decode::<StoredLeaf>(leaf)?.header)
}

/// Reads the header of a leaf and the envelope beside it. There is none for an own entry whose signature is a record of its own.
///
/// # Errors
/// A later program wrote the header, or it is damaged.
pub fn leaf_beside(leaf: &ledger::Record) -> Result<(LeafHeader, Option<Envelope>), HeaderError> {
    let StoredLeaf { header, envelope } = decode(leaf)?;
    Ok((header, Envelope::from_bytes(&envelope)))
}

/// Reads a content record. `None` if the content was erased, or the record holds no content.
///
/// # Errors
/// A later program wrote it, or it is damaged.
pub fn content(record: &ledger::Record) -> Result<Option<Content>, HeaderError> {
    let Header::Content(ContentHeader { commitment, .. }) = Header::of(record)? else { return Ok(None) };
    let body = record.body.split_first_chunk::<32>().filter(|_| !record.erased);
    let parse =
        |(salt, data): (&[u8; 32], &[u8])| Content { commitment, salt: *salt, data: Bytes::copy_from_slice(data) };
    Ok(body.map(parse))
}

/// Adds a record to a group and returns the position that it will have.
///
/// # Errors
/// The record or the group is too large.
pub fn append(group: &mut Group, record: &Record) -> Result<Position, AppendError> {
    match record {
        Record::Leaf { header, entry } => {
            let position = group.end();
            let envelope = entry.envelope.as_ref().map(Envelope::to_bytes).unwrap_or_default();
            let header = encode(&StoredLeaf { header: header.clone(), envelope });
            group.hashed_leaf(&header, &entry.bytes, Hash(entry.id.0))?;
            Ok(position)
        }
        Record::Signature { leaves, signed } => group.signature(leaves, signed.signature()),
        Record::Content { leaf, entry, content } => {
            let header = ContentHeader { entry: *entry, commitment: content.commitment };
            group.content(*leaf, &encode(&header), &[&content.salt[..], &content.data].concat())
        }
        Record::Receipt { header, ack } => group.record(RecordKind::Receipt, &encode(header), ack),
        Record::Cursor(header) => group.record(RecordKind::Cursor, &encode(header), &[]),
        Record::Seen { header, note } => group.record(RecordKind::Seen, &encode(header), note),
        Record::Refused { header, bytes } => group.record(RecordKind::Refused, &encode(header), bytes),
        Record::Deferred { header, item } => group.record(RecordKind::Deferred, &encode(header), item),
        Record::DeferredDone(header) => group.record(RecordKind::DeferredDone, &encode(header), &[]),
        Record::Routing(header) => group.record(RecordKind::Routing, &encode(header), &[]),
        Record::Ceiling(header) => group.record(RecordKind::Ceiling, &encode(header), &[]),
        Record::Judged(header) => group.record(RecordKind::Judged, &encode(header), &[]),
        Record::PutOff(header) => group.record(RecordKind::PutOff, &encode(header), &[]),
    }
}

fn encode(header: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    bytes.push(LAYOUT);
    postcard::to_extend(header, bytes).expect("headers hold nothing that postcard cannot write")
}

fn decode<T: DeserializeOwned>(record: &ledger::Record) -> Result<T, HeaderError> {
    let position = record.position;
    match record.header.split_first() {
        Some((&LAYOUT, rest)) => {
            postcard::from_bytes(rest).map_err(|source| HeaderError::Malformed { position, source })
        }
        Some((&layout, _)) => Err(HeaderError::Layout { position, layout }),
        None => Err(HeaderError::Layout { position, layout: 0 }),
    }
}
