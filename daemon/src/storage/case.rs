//! Loading a complaint as this node has it: which leaves from the store, what they say from the ledger. Decides nothing.

use bytes::Bytes;
use sinergi_proto::base::ids::{ComplaintId, LedgerIndex};
use sinergi_proto::base::refusal::Refusal;
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::{Case, LeafHeader};
use sinergi_proto::entry::Entry;
use sinergi_proto::entry::content::Content;

use crate::storage::ledger::{LedgerReader, ReadError, Record};
use crate::storage::record_codec::{self, HeaderError};
use crate::storage::store::{Placed, Store, StoreError};

/// Why a complaint cannot be loaded: the node's own data contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The header of a record.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A leaf that is no entry.
    #[error("leaf {index} was written as an entry and is none: {source}; run `sinergi ledger verify`")]
    Entry {
        /// The leaf.
        index: LedgerIndex,
        /// What is wrong.
        source: Refusal,
    },
    /// A charter that an admitted entry names is gone.
    #[error("leaf {index} names charter version {version}, which is not in the charter folder: put it back")]
    Charter {
        /// The leaf.
        index: LedgerIndex,
        /// The version.
        version: u64,
    },
    /// The store names leaves that do not begin with `Lodged`.
    #[error("complaint {0}: the store does not fit the ledger; stop the node and run `sinergid rebuild`")]
    StoreMismatch(ComplaintId),
}

/// A leaf, parsed.
pub struct Leaf {
    /// Its index.
    pub index: LedgerIndex,
    /// Its local header.
    pub header: LeafHeader,
    /// Its entry.
    pub entry: Entry,
}

impl Leaf {
    /// Parses a leaf record.
    ///
    /// # Errors
    /// When it is not what this node writes.
    pub fn parse(record: Record, federation: &str) -> Result<Self, CaseError> {
        let index = record.leaf().unwrap_or_default();
        let header = record_codec::leaf_header(&record)?;
        let entry =
            Entry::parse(Bytes::from(record.body), federation).map_err(|source| CaseError::Entry { index, source })?;
        Ok(Self { index, header, entry })
    }
}

/// Loads a complaint; `None` if the store has none of its entries.
///
/// # Errors
/// When store, ledger and charters contradict each other.
pub fn load(
    id: &ComplaintId,
    store: &Store,
    reader: &LedgerReader,
    federation: &str,
    charters: &Charters,
) -> Result<Option<Case>, CaseError> {
    let mut case: Option<Case> = None;
    for Placed { leaf: index, .. } in store.timeline(id)? {
        let Leaf { header, entry, .. } = Leaf::parse(reader.leaf(index)?, federation)?;
        let case = match &mut case {
            Some(case) => {
                let version = entry.charter_version;
                let charter = charters.version(version).ok_or(CaseError::Charter { index, version })?;
                case.fold(&entry, charter);
                case
            }
            none => none.insert(Case::lodge(&entry).ok_or(CaseError::StoreMismatch(*id))?),
        };
        case.place(index, &entry, &header);
    }
    Ok(case)
}

/// The contents of a leaf that are here and were not destroyed.
///
/// # Errors
/// When the ledger cannot be read.
pub fn contents(reader: &LedgerReader, leaf: LedgerIndex) -> Result<Vec<Content>, CaseError> {
    let mut contents = Vec::new();
    for record in reader.contents(leaf)? {
        contents.extend(record_codec::content(&record)?);
    }
    Ok(contents)
}
