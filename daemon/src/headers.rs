//! Local headers: what this node notes beside each record of its ledger, about where it came from and where it goes.
//!
//! Never leaves the node. Everything that the store derives beyond the entries themselves is derived from here.
//!
//! Invariant: the first byte is the layout's version, so that a later program reads what an earlier one wrote.

use serde::Serialize;
use serde::de::DeserializeOwned;
pub use sinergi_proto::engine::{
    CursorHeader, DeferredDoneHeader, DeferredHeader, External, LeafHeader, ReceiptHeader, RefusedHeader,
    RoutingHeader, SeenHeader,
};
use sinergi_proto::ids::EntryId;
pub use sinergi_proto::route::Route;

use crate::ledger::{Record, RecordKind};

const LAYOUT: u8 = 1;
/// What most headers take: room for them is made once.
const USUAL_BYTES: usize = 128;

/// Beside a content; the body is salt (32 bytes) and data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ContentHeader {
    /// The entry that commits to it.
    pub entry: EntryId,
    /// Which of its commitments.
    pub commitment: u32,
}

/// The header of a record, by the record's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// Beside a leaf.
    Leaf(LeafHeader),
    /// Beside a content.
    Content(ContentHeader),
    /// Beside a receipt.
    Receipt(ReceiptHeader),
    /// How far a peer's ledger is here.
    Cursor(CursorHeader),
    /// Beside a checkpoint that was seen.
    Seen(SeenHeader),
    /// Beside an item that was refused.
    Refused(RefusedHeader),
    /// Beside an item that waits.
    Deferred(DeferredHeader),
    /// An item that waits no longer.
    DeferredDone(DeferredDoneHeader),
    /// What goes over links beside new leaves.
    Routing(RoutingHeader),
    /// The ledger's own records, and kinds of later programs.
    Other,
}

impl Header {
    /// Reads the header of a record.
    ///
    /// # Errors
    /// When it was written by a later program, or is damaged.
    pub fn of(record: &Record) -> Result<Self, HeaderError> {
        let bytes = &record.header;
        Ok(match record.kind {
            RecordKind::Leaf => Self::Leaf(decode(bytes)?),
            RecordKind::Content => Self::Content(decode(bytes)?),
            RecordKind::Receipt => Self::Receipt(decode(bytes)?),
            RecordKind::Cursor => Self::Cursor(decode(bytes)?),
            RecordKind::Seen => Self::Seen(decode(bytes)?),
            RecordKind::Refused => Self::Refused(decode(bytes)?),
            RecordKind::Deferred => Self::Deferred(decode(bytes)?),
            RecordKind::DeferredDone => Self::DeferredDone(decode(bytes)?),
            RecordKind::Routing => Self::Routing(decode(bytes)?),
            RecordKind::Signed | RecordKind::Unknown(_) => Self::Other,
        })
    }
}

/// Why the bytes are no header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Written by a later program.
    #[error("the record's local header has layout {0}, this program knows {LAYOUT}: run the program that wrote it")]
    Layout(u8),
    /// Damaged, although its checksum is right.
    #[error("the record's local header cannot be read: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Writes a header.
pub fn encode(header: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    bytes.push(LAYOUT);
    postcard::to_extend(header, bytes).expect("headers hold nothing that postcard cannot write")
}

/// Reads a header.
///
/// # Errors
/// When it was written by a later program, or is damaged.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HeaderError> {
    match bytes.split_first() {
        Some((&LAYOUT, rest)) => Ok(postcard::from_bytes(rest)?),
        Some((&other, _)) => Err(HeaderError::Layout(other)),
        None => Err(HeaderError::Layout(0)),
    }
}
