//! A node's ledger and store in memory: the durable state. It survives a crash, and a copy of the folder contains it.
//!
//! Must not know what the records mean to the engine. It keeps the records and the indexes over them, as the daemon's ledger and store do.
//!
//! Invariant: the records change only through [`Ledger::apply`], [`Ledger::destroy`] and [`Ledger::begin_epoch`], which the disk of
//! [`super::node`] calls.

mod audit_records;
mod foreign_ledger;
mod link_view;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message;
use sinergi_daemon::base::node_limits;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::charter::Charters;
use sinergi_proto::complaint::Complaint;
use sinergi_proto::engine::{
    Case, DeferredHeader, Destroy, External, ItemKey, JudgedHeader, LeafHeader, PeerCursor, ReceiptHeader, Record,
    RoutingHeader, Snapshot,
};
use sinergi_proto::entry::Entry;
use sinergi_proto::entry::content::Content;
use sinergi_proto::receipt::Receipt;
use sinergi_proto::routing::outbox::FrameRoom;
use sinergi_proto::routing::route::Route;
use sinergi_proto::routing::unsettled::Unsettled;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::rollback_guard::Sighting;
use sinergi_proto::wire;
use tlog_tiles::{Error as TreeError, Hash, HashReader};

pub use audit_records::AuditRecord;

/// The limits of a frame. They are small, so that small runs use split entries, full windows and resumption.
pub const ROOM: FrameRoom = FrameRoom { items: 4, target_bytes: node_limits::DELIVER_TARGET_BYTES };

/// A leaf of the ledger.
#[derive(Clone)]
pub struct Leaf {
    /// The header, which is not part of the Merkle tree.
    pub header: LeafHeader,
    /// The entry.
    pub entry: Entry,
    /// The contents of the entry that this node has.
    pub contents: Vec<Content>,
}

/// A routing record: an order to send an earlier leaf over more links.
#[derive(Clone)]
struct RoutingRecord {
    /// The number of leaves before this record.
    before: usize,
    leaf: LedgerIndex,
    routes: Vec<Route>,
    /// Whether the leaf goes to a peer again that did not take it.
    is_again: bool,
}

/// The values in a signed checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// Number of leaves.
    pub size: u64,
    /// The cosigned time, in seconds since 1970. `None`: the clock was not confirmed.
    pub seconds: Option<u64>,
    /// The root hash of the tree.
    pub root: [u8; 32],
}

impl From<&Checkpoint> for Seen {
    fn from(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { epoch, size, root, seconds } = *checkpoint;
        Self { epoch, size, seconds, root }
    }
}

/// A checkpoint that a node signed.
#[derive(Clone, Debug)]
pub struct SignedCheckpoint {
    /// Its values.
    pub seen: Seen,
    /// The signed note.
    pub note: Arc<[u8]>,
}

/// The acknowledgement of one entry by a peer's receipt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acknowledged {
    /// The peer.
    pub by: AgencyId,
    /// The epoch of its ledger.
    pub epoch: Epoch,
    /// The entry.
    pub entry: EntryId,
    /// The entry's leaf in the peer's ledger.
    pub leaf: LedgerIndex,
}

/// The durable part of a node.
#[derive(Clone)]
pub struct Ledger {
    /// The epoch.
    pub epoch: Epoch,
    /// The leaves.
    pub leaves: Vec<Leaf>,
    /// The complaints, as folded from the leaves.
    pub cases: BTreeMap<ComplaintId, Case>,
    charters: Arc<Charters>,
    /// The latest time that may be cosigned, in seconds since 1970.
    ceiling: u64,
    judged: Option<JudgedHeader>,
    routing_records: Vec<RoutingRecord>,
    /// Contents of the leaf that is appended next.
    next_contents: Vec<Content>,
    /// The hashes of the tree, in the order of `tlog_tiles::stored_hashes`.
    hashes: Vec<Hash>,
    index: BTreeMap<EntryId, usize>,
    /// An entry that was appended twice, or deferred while it was deferred already.
    pub duplicate: Option<EntryId>,
    imported: BTreeMap<External, ComplaintId>,
    backfilled: BTreeSet<AgencyId>,
    /// How far this node has received each peer's ledger.
    pub received: BTreeMap<AgencyId, Cursor>,
    /// How far each peer's receipts acknowledge this ledger.
    pub receipted: BTreeMap<AgencyId, Cursor>,
    /// Each peer's epoch in which it gave the newest receipt, if the receipt names one.
    pub receipted_in: BTreeMap<AgencyId, Option<Epoch>>,
    /// The acknowledgements in all receipts of peers.
    pub receipts: BTreeSet<Acknowledged>,
    /// The entries that each peer's receipts answer, admitted or not, by the epoch of the peer.
    pub answered_entries: BTreeMap<AgencyId, BTreeMap<Epoch, BTreeSet<EntryId>>>,
    /// Of these entries, those of which a receipt names the leaf.
    pub taken_entries: BTreeMap<AgencyId, BTreeMap<Epoch, BTreeSet<EntryId>>>,
    /// The entries that were taken over from the ledger of the epoch before, as leaves or as deferred items.
    pub taken_over: BTreeSet<EntryId>,
    /// The checkpoint in the newest receipt of each peer.
    pub receipt_checkpoints: BTreeMap<AgencyId, Vec<u8>>,
    /// Each peer's receipts, by the cursor up to which they acknowledge this ledger.
    receipts_by_cursor: BTreeMap<(AgencyId, Cursor), Vec<wire::Ack>>,
    /// Each peer's receipts for leaves that were sent again.
    receipts_by_leaf: BTreeMap<(AgencyId, LedgerIndex), Vec<wire::Ack>>,
    /// The deferred items: header and encoded item.
    pub deferred: BTreeMap<ItemKey, (DeferredHeader, Vec<u8>)>,
    /// The entries with contents in the ledgers of earlier epochs, which were moved aside.
    pub earlier_contents: BTreeSet<EntryId>,
    /// Items that are no longer deferred, whose records are not destroyed yet.
    spent: BTreeSet<ItemKey>,
    /// The refused entries: the delivering peer, the entry and the code.
    pub refused: Vec<(AgencyId, EntryId, u32)>,
    /// The items that peers did not take.
    pub unsettled: BTreeMap<(AgencyId, LedgerIndex), Unsettled>,
    /// The newest checkpoint of each peer, as a signed note.
    pub seen: BTreeMap<AgencyId, Vec<u8>>,
    /// The newest checkpoint of this ledger that a group has recorded.
    pub recorded: Option<SignedCheckpoint>,
    /// Proofs of peers that contradict this ledger. In the daemon they are a file beside the ledger, which is synced at once.
    pub sightings: Vec<Sighting>,
    /// Whether a peer has shown something that contradicts it. The node must sign nothing more in this epoch.
    pub is_contradicted: bool,
    /// The records that audits read, in order.
    pub audit_records: Vec<AuditRecord>,
}

impl HashReader for Ledger {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let hash = |number: &u64| usize::try_from(*number).ok().and_then(|number| self.hashes.get(number).copied());
        numbers.iter().map(|number| hash(number).ok_or(TreeError::IndexesNotInTree)).collect()
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new(epoch: Epoch, charters: Arc<Charters>) -> Self {
        Self {
            epoch,
            leaves: Vec::new(),
            cases: BTreeMap::new(),
            ceiling: 0,
            judged: None,
            charters,
            routing_records: Vec::new(),
            next_contents: Vec::new(),
            hashes: Vec::new(),
            index: BTreeMap::new(),
            duplicate: None,
            imported: BTreeMap::new(),
            backfilled: BTreeSet::new(),
            received: BTreeMap::new(),
            receipted: BTreeMap::new(),
            receipted_in: BTreeMap::new(),
            receipts: BTreeSet::new(),
            answered_entries: BTreeMap::new(),
            taken_entries: BTreeMap::new(),
            taken_over: BTreeSet::new(),
            receipt_checkpoints: BTreeMap::new(),
            receipts_by_cursor: BTreeMap::new(),
            receipts_by_leaf: BTreeMap::new(),
            deferred: BTreeMap::new(),
            earlier_contents: BTreeSet::new(),
            spent: BTreeSet::new(),
            refused: Vec::new(),
            unsettled: BTreeMap::new(),
            seen: BTreeMap::new(),
            recorded: None,
            sightings: Vec::new(),
            is_contradicted: false,
            audit_records: Vec::new(),
        }
    }

    /// Begins an epoch with an empty ledger, and returns the old ledger. The new one keeps the receipts of peers, as the daemon keeps the
    /// old ledger that contains them.
    pub fn begin_epoch(&mut self, epoch: Epoch) -> Self {
        let mut new = Self::new(epoch, Arc::clone(&self.charters));
        (new.receipts, new.answered_entries) = (self.receipts.clone(), self.answered_entries.clone());
        new.taken_entries.clone_from(&self.taken_entries);
        new.earlier_contents.clone_from(&self.earlier_contents);
        let with_contents = self.leaves.iter().filter(|leaf| !leaf.contents.is_empty()).map(|leaf| leaf.entry.id);
        let waiting = self.deferred.values().filter(|(_, item)| has_content(item)).map(|(header, _)| header.entry);
        new.earlier_contents.extend(with_contents.chain(waiting));
        std::mem::replace(self, new)
    }

    /// Sets the charters that the node uses from now on.
    pub fn set_charters(&mut self, charters: Arc<Charters>) {
        for case in self.cases.values_mut() {
            if case.complaint.may_change_under(&charters) {
                case.judge_again(&charters);
            }
        }
        self.charters = charters;
    }

    /// The charters that the node used with this ledger.
    pub fn charters(&self) -> &Arc<Charters> {
        &self.charters
    }

    /// A peer's receipts whose cursor is after this leaf of the present epoch.
    pub fn receipts_after<'a>(&'a self, peer: &'a AgencyId, leaf: LedgerIndex) -> impl Iterator<Item = &'a wire::Ack> {
        let first = Cursor { epoch: self.epoch, index: leaf.next(), part: 0 };
        let out_of_order = self.receipts_by_leaf.get(&(peer.clone(), leaf)).into_iter().flatten();
        let after = self.receipts_by_cursor.range((peer.clone(), first)..);
        out_of_order.chain(after.take_while(move |((of, _), _)| of == peer).flat_map(|(_, acks)| acks))
    }

    /// Applies a record that is durable now.
    pub fn apply(&mut self, record: Record) {
        self.audit_records.extend(AuditRecord::of(&record, self.next_index()));
        match record {
            Record::Leaf { header, entry } => self.append(header, *entry),
            Record::Signature { leaves, signed } => {
                for (leaf, envelope) in leaves.into_iter().zip(signed.envelopes()) {
                    self.leaves[number(leaf)].entry.envelope = Some(envelope);
                }
            }
            Record::Content { leaf, content, .. } if leaf == self.next_index() => self.next_contents.push(content),
            Record::Content { leaf, content, .. } => self.leaves[number(leaf)].contents.push(content),
            Record::Receipt { header: ReceiptHeader { peer, cursor, at, unsettled, settled }, ack } => {
                for leaf in settled {
                    let receipt = wire::Ack::decode(&ack[..]).expect("a session stores well-formed receipts");
                    self.receipts_by_leaf.entry((peer.clone(), leaf)).or_default().push(receipt);
                    self.unsettled.remove(&(peer.clone(), leaf));
                }
                for item in unsettled {
                    let key = (peer.clone(), item.leaf);
                    let answered = Unsettled::answered(self.unsettled.get(&key), item, at);
                    self.unsettled.insert(key, answered);
                }
                self.keep_receipt(&peer, cursor, &ack);
                let old = self.receipted.get(&peer).copied();
                self.receipted.insert(peer, PeerCursor::Receipted.after(old, cursor));
            }
            Record::Cursor(header) => {
                let old = self.received.get(&header.peer).copied();
                self.received.insert(header.peer, PeerCursor::Received.after(old, header.cursor));
            }
            Record::Seen { header, note } => drop(self.seen.insert(header.peer, note.to_vec())),
            Record::Refused { header, .. } => self.refused.push((header.peer, header.entry, header.code)),
            Record::Deferred { header, item } => {
                let entry = header.entry;
                if self.deferred.insert(header.item, (header, item.to_vec())).is_some() {
                    self.duplicate = Some(entry);
                }
            }
            Record::DeferredDone(header) => {
                self.deferred.remove(&header.item);
                self.spent.insert(header.item);
            }
            Record::Ceiling(header) => self.ceiling = header.seconds,
            Record::Judged(header) => self.judged = Some(header),
            Record::PutOff(_) => {}
            Record::Routing(RoutingHeader::Leaf { leaf, routes }) => {
                self.add_routing(leaf, routes, false);
            }
            Record::Routing(RoutingHeader::Again { leaf, route, number }) => {
                if let Some(unsettled) = self.unsettled.get_mut(&(route.to.clone(), leaf)) {
                    *unsettled = unsettled.sent_again(number);
                }
                self.add_routing(leaf, vec![route], true);
            }
            Record::Routing(RoutingHeader::BackfillDone { peer }) => {
                self.add_routing(LedgerIndex::default(), Vec::new(), false);
                self.backfilled.insert(peer);
            }
        }
    }

    fn add_routing(&mut self, leaf: LedgerIndex, routes: Vec<Route>, is_again: bool) {
        self.routing_records.push(RoutingRecord { before: self.leaves.len(), leaf, routes, is_again });
    }

    /// All receipts of a peer.
    pub fn receipts_of<'a>(&'a self, peer: &'a AgencyId) -> impl Iterator<Item = &'a wire::Ack> {
        self.receipts_by_cursor.iter().filter(move |((by, _), _)| by == peer).flat_map(|(_, acks)| acks)
    }

    fn keep_receipt(&mut self, by: &AgencyId, cursor: Cursor, ack: &[u8]) {
        let ack = wire::Ack::decode(ack).expect("a session stores well-formed receipts");
        let receipt = Receipt::parse(&ack).expect("a session stores checked receipts");
        self.receipts_by_cursor.entry((by.clone(), cursor)).or_default().push(ack);
        self.receipted_in.insert(by.clone(), receipt.epoch());
        // Without a readable checkpoint the epoch of the leaves is not known.
        let Some(epoch) = receipt.epoch() else { return };
        let leaves = receipt.leaves().map(|(entry, leaf)| Acknowledged { by: by.clone(), epoch, entry, leaf });
        self.receipts.extend(leaves);
        let answered = self.answered_entries.entry(by.clone()).or_default().entry(epoch).or_default();
        answered.extend(receipt.results.iter().map(|result| result.entry));
        let taken = self.taken_entries.entry(by.clone()).or_default().entry(epoch).or_default();
        taken.extend(receipt.leaves().map(|(entry, _)| entry));
        self.receipt_checkpoints.insert(by.clone(), receipt.checkpoint);
    }

    /// Destroys contents that a durable entry erases.
    pub fn destroy(&mut self, what: Destroy) {
        match what {
            Destroy::Contents(leaf) => self.leaves[number(leaf)].contents.clear(),
            Destroy::EarlierContents(entry) => drop(self.earlier_contents.remove(&entry)),
            Destroy::DeferredItem(key) => drop(self.spent.remove(&key)),
        }
    }

    /// Destroys what a crash has left between the sync of a batch and its destruction, as the daemon does when it starts.
    pub fn destroy_spent_items(&mut self) {
        self.spent.clear();
    }

    /// Whether it still has a copy of an item that is no longer deferred.
    pub fn has_spent_items(&self) -> bool {
        !self.spent.is_empty()
    }

    fn append(&mut self, header: LeafHeader, entry: Entry) {
        let index = self.next_index();
        let hashes = tlog_tiles::stored_hashes_for_record_hash(index.0, Hash(entry.id.0), self);
        let hashes = hashes.expect("a tree in memory is readable");
        self.hashes.extend(hashes);
        if self.index.insert(entry.id, self.leaves.len()).is_some() {
            self.duplicate = Some(entry.id);
        }
        add_to_cases(&mut self.cases, &self.charters, index, &entry, &header);
        if let (Some(external), Some(complaint)) = (&header.external, entry.complaint) {
            self.imported.insert(external.clone(), complaint);
        }
        let contents = std::mem::take(&mut self.next_contents);
        self.leaves.push(Leaf { header, entry, contents });
    }

    /// Folds all complaints again, in the order of the entries' clocks. The leaves have the order in which the entries arrived.
    pub fn folded_in_order_of_time(&self) -> BTreeMap<ComplaintId, Complaint> {
        let mut entries: Vec<&Entry> = self.leaves.iter().map(|leaf| &leaf.entry).collect();
        entries.sort_unstable_by_key(|entry| (entry.clock, entry.id));
        let mut complaints = BTreeMap::new();
        for entry in entries {
            let Some(id) = entry.complaint else { continue };
            match complaints.get_mut(&id) {
                None => {
                    let complaint = Complaint::lodge(entry, &self.charters);
                    complaints.insert(id, complaint.expect("a complaint's first entry lodges it"));
                }
                Some(complaint) => drop(complaint.insert(entry, &self.charters)),
            }
        }
        complaints
    }

    /// The snapshot from which an engine starts on this ledger.
    pub fn snapshot(&self, own: &AgencyId, adjacent: &BTreeSet<AgencyId>) -> Snapshot {
        let clocks = self.leaves.iter().filter(|leaf| leaf.entry.author == *own).map(|leaf| leaf.entry.clock);
        let has_duties = |case: &&Case| case.duties(own).any();
        Snapshot {
            epoch: self.epoch,
            size: self.next_index(),
            clock: clocks.max().unwrap_or_default(),
            ceiling: self.ceiling,
            judged: self.judged,
            deferred: self.deferred.values().cloned().collect(),
            duties: self.cases.values().filter(has_duties).map(|case| case.complaint.id()).collect(),
            new_peers: adjacent.difference(&self.backfilled).cloned().collect(),
            seen: self.seen.clone(),
        }
    }

    /// The newest time in the ledger, in milliseconds since 1970; 0 if there is none.
    pub fn newest_time(&self, own: &AgencyId) -> u64 {
        let clocks = self.leaves.iter().filter(|leaf| leaf.entry.author == *own).map(|leaf| leaf.entry.clock.millis());
        clocks.max().unwrap_or_default().max(self.ceiling.saturating_sub(limits::CEILING_AHEAD.as_secs()) * 1000)
    }

    /// The index of the next leaf.
    pub fn next_index(&self) -> LedgerIndex {
        LedgerIndex(self.leaves.len() as u64)
    }

    /// The leaf at this index.
    pub fn leaf(&self, index: LedgerIndex) -> &Leaf {
        &self.leaves[number(index)]
    }

    /// The leaf of an entry, if the ledger has it.
    pub fn leaf_of(&self, entry: &EntryId) -> Option<LedgerIndex> {
        self.index.get(entry).map(|number| LedgerIndex(*number as u64))
    }

    /// The end of the durable ledger, as a cursor.
    pub fn end(&self) -> Cursor {
        let after_last_leaf =
            self.routing_records.iter().rev().take_while(|record| record.before == self.leaves.len()).count();
        Cursor::end(
            self.epoch,
            self.next_index(),
            u32::try_from(after_last_leaf).expect("a run has few routing records"),
        )
    }

    /// The root hash over all leaves.
    pub fn root(&self) -> [u8; 32] {
        tlog_tiles::tree_hash(self.next_index().0, self).expect("a tree in memory is readable").0
    }

    /// Whether the ledger has at least as many leaves as the checkpoint, and the same ones.
    pub fn has_tree_of(&self, seen: &Seen) -> bool {
        let root = (seen.size <= self.next_index().0).then(|| tlog_tiles::tree_hash(seen.size, self));
        root.is_some_and(|root| root.expect("a tree in memory is readable").0 == seen.root)
    }
}

fn has_content(item: &[u8]) -> bool {
    <wire::Item as prost::Message>::decode(item).is_ok_and(|item| !item.content.is_empty())
}

fn add_to_cases(
    cases: &mut BTreeMap<ComplaintId, Case>,
    charters: &Charters,
    index: LedgerIndex,
    entry: &Entry,
    header: &LeafHeader,
) {
    let Some(id) = entry.complaint else { return };
    match cases.get_mut(&id) {
        Some(case) => drop(case.fold(entry, charters)),
        None => drop(cases.insert(id, Case::lodge(entry, charters).expect("the first entry of a complaint lodges it"))),
    }
    cases.get_mut(&id).expect("it was just added").place(index, entry, header);
}

fn number(index: LedgerIndex) -> usize {
    usize::try_from(index.0).expect("a ledger in memory fits into usize")
}
