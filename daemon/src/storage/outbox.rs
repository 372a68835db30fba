//! The outbox: reads the items for a peer from the ledger, starting at the link's cursor. Operators see from here which entries wait for a peer.
//!
//! Must not choose what is sent: [`sinergi_proto::routing::outbox`] does. There is no queue on the disk: the outbox is the ledger.
//!
//! Invariants:
//! - it writes nothing;
//! - it blocks, so it is never called in an async task.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::{LeafHeader, RoutingHeader};
use sinergi_proto::entry::Entry;
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::outbox::{self, CachedLeaf, LedgerView, OwnLeaf, Step};
pub use sinergi_proto::routing::outbox::{GiveBack, Prepared};
use sinergi_proto::routing::route::{Access, Route};
use sinergi_proto::wire;

use crate::base::node_limits;
use crate::storage::complaint_loader::{self, OwnDataError, ParsedLeaf};
use crate::storage::leaf_cache::LeafCache;
use crate::storage::ledger::{LedgerReader, Record, RecordKind};
use crate::storage::record_codec::{self, Header};
use crate::storage::signed_leaves::SignedLeaves;
use crate::storage::store::Store;

/// Reads the items that links have to send. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    federation: String,
    store: Store,
    reader: LedgerReader,
    signed_leaves: SignedLeaves,
    leaf_cache: LeafCache,
}

/// An entry that a peer has not acknowledged.
#[derive(Debug)]
pub struct Queued {
    /// Its leaf in this node's ledger.
    pub leaf: LedgerIndex,
    /// The entry.
    pub entry: Entry,
    /// Length of the entry, in bytes.
    pub bytes: usize,
}

/// The entries that a peer has not acknowledged, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of entries.
    pub entries: u64,
    /// When the oldest of them was written here, in milliseconds since 1970; 0 if there is none.
    pub oldest: u64,
}

impl Outbox {
    /// An outbox over this store and ledger.
    pub fn new(federation: String, store: Store, reader: LedgerReader, leaf_cache: LeafCache) -> Self {
        let signed_leaves = SignedLeaves::new(reader.clone());
        Self { federation, store, reader, signed_leaves, leaf_cache }
    }

    /// The next items for `peer` from `from` on, up to `end`.
    ///
    /// # Errors
    /// The node's own data cannot be read.
    pub fn prepare(
        &self,
        peer: &AgencyId,
        from: Cursor,
        end: Cursor,
        give_back: Option<&GiveBack>,
    ) -> Result<Prepared, OwnDataError> {
        outbox::prepare(self, peer, from, end, give_back, node_limits::FRAME_ROOM)
    }

    /// The backlog of each of these peers, given with the cursor that it has acknowledged. Entries that the peer has not taken count as well. The second
    /// value is the number of complaints with content of this agency that is on its way and that no peer has acknowledged yet. One pass over the
    /// ledger, from the lowest cursor on.
    ///
    /// # Errors
    /// The node's own data cannot be read.
    pub fn backlogs(&self, peers: &[(AgencyId, Cursor)]) -> Result<(Vec<Backlog>, u64), OwnDataError> {
        let mut backlogs = vec![Backlog::default(); peers.len()];
        let mut only_here = HashSet::new();
        for (backlog, (peer, _)) in backlogs.iter_mut().zip(peers) {
            for unsettled in self.store.unsettled(peer) {
                backlog.entries += 1;
                let since = unsettled?.since;
                backlog.oldest = if backlog.oldest == 0 { since } else { backlog.oldest.min(since) };
            }
        }
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
                    backlog.oldest = if backlog.oldest == 0 { header.at } else { backlog.oldest.min(header.at) };
                }
            }
            if header.from.is_none() && queued_content && !shared {
                only_here.extend(ParsedLeaf::parse(record, &self.federation)?.entry.complaint);
            }
        }
        Ok((backlogs, only_here.len() as u64))
    }

    /// Gives `take` the entries that `peer` has not taken, and then those that it has not acknowledged, each oldest first, until it returns `false`.
    ///
    /// # Errors
    /// The node's own data cannot be read.
    pub fn queued(
        &self,
        peer: &AgencyId,
        acknowledged: Cursor,
        mut take: impl FnMut(Queued) -> bool,
    ) -> Result<(), OwnDataError> {
        for unsettled in self.store.unsettled(peer) {
            let leaf = outbox::LedgerView::leaf(self, unsettled?.item.leaf)?;
            let (bytes, index) = (leaf.bytes.len(), leaf.index);
            if !take(Queued { leaf: index, entry: outbox::LedgerView::entry(self, &leaf)?, bytes }) {
                return Ok(());
            }
        }
        if acknowledged.index.0 >= self.reader.size() {
            return Ok(());
        }
        for record in self.reader.leaves_from(acknowledged.index)? {
            let record = record?;
            let header = record_codec::leaf_header(&record)?;
            if header.routes.iter().any(|route: &Route| route.to == *peer) {
                let bytes = record.body.len();
                let leaf = ParsedLeaf::parse(record, &self.federation)?;
                if !take(Queued { leaf: leaf.index, entry: leaf.entry, bytes }) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The entry in the record of a refused or deferred item; `None` if the record holds none that parses.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn shown_entry(&self, position: crate::storage::ledger::Position) -> Result<Option<Entry>, OwnDataError> {
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

    /// The leaves with their authors' signatures.
    pub fn signed_leaves(&self) -> &SignedLeaves {
        &self.signed_leaves
    }

    /// The federation.
    pub fn federation(&self) -> &str {
        &self.federation
    }
}

/// The ledger and the store as the walk of [`outbox::prepare`] sees them.
impl LedgerView for Outbox {
    type Error = OwnDataError;

    fn steps_from(
        &self,
        index: LedgerIndex,
    ) -> Result<impl Iterator<Item = Result<Step, OwnDataError>> + '_, OwnDataError> {
        Ok(self.reader.steps_from(index)?.map(|record| self.step(record?)))
    }

    fn leaf(&self, index: LedgerIndex) -> Result<outbox::Leaf, OwnDataError> {
        self.unparsed(self.reader.leaf(index)?)
    }

    fn entry(&self, leaf: &outbox::Leaf) -> Result<Entry, OwnDataError> {
        let index = leaf.index;
        let envelope = match &leaf.envelope {
            Some(envelope) => Some(envelope.clone()),
            None => self.signed_leaves.own_envelope(index)?,
        };
        Entry::parse_bare(leaf.bytes.clone(), envelope, &self.federation)
            .map_err(|source| OwnDataError::Entry { index, source })
    }

    fn contents(&self, index: LedgerIndex) -> Result<Vec<Content>, OwnDataError> {
        complaint_loader::contents(&self.reader, index)
    }

    fn leaves_of(&self, complaint: &ComplaintId) -> Result<Vec<LedgerIndex>, OwnDataError> {
        Ok(self.store.timeline(complaint)?.iter().map(|placed| placed.leaf).collect())
    }

    fn participants(&self, complaint: &ComplaintId, charters: &Charters) -> Result<BTreeSet<AgencyId>, OwnDataError> {
        let case = complaint_loader::load(complaint, &self.store, &self.reader, &self.federation, charters)?;
        Ok(case.map(|case| case.complaint.participants().clone()).unwrap_or_default())
    }

    fn cached_leaves(&self, from: LedgerIndex, end: LedgerIndex) -> Vec<CachedLeaf> {
        self.leaf_cache.run(from, end, self.reader.erasures())
    }

    fn cached_leaf(&self, index: LedgerIndex) -> Option<Arc<OwnLeaf>> {
        self.leaf_cache.leaf(index, self.reader.erasures())
    }
}

impl Outbox {
    fn step(&self, record: Record) -> Result<Step, OwnDataError> {
        if record.kind == RecordKind::Leaf {
            return Ok(Step::Leaf(self.unparsed(record)?));
        }
        Ok(match Header::of(&record)? {
            Header::Routing(RoutingHeader::Leaf { leaf, routes }) => Step::Routing { leaf, routes, is_again: false },
            Header::Routing(RoutingHeader::Again { leaf, route, .. }) => {
                Step::Routing { leaf, routes: vec![route], is_again: true }
            }
            // It counts as a step before the next leaf, and goes to no peer.
            _ => Step::Routing { leaf: LedgerIndex::default(), routes: Vec::new(), is_again: false },
        })
    }

    /// A leaf record. The envelope of an own entry is read only for a leaf that is sent.
    fn unparsed(&self, record: Record) -> Result<outbox::Leaf, OwnDataError> {
        let index = record.leaf().unwrap_or_default();
        let (LeafHeader { from, relays, routes, .. }, envelope) = record_codec::leaf_beside(&record)?;
        Ok(outbox::Leaf { index, from, relays, routes, bytes: Bytes::from(record.body), envelope })
    }
}
