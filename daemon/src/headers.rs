//! Local headers: what this node notes beside each record of its ledger, about where it came from and where it goes.
//!
//! Never leaves the node. Everything that the store derives beyond the entries themselves is derived from here.
//!
//! Invariant: the first byte is the layout's version, so that a later program reads what an earlier one wrote.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sinergi_proto::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::link::Cursor;
pub use sinergi_proto::route::Route;

const LAYOUT: u8 = 1;
/// What most headers take: room for them is made once.
const USUAL_BYTES: usize = 128;

/// Beside a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafHeader {
    /// When it was written, milliseconds since 1970.
    pub at: u64,
    /// The peer that it came from; `None`: written here.
    pub from: Option<AgencyId>,
    /// How many agencies passed it on before us.
    pub relays: u32,
    /// The links that it goes to.
    pub routes: Vec<Route>,
    /// Agencies that should have it and that no adjacent peer leads to.
    pub unreachable: Vec<AgencyId>,
    /// The record of another system that a complaint was imported from.
    pub external: Option<External>,
}

/// What goes over links beside new leaves; no body. It lies before the next leaf, and is a part of what is owed before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutingHeader {
    /// A leaf goes over these links, again or for the first time: a content of it came late, or a link is new.
    Leaf {
        /// The leaf.
        leaf: LedgerIndex,
        /// The links; none of them asks for history.
        routes: Vec<Route>,
    },
    /// A peer was given all complaints that it should have since before it was configured.
    Introduced {
        /// The peer.
        peer: AgencyId,
    },
}

/// The record of another system that a complaint came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct External {
    /// Which system.
    pub source: String,
    /// Its id there.
    pub id: String,
}

/// Beside a content; the body is salt (32 bytes) and data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHeader {
    /// The entry that commits to it.
    pub entry: EntryId,
    /// Which of its commitments.
    pub commitment: u32,
}

/// Beside a peer's receipt; the body is the `Ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptHeader {
    /// When it came, milliseconds since 1970.
    pub at: u64,
    /// Who gave it.
    pub peer: AgencyId,
    /// What it acknowledges of our ledger.
    pub cursor: Cursor,
    /// What the peer refused, with the code.
    pub refused: Vec<(EntryId, u32)>,
}

/// How far we have a peer's ledger; no body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorHeader {
    /// Whose ledger.
    pub peer: AgencyId,
    /// The position after what we have.
    pub cursor: Cursor,
}

/// Beside the newest checkpoint that was seen of an agency; the body is the signed note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHeader {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Whose ledger it is of.
    pub peer: AgencyId,
}

/// Beside an item that we refused; the body is its `SignedEntry` bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedHeader {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Who delivered it.
    pub peer: AgencyId,
    /// The entry.
    pub entry: EntryId,
    /// The refusal code.
    pub code: u32,
    /// Why, in words.
    pub detail: String,
}

/// Beside an item that waits; the body is the `Item`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredHeader {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Who delivered it.
    pub peer: AgencyId,
    /// SHA-256 over the peer and the item: its name among what waits.
    pub item: [u8; 32],
    /// The entry.
    pub entry: EntryId,
    /// What it waits for.
    pub code: u32,
    /// The same in words.
    pub detail: String,
}

/// A deferred item that was settled; no body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredDoneHeader {
    /// The item's name among what waits.
    pub item: [u8; 32],
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
