//! The outbox: the ledger itself, read on from each link's cursor. What goes over a link was decided when the leaf was written.
//!
//! Reads only; blocks, so never in an async task.
//!
//! Invariants:
//! - items go in ledger order, and the history that is owed goes before its leaf;
//! - content goes only as far as the route's access allows, judged by the class that the entry committed to;
//! - a frame stays within its limits, whatever the ledger holds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use sinergi_proto::charter::Charters;
use sinergi_proto::content::Content;
use sinergi_proto::entry::{Commitment, Entry};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::limits;
use sinergi_proto::link::{Batch, Cursor};
use sinergi_proto::route::{Access, Reach, Readers, routes};
use sinergi_proto::wire;

use crate::case::{Case, CaseError, Leaf};
use crate::headers::{self, ContentHeader, LeafHeader, Route, RoutingHeader};
use crate::ledger::{LedgerReader, Record, RecordKind};
use crate::recent::{Recalled, Recent, RecentLeaf};
use crate::store::Store;

/// Leaves looked at in one read, so that a link hears of its cursor now and then.
const LEAVES_A_READ: u64 = 16 * 1024;

/// Reads what links have to send.
#[derive(Clone)]
pub struct Outbox {
    federation: String,
    store: Store,
    reader: LedgerReader,
    recent: Recent,
}

/// A frame that is ready to go.
#[derive(Debug)]
pub struct Prepared {
    /// What the sender's state machine must know of it.
    pub batch: Batch,
    /// The frame.
    pub frame: wire::Deliver,
}

/// A peer's ledger has begun a new epoch: what this node got from it before is sent to it too, with everything else.
#[derive(Clone, Debug)]
pub struct GiveBack {
    /// The epoch that it has begun: its own entries of earlier ones are given back.
    pub epoch: Epoch,
    /// What others wrote and it passed on is given back up to this leaf of ours.
    pub before: LedgerIndex,
    /// This agency.
    pub own: AgencyId,
    /// The adjacent peers.
    pub adjacent: BTreeSet<AgencyId>,
    /// By which its access is judged.
    pub charters: Arc<Charters>,
}

impl GiveBack {
    fn covers(&self, peer: &AgencyId, leaf: &Leaf) -> bool {
        let wrote_it = leaf.entry.author == *peer && leaf.entry.place.epoch < self.epoch;
        wrote_it || (leaf.header.from.as_ref() == Some(peer) && leaf.index < self.before)
    }
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
    /// What is owed before a leaf (routing records, then its complaint's history) is counted in parts, in an order that never changes, so
    /// that a link that was cut goes on where it was.
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
        let mut walk = Walk { peer, frame: Frame::default(), cursor: from, owed: 0 };
        let mut accesses = HashMap::new();
        if from >= end {
            return Ok(walk.finish());
        }
        if give_back.is_none() {
            let recent = self.recent.run(from.index, end.index, self.reader.erasures());
            if !recent.is_empty() {
                return self.prepare_recent(walk, recent);
            }
        }
        let last = end.index.min(LedgerIndex(from.index.0.saturating_add(LEAVES_A_READ)));
        for record in self.reader.steps_from(from.index)? {
            let record = record?;
            if record.kind == RecordKind::Routing {
                if walk.cursor >= end || !self.add_routed(&mut walk, &record)? {
                    break;
                }
                continue;
            }
            let index = record.leaf().unwrap_or_default();
            if index >= last {
                break;
            }
            let header = parse_header(index, &record.header)?;
            let added = if let Some(route) = header.routes.iter().find(|route| route.to == *peer) {
                let leaf = Leaf::parse(record, &self.federation)?;
                (!route.history || self.add_history(&mut walk, &self.earlier(&leaf)?, route.access)?)
                    && walk.frame.add(&leaf.entry, self.item(&leaf, route.access, peer)?)
            } else if let Some(give_back) = give_back.filter(|_| header.from.is_some()) {
                let leaf = Leaf::parse(record, &self.federation)?;
                if give_back.covers(peer, &leaf) {
                    let access = self.access_of_source(give_back, peer, &leaf, &mut accesses)?;
                    walk.frame.add(&leaf.entry, self.item(&leaf, access, peer)?)
                } else {
                    true
                }
            } else {
                true
            };
            if !added {
                break;
            }
            walk.passed(index);
        }
        Ok(walk.finish())
    }

    /// Adds the leaf that a routing record names, if it goes over this link; `false` when the frame is full before it.
    fn add_routed(&self, walk: &mut Walk<'_>, record: &Record) -> Result<bool, CaseError> {
        if walk.was_sent() {
            return Ok(true);
        }
        let index = walk.cursor.index;
        let header = headers::decode(&record.header).map_err(|source| CaseError::Header { index, source })?;
        if let RoutingHeader::Leaf { leaf, routes } = header
            && let Some(route) = routes.iter().find(|route| route.to == *walk.peer)
        {
            let leaf = Leaf::parse(self.reader.leaf(leaf)?, &self.federation)?;
            if !walk.frame.add(&leaf.entry, self.item(&leaf, route.access, walk.peer)?) {
                return Ok(false);
            }
        }
        walk.cursor.part += 1;
        Ok(true)
    }

    /// As [`Self::prepare`], of leaves that need not be read.
    fn prepare_recent(&self, mut walk: Walk<'_>, leaves: Vec<Recalled>) -> Result<Prepared, CaseError> {
        for leaf in leaves {
            if let Recalled::Whole(leaf) = leaf
                && let Some(route) = leaf.header.routes.iter().find(|route| route.to == *walk.peer)
            {
                let has_history = !route.history || self.add_history(&mut walk, &leaf.earlier, route.access)?;
                if !has_history || !walk.frame.add(&leaf.entry, recent_item(&leaf, route.access, walk.peer)) {
                    break;
                }
            }
            walk.passed(walk.cursor.index);
        }
        Ok(walk.finish())
    }

    /// The leaves of a leaf's complaint that lie before it, in order.
    fn earlier(&self, leaf: &Leaf) -> Result<Vec<LedgerIndex>, CaseError> {
        let Some(complaint) = &leaf.entry.complaint else { return Ok(Vec::new()) };
        let mut earlier: Vec<LedgerIndex> = self.store.timeline(complaint)?.iter().map(|placed| placed.leaf).collect();
        earlier.retain(|index| *index < leaf.index);
        earlier.sort_unstable();
        Ok(earlier)
    }

    /// Adds what the peer lacks of the complaint's earlier leaves; `false` when the frame is full before their end.
    fn add_history(&self, walk: &mut Walk<'_>, earlier: &[LedgerIndex], access: Access) -> Result<bool, CaseError> {
        for &index in earlier {
            // Whatever the peer itself gave us is counted as a part, so that parts mean the same in every read.
            if walk.was_sent() {
                continue;
            }
            if let Some(leaf) = self.recent.leaf(index, self.reader.erasures()) {
                if !walk.frame.add_or_complete(&leaf.entry, recent_item(&leaf, access, walk.peer)) {
                    return Ok(false);
                }
                walk.cursor.part += 1;
                continue;
            }
            let old = Leaf::parse(self.reader.leaf(index)?, &self.federation)?;
            let item = self.item(&old, access, walk.peer)?;
            // What it gave us is sent back only with a content, which may have come from another.
            let is_known = old.header.from.as_ref() == Some(walk.peer) && item.content.is_empty();
            if !is_known && !walk.frame.add_or_complete(&old.entry, item) {
                return Ok(false);
            }
            walk.cursor.part += 1;
        }
        Ok(true)
    }

    /// How much of the content an agency may have of what came from it. What it wrote itself it had whole.
    fn access_of_source(
        &self,
        give_back: &GiveBack,
        peer: &AgencyId,
        leaf: &Leaf,
        known: &mut HashMap<ComplaintId, Access>,
    ) -> Result<Access, CaseError> {
        let Some(complaint) = leaf.entry.complaint.filter(|_| leaf.entry.author != *peer) else {
            return Ok(Access::Confidential);
        };
        if let Some(access) = known.get(&complaint) {
            return Ok(*access);
        }
        let charters = &give_back.charters;
        let case = Case::load(&complaint, &self.store, &self.reader, &self.federation, charters)?;
        let participants = case.map(|case| case.complaint.participants().clone()).unwrap_or_default();
        let readers = Readers { participants: &participants, disclosed_to: &BTreeSet::new() };
        let routes = routes(&give_back.own, &give_back.adjacent, readers, charters.newest(), Reach::Relayed);
        let access = routes.links.get(peer).copied().unwrap_or(Access::Entries);
        known.insert(complaint, access);
        Ok(access)
    }

    fn item(&self, leaf: &Leaf, access: Access, peer: &AgencyId) -> Result<wire::Item, CaseError> {
        let mut content: Vec<wire::Content> = Vec::new();
        let may_have = |commitment: &Commitment| access.allows_of(&leaf.entry, commitment, peer);
        let allowed = leaf.entry.commitments.iter().any(may_have);
        if allowed {
            for record in self.reader.contents(leaf.index)? {
                let header: ContentHeader = headers::decode(&record.header)
                    .map_err(|source| CaseError::Header { index: leaf.index, source })?;
                let commitment = leaf.entry.commitments.get(header.commitment as usize);
                if let Some((salt, data)) = record.body.split_first_chunk::<32>()
                    && commitment.is_some_and(may_have)
                    && !record.erased
                    && content.iter().all(|other| other.commitment != header.commitment)
                {
                    let data = Bytes::copy_from_slice(data);
                    content.push(wire::Content { commitment: header.commitment, salt: salt.to_vec(), data });
                }
            }
        }
        Ok(wire::Item { signed_entry: leaf.entry.signed.clone(), content, relays: leaf.header.relays })
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
            let header = parse_header(index, &record.header)?;
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
            let header = parse_header(record.leaf().unwrap_or_default(), &record.header)?;
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
    pub fn shown_entry(&self, position: crate::ledger::Position) -> Result<Option<Entry>, CaseError> {
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

fn recent_item(leaf: &RecentLeaf, access: Access, peer: &AgencyId) -> wire::Item {
    let commitment = |content: &Content| leaf.entry.commitments.get(content.commitment as usize);
    let may_go = |content: &&Content| commitment(content).is_some_and(|of| access.allows_of(&leaf.entry, of, peer));
    let to_wire = |content: &Content| wire::Content {
        commitment: content.commitment,
        salt: content.salt.to_vec(),
        data: content.data.clone(),
    };
    let content = leaf.contents.iter().filter(may_go).map(to_wire).collect();
    wire::Item { signed_entry: leaf.entry.signed.clone(), content, relays: leaf.header.relays }
}

fn parse_header(index: LedgerIndex, header: &[u8]) -> Result<LeafHeader, CaseError> {
    headers::decode(header).map_err(|source| CaseError::Header { index, source })
}

/// The way through the ledger for one frame.
struct Walk<'a> {
    peer: &'a AgencyId,
    frame: Frame,
    cursor: Cursor,
    /// Parts before the cursor's leaf that were passed in this read.
    owed: u32,
}

impl Walk<'_> {
    /// Whether the next part was sent in an earlier frame.
    fn was_sent(&mut self) -> bool {
        self.owed += 1;
        self.owed <= self.cursor.part
    }

    /// A leaf and all that is owed before it is in the frame, or not for this link.
    fn passed(&mut self, index: LedgerIndex) {
        self.cursor = Cursor { epoch: self.cursor.epoch, index: index.next(), part: 0 };
        self.owed = 0;
    }

    fn finish(self) -> Prepared {
        self.frame.finish(self.cursor)
    }
}

/// A frame being filled.
#[derive(Default)]
struct Frame {
    items: Vec<wire::Item>,
    entries: Vec<EntryId>,
    bytes: usize,
}

impl Frame {
    /// Adds an item, unless the frame is full.
    fn add(&mut self, entry: &Entry, item: wire::Item) -> bool {
        let bytes = item.encoded_len() + 8;
        let full = self.items.len() >= limits::FRAME_ITEMS
            || self.bytes >= limits::DELIVER_TARGET_BYTES
            || (self.bytes + bytes > limits::DELIVER_BYTES && !self.items.is_empty());
        if full {
            return false;
        }
        self.items.push(item);
        self.entries.push(entry.id);
        self.bytes += bytes;
        true
    }

    /// Adds an item, unless the frame is full. If the frame has the entry already, for less than the link may have now, it gets its
    /// contents: a complaint that was lodged and forwarded at once goes over as two items, not three.
    fn add_or_complete(&mut self, entry: &Entry, item: wire::Item) -> bool {
        let Some(number) = self.entries.iter().rposition(|id| *id == entry.id) else { return self.add(entry, item) };
        let (old, new) = (self.items[number].encoded_len(), item.encoded_len());
        let bytes = self.bytes + new.saturating_sub(old);
        if bytes > limits::DELIVER_BYTES {
            return false;
        }
        if new > old {
            self.bytes = bytes;
            self.items[number] = item;
        }
        true
    }

    fn finish(self, cursor: Cursor) -> Prepared {
        let batch = Batch { cursor, entries: self.entries, bytes: self.bytes };
        Prepared { batch, frame: wire::Deliver { cursor: Some(cursor.to_wire()), items: self.items } }
    }
}
