//! Loads a complaint: the store says which leaves belong to it, the ledger holds them, and proto's [`Case`] folds them.
//!
//! Must not decide anything. Blocks, so never in an async task.

use bytes::Bytes;
use sinergi_proto::base::ids::{ComplaintId, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::{Case, LeafHeader};
use sinergi_proto::entry::content::Content;
use sinergi_proto::entry::{CharterName, Entry, ParseError};

use crate::storage::ledger::{LedgerReader, ReadError, Record};
use crate::storage::record_codec::{self, HeaderError};
use crate::storage::store::{Placed, Store, StoreError};

/// This node's own data cannot be read, or contradict each other. No input from outside leads to this error.
#[derive(Debug, thiserror::Error)]
pub enum OwnDataError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The header of a record.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A leaf that does not parse as an entry.
    #[error("leaf {index} is not a valid entry: {source}; run `sinergi ledger verify`")]
    Entry {
        /// Index of the leaf.
        index: LedgerIndex,
        /// The rule that the leaf breaks.
        source: ParseError,
    },
    /// The charter folder lacks a charter that an admitted entry names.
    #[error(
        "leaf {index} names charter version {} with hash {:016x}, which is not in the charter folder: put it back",
        name.version, name.hash
    )]
    Charter {
        /// Index of the entry's leaf.
        index: LedgerIndex,
        /// The missing charter.
        name: CharterName,
    },
    /// The first leaf that the store names for a complaint is not its `Lodged` entry.
    #[error("complaint {0}: the store does not fit the ledger; stop the node and run `sinergid rebuild`")]
    StoreMismatch(ComplaintId),
}

/// A leaf of the ledger with its header and entry decoded.
pub struct ParsedLeaf {
    /// Its index in this node's ledger.
    pub index: LedgerIndex,
    /// The header that this node wrote beside it.
    pub header: LeafHeader,
    /// The entry, without its envelope.
    pub entry: Entry,
}

impl ParsedLeaf {
    /// Parses a leaf record.
    ///
    /// # Errors
    /// [`OwnDataError::Header`] or [`OwnDataError::Entry`]: this node does not write such records.
    pub fn parse(record: Record, federation: &str) -> Result<Self, OwnDataError> {
        let index = record.leaf().unwrap_or_default();
        let header = record_codec::leaf_header(&record)?;
        let entry = Entry::parse_bare(Bytes::from(record.body), None, federation)
            .map_err(|source| OwnDataError::Entry { index, source })?;
        Ok(Self { index, header, entry })
    }
}

/// Loads a complaint. `None` if the store has none of its entries.
///
/// # Errors
/// Store, ledger and charters cannot be read, or contradict each other.
pub fn load(
    id: &ComplaintId,
    store: &Store,
    reader: &LedgerReader,
    federation: &str,
    charters: &Charters,
) -> Result<Option<Case>, OwnDataError> {
    let mut case: Option<Case> = None;
    for Placed { leaf: index, .. } in store.timeline(id)? {
        let ParsedLeaf { header, entry, .. } = ParsedLeaf::parse(reader.leaf(index)?, federation)?;
        let name = entry.charter;
        charters.named(&name).ok_or(OwnDataError::Charter { index, name })?;
        let case = match &mut case {
            Some(case) => {
                case.fold(&entry, charters);
                case
            }
            none => none.insert(Case::lodge(&entry, charters).ok_or(OwnDataError::StoreMismatch(*id))?),
        };
        case.place(index, &entry, &header);
    }
    Ok(case)
}

/// The contents of a leaf that this node has and that were not erased.
///
/// # Errors
/// The ledger cannot be read.
pub fn contents(reader: &LedgerReader, leaf: LedgerIndex) -> Result<Vec<Content>, OwnDataError> {
    let mut contents = Vec::new();
    for record in reader.contents(leaf)? {
        contents.extend(record_codec::content(&record)?);
    }
    Ok(contents)
}
