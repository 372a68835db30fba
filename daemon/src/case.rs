//! A complaint as this node has it: the fold, and beside it what the local headers say.
//!
//! Loaded from the store (which leaves) and the ledger (what they say). Decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use sinergi_proto::charter::Charters;
use sinergi_proto::complaint::Complaint;
use sinergi_proto::decide;
use sinergi_proto::entry::{Body, Entry};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use sinergi_proto::refusal::Refusal;
use sinergi_proto::route::Access;
use sinergi_proto::wire;

use crate::headers::{self, External, HeaderError, LeafHeader, Route};
use crate::ledger::{LedgerReader, ReadError, Record};
use crate::store::{Changes, Duties, Placed, Row, Store, StoreError, Summary};

/// A complaint with its leaves.
pub struct Case {
    /// The fold.
    pub complaint: Complaint,
    /// The leaf of each entry.
    pub leaves: HashMap<EntryId, LedgerIndex>,
    /// The links that it was routed over, and what they were given.
    pub routed: BTreeMap<AgencyId, Access>,
    /// What links are owed since this node has it in memory: not derived from leaves, so no part of what the store shows.
    owed: BTreeMap<AgencyId, Access>,
    /// Where it was imported from.
    pub external: Option<External>,
    lodged: LedgerIndex,
    /// Offers that came from another than their author: through a relay.
    relayed: BTreeSet<EntryId>,
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

impl Case {
    /// A new complaint; `None` if the entry is not `Lodged`.
    pub fn lodge(entry: &Entry) -> Option<Self> {
        let complaint = Complaint::lodge(entry)?;
        let (leaves, routed) = (HashMap::new(), BTreeMap::new());
        let (lodged, stored, recent) = (LedgerIndex::default(), None, Vec::new());
        let (relayed, owed) = (BTreeSet::new(), BTreeMap::new());
        Some(Self { complaint, leaves, routed, owed, external: None, lodged, relayed, stored, recent })
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
        Ok(self.complaint.insert(entry, charter).path_changed_from.is_some())
    }

    /// Notes where an entry of the fold lies and where it goes.
    pub fn place(&mut self, index: LedgerIndex, header: &LeafHeader, entry: &Entry) {
        if self.leaves.is_empty() {
            self.lodged = index;
        }
        if self.leaves.insert(entry.id, index).is_none() {
            self.recent.push(Placed::new(entry.clock, &entry.id, index));
        }
        if let Body::Custody { act, .. } = &entry.body
            && act.offers_to().is_some()
            && header.from.as_ref().is_some_and(|from| *from != entry.author)
        {
            self.relayed.insert(entry.id);
        }
        if header.external.is_some() {
            self.external.clone_from(&header.external);
        }
        raise(&mut self.routed, &header.routes);
    }

    /// Notes what links are owed beside what leaves were routed over them.
    pub fn note_owed(&mut self, routes: &[Route]) {
        raise(&mut self.owed, routes);
    }

    /// What links were given, or are owed.
    pub fn given(&self) -> BTreeMap<AgencyId, Access> {
        let mut given = self.routed.clone();
        for (to, access) in &self.owed {
            let known = given.entry(to.clone()).or_insert(*access);
            *known = (*access).max(*known);
        }
        given
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

    /// What this node has to do about it by itself.
    pub fn duties(&self, own: &AgencyId) -> Duties {
        Duties {
            recall: decide::recall_to_answer(&self.complaint, own).is_some(),
            arrival: self.arrival(own).is_some(),
            erasure: self.complaint.has_erasures(),
        }
    }

    /// The notice that an offer to this agency arrived through a relay, if it is owed.
    pub fn arrival(&self, own: &AgencyId) -> Option<wire::entry::Body> {
        let offer = self.complaint.custody().offer.as_ref()?.entry;
        self.relayed.contains(&offer).then(|| decide::arrival(&self.complaint, &offer, own))?
    }

    /// The leaves whose contents are to be destroyed.
    pub fn erased_leaves(&self) -> impl Iterator<Item = LedgerIndex> {
        self.leaves.iter().filter(|(entry, _)| self.complaint.is_erased(entry)).map(|(_, leaf)| *leaf)
    }

    /// The summary for the store.
    pub fn summary(&self) -> Summary {
        let content_shared = self.routed.values().any(|access| *access > Access::Entries);
        Summary::of(&self.complaint, self.lodged, self.external.clone(), content_shared)
    }
}

fn raise(given: &mut BTreeMap<AgencyId, Access>, routes: &[Route]) {
    for route in routes {
        let access = given.entry(route.to.clone()).or_insert(route.access);
        *access = route.access.max(*access);
    }
}
