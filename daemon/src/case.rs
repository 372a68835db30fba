//! A complaint as this node has it: the fold, and beside it what the local headers say.
//!
//! Loaded from the store (which leaves) and the ledger (what they say). Decides nothing.

use std::ops::Deref;

use bytes::Bytes;
use sinergi_proto::charter::Charters;
use sinergi_proto::dossier::Dossier;
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::refusal::Refusal;
use sinergi_proto::route::{Access, Route};

use crate::headers::{self, External, HeaderError, LeafHeader};
use crate::ledger::{LedgerReader, ReadError, Record};
use crate::store::{Changes, Placed, Row, Store, StoreError, Summary};

/// A complaint with its leaves. Read as its [`Dossier`], which decides.
pub struct Case {
    dossier: Dossier,
    /// Where it was imported from.
    pub external: Option<External>,
    lodged: LedgerIndex,
    /// What the store has of it.
    stored: Option<Summary>,
    /// Its entries that the store's row of it holds, or will.
    recent: Vec<Placed>,
}

/// Why a complaint cannot be loaded: the node's own data contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// A local header.
    #[error("leaf {index}: {source}")]
    Header {
        /// The leaf.
        index: LedgerIndex,
        /// What is wrong.
        source: HeaderError,
    },
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
        let header = headers::decode(&record.header).map_err(|source| CaseError::Header { index, source })?;
        let entry =
            Entry::parse(Bytes::from(record.body), federation).map_err(|source| CaseError::Entry { index, source })?;
        Ok(Self { index, header, entry })
    }
}

impl Deref for Case {
    type Target = Dossier;

    fn deref(&self) -> &Dossier {
        &self.dossier
    }
}

impl Case {
    /// A new complaint; `None` if the entry is not `Lodged`.
    pub fn lodge(entry: &Entry) -> Option<Self> {
        let dossier = Dossier::lodge(entry)?;
        let (lodged, stored, recent) = (LedgerIndex::default(), None, Vec::new());
        Some(Self { dossier, external: None, lodged, stored, recent })
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
    ) -> Result<Option<Self>, CaseError> {
        let Some(Row { summary, recent }) = store.row(id)? else { return Ok(None) };
        let mut case: Option<Self> = None;
        for Placed { leaf: index, .. } in store.timeline(id)? {
            let leaf = Leaf::parse(reader.leaf(index)?, federation)?;
            let case = match &mut case {
                Some(case) => {
                    case.insert(&leaf.entry, index, charters)?;
                    case
                }
                none => none.insert(Self::lodge(&leaf.entry).ok_or(CaseError::StoreMismatch(*id))?),
            };
            case.place(index, &leaf.header, &leaf.entry);
        }
        let case = case.ok_or(CaseError::StoreMismatch(*id))?;
        Ok(Some(Self { stored: Some(summary), recent, ..case }))
    }

    /// Adds an entry that was admitted to the fold. `true` if the custody path changed otherwise than by growing.
    ///
    /// # Errors
    /// When its charter is not here.
    pub fn insert(&mut self, entry: &Entry, index: LedgerIndex, charters: &Charters) -> Result<bool, CaseError> {
        let version = entry.charter_version;
        let charter = charters.version(version).ok_or(CaseError::Charter { index, version })?;
        Ok(self.dossier.complaint.insert(entry, charter).path_changed_from.is_some())
    }

    /// Notes where an entry of the fold lies and where it goes.
    pub fn place(&mut self, index: LedgerIndex, header: &LeafHeader, entry: &Entry) {
        if self.leaves.is_empty() {
            self.lodged = index;
        }
        if self.dossier.place(index, entry, header.from.as_ref(), &header.routes) {
            self.recent.push(Placed::new(entry.clock, &entry.id, index));
        }
        if header.external.is_some() {
            self.external.clone_from(&header.external);
        }
    }

    /// Notes what links are owed beside what leaves were routed over them.
    pub fn note_owed(&mut self, routes: &[Route]) {
        self.dossier.note_owed(routes);
    }

    /// Adds to `changes` what the store lacks of the complaint.
    pub fn save(&mut self, id: ComplaintId, own: &AgencyId, changes: &mut Changes) {
        let duties = self.duties(own);
        let summary = Summary { duties, ..self.summary() };
        if self.stored.as_ref() == Some(&summary) {
            return;
        }
        if self.recent.len() > Row::RECENT {
            changes.no_longer_recent(id, self.recent.drain(..));
        }
        let old = self.stored.replace(summary.clone());
        changes.complaint(id, old, Row { summary, recent: self.recent.clone() });
    }

    /// The summary for the store.
    pub fn summary(&self) -> Summary {
        let content_shared = self.routed.values().any(|access| *access > Access::Entries);
        Summary::of(&self.complaint, self.lodged, self.external.clone(), content_shared)
    }
}
