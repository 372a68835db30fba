//! The outbox: the ledger itself, read on from each link's cursor as [`sinergi_proto::routing::outbox`] says, and what operators see of it.
//!
//! Reads only; blocks, so never in an async task.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::{LeafHeader, RoutingHeader};
use sinergi_proto::entry::Entry;
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::cursor::Cursor;
use sinergi_proto::routing::outbox::{self, CachedLeaf, LedgerView, OwnLeaf, Step};
pub use sinergi_proto::routing::outbox::{GiveBack, Prepared};
use sinergi_proto::routing::route::{Access, Route};
use sinergi_proto::wire;

use crate::base::node_limits;
use crate::storage::case::{self, CaseError, Leaf};
use crate::storage::leaf_cache::Recent;
use crate::storage::ledger::{LedgerReader, Record, RecordKind};
use crate::storage::record_codec::{self, Header};
use crate::storage::store::Store;

/// Reads what links have to send.
#[derive(Clone)]
pub struct Outbox {
    federation: String,
    store: Store,
    reader: LedgerReader,
    recent: Recent,
}

/// An entry that a peer has not acknowledged.
#[derive(Debug)]
pub struct Queued {
    /// Its leaf here.
    pub leaf: LedgerIndex,
    /// The entry.
    pub entry: Entry,
    /// Bytes of the signed entry.
    pub bytes: usize,
}

/// How much waits for a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries.
    pub entries: u64,
    /// When the oldest of them was written here, milliseconds since 1970; 0: none waits.
    pub oldest: u64,
}

impl Outbox {
    /// An outbox over this store and ledger.
    pub fn new(federation: String, store: Store, reader: LedgerReader, recent: Recent) -> Self {
        Self { federation, store, reader, recent }
    }

    /// The next items for `peer` from `from` on, up to `end`.
    ///
    /// # Errors
    /// When the node's own data cannot be read.
    pub fn prepare(
        &self,
        peer: &AgencyId,
        from: Cursor,
        end: Cursor,
        give_back: Option<&GiveBack>,
    ) -> Result<Prepared, CaseError> {
        outbox::prepare(self, peer, from, end, give_back, node_limits::FRAME_ROOM)
    }

    /// How much waits for each of these peers behind what it acknowledged, and how many complaints have own content under way that nobody has acknowledged yet. One pass
    /// over the ledger from the peer that is furthest behind.
    ///
    /// # Errors
    /// When the node's own data cannot be read.
    pub fn backlogs(&self, peers: &[(AgencyId, Cursor)]) -> Result<(Vec<Backlog>, u64), CaseError> {
        let mut backlogs = vec![Backlog::default(); peers.len()];
        let mut only_here = HashSet::new();
        let from = peers.iter().map(|(_, acknowledged)| acknowledged.index).min().unwrap_or_default();
        if from.0 >= self.reader.size() {
            return Ok((backlogs, 0));
        }
        for record in self.reader.leaves_from(from)? {
            let record = record?;
            let index = record.leaf().unwrap_or_default();
            let header = record_codec::leaf_header(&record)?;
            let (mut shared, mut queued_content) = (false, false);
            for route in &header.routes {
                let Some(number) = peers.iter().position(|(peer, _)| *peer == route.to) else { continue };
                let waits = index >= peers[number].1.index;
                let has_content = route.access > Access::Entries;
                shared |= has_content && !waits;
                queued_content |= has_content && waits;
                if waits {
                    let backlog = &mut backlogs[number];
                    backlog.entries += 1;
                    backlog.oldest = if backlog.oldest == 0 { header.at } else { backlog.oldest };
                }
            }
            if header.from.is_none() && queued_content && !shared {
                only_here.extend(Leaf::parse(record, &self.federation)?.entry.complaint);
            }
        }
        Ok((backlogs, only_here.len() as u64))
    }

    /// What waits for `peer`, oldest first, as long as `take` says go on.
    ///
    /// # Errors
    /// When the node's own data cannot be read.
    pub fn queued(
        &self,
        peer: &AgencyId,
        acknowledged: Cursor,
        mut take: impl FnMut(Queued) -> bool,
    ) -> Result<(), CaseError> {
        if acknowledged.index.0 >= self.reader.size() {
            return Ok(());
        }
        for record in self.reader.leaves_from(acknowledged.index)? {
            let record = record?;
            let header = record_codec::leaf_header(&record)?;
            if header.routes.iter().any(|route: &Route| route.to == *peer) {
                let bytes = record.body.len();
                let leaf = Leaf::parse(record, &self.federation)?;
                if !take(Queued { leaf: leaf.index, entry: leaf.entry, bytes }) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The signed entry that a record of a refused or deferred item shows.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn shown_entry(&self, position: crate::storage::ledger::Position) -> Result<Option<Entry>, CaseError> {
        let record = self.reader.record(position)?;
        let bytes = match record.kind {
            RecordKind::Refused => Bytes::from(record.body),
            RecordKind::Deferred => match wire::Item::decode(Bytes::from(record.body)) {
                Ok(item) => item.signed_entry,
                Err(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Entry::parse(bytes, &self.federation).ok())
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The ledger.
    pub fn reader(&self) -> &LedgerReader {
        &self.reader
    }

    /// The federation.
    pub fn federation(&self) -> &str {
        &self.federation
    }
}

/// The ledger and the store as the walk of [`outbox::prepare`] sees them.
impl LedgerView for Outbox {
    type Error = CaseError;

    fn steps_from(&self, index: LedgerIndex) -> Result<impl Iterator<Item = Result<Step, CaseError>> + '_, CaseError> {
        Ok(self.reader.steps_from(index)?.map(|record| step(record?)))
    }

    fn leaf(&self, index: LedgerIndex) -> Result<outbox::Leaf, CaseError> {
        leaf(self.reader.leaf(index)?)
    }

    fn entry(&self, leaf: &outbox::Leaf) -> Result<Entry, CaseError> {
        let index = leaf.index;
        Entry::parse(leaf.signed.clone(), &self.federation).map_err(|source| CaseError::Entry { index, source })
    }

    fn contents(&self, index: LedgerIndex) -> Result<Vec<Content>, CaseError> {
        case::contents(&self.reader, index)
    }

    fn leaves_of(&self, complaint: &ComplaintId) -> Result<Vec<LedgerIndex>, CaseError> {
        Ok(self.store.timeline(complaint)?.iter().map(|placed| placed.leaf).collect())
    }

    fn participants(&self, complaint: &ComplaintId, charters: &Charters) -> Result<BTreeSet<AgencyId>, CaseError> {
        let case = case::load(complaint, &self.store, &self.reader, &self.federation, charters)?;
        Ok(case.map(|case| case.complaint.participants().clone()).unwrap_or_default())
    }

    fn cached_leaves(&self, from: LedgerIndex, end: LedgerIndex) -> Vec<CachedLeaf> {
        self.recent.run(from, end, self.reader.erasures())
    }

    fn cached_leaf(&self, index: LedgerIndex) -> Option<Arc<OwnLeaf>> {
        self.recent.leaf(index, self.reader.erasures())
    }
}

fn step(record: Record) -> Result<Step, CaseError> {
    if record.kind == RecordKind::Leaf {
        return Ok(Step::Leaf(leaf(record)?));
    }
    Ok(match Header::of(&record)? {
        Header::Routing(RoutingHeader::Leaf { leaf, routes }) => Step::Routing { leaf, routes },
        // It takes a place among the parts before the next leaf, and goes nowhere.
        _ => Step::Routing { leaf: LedgerIndex::default(), routes: Vec::new() },
    })
}

fn leaf(record: Record) -> Result<outbox::Leaf, CaseError> {
    let index = record.leaf().unwrap_or_default();
    let LeafHeader { from, relays, routes, .. } = record_codec::leaf_header(&record)?;
    Ok(outbox::Leaf { index, from, relays, routes, signed: Bytes::from(record.body) })
}
