//! A node's durable part in memory: what a crash leaves, and what a copy of the folder holds. And the walk along it for one link.
//!
//! Invariant: changed only by a group commit of [`super::node`].

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sinergi_proto::clock::HybridClock;
use sinergi_proto::content::Content;
use sinergi_proto::entry::{Entry, Place};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::limits;
use sinergi_proto::link::{Batch, Cursor};
use sinergi_proto::route::{Access, Route};
use sinergi_proto::wire;

/// Items of a frame: few, so that windows, parts and resumption are used by small runs.
const FRAME_ITEMS: usize = 4;

/// A leaf with what the node notes beside it.
#[derive(Clone)]
pub struct Leaf {
    /// The entry.
    pub entry: Entry,
    /// The peer that it came from.
    pub from: Option<AgencyId>,
    /// How many agencies passed it on before us.
    pub relays: u32,
    /// The links that it goes to.
    pub routes: Vec<Route>,
    /// Its contents that are here.
    pub contents: Vec<Content>,
}

/// What is owed behind a number of leaves: a leaf goes over links once more.
#[derive(Clone)]
struct Owed {
    /// Before the leaf with this index.
    before: usize,
    leaf: usize,
    routes: Vec<Route>,
}

/// How far a ledger reached when somebody saw it, with the hash over its leaves: what a signed checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its leaves.
    pub size: usize,
    /// Over their ids.
    pub hash: [u8; 32],
}

/// An item that waits for something.
#[derive(Clone)]
pub struct Waiting {
    /// Who delivered it.
    pub peer: AgencyId,
    /// The item.
    pub item: wire::Item,
}

/// The durable part of a node.
#[derive(Clone)]
pub struct Ledger {
    /// The epoch.
    pub epoch: Epoch,
    /// The leaves.
    pub leaves: Vec<Leaf>,
    owed: Vec<Owed>,
    hashes: Vec<[u8; 32]>,
    index: BTreeMap<EntryId, usize>,
    /// How far we have each peer's ledger.
    pub received: BTreeMap<AgencyId, Cursor>,
    /// How far we hold each peer's receipts.
    pub receipted: BTreeMap<AgencyId, Cursor>,
    /// What waits.
    pub waiting: Vec<Waiting>,
    /// What was refused: by whom it came, and the code.
    pub refused: Vec<(AgencyId, EntryId, u32)>,
    /// The newest checkpoint of each peer.
    pub seen: BTreeMap<AgencyId, Seen>,
    /// Peers that began a new epoch: which, and how many leaves we had then.
    pub resets: BTreeMap<AgencyId, (Epoch, usize)>,
    /// The last own clock.
    pub clock: HybridClock,
}

/// What of a peer's ledger goes back to it when it has begun a new epoch.
#[derive(Clone, Copy)]
pub struct GiveBack {
    /// The epoch that it has begun.
    pub epoch: Epoch,
    /// What it passed on is given back up to here.
    pub before: usize,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            leaves: Vec::new(),
            owed: Vec::new(),
            hashes: Vec::new(),
            index: BTreeMap::new(),
            received: BTreeMap::new(),
            receipted: BTreeMap::new(),
            waiting: Vec::new(),
            refused: Vec::new(),
            seen: BTreeMap::new(),
            resets: BTreeMap::new(),
            clock: HybridClock::default(),
        }
    }

    /// Appends a leaf; its index.
    pub fn append(&mut self, leaf: Leaf) -> usize {
        let number = self.leaves.len();
        let before = self.hashes.last().copied().unwrap_or_default();
        self.hashes.push(Sha256::new().chain_update(before).chain_update(leaf.entry.id.0).finalize().into());
        self.index.insert(leaf.entry.id, number);
        self.leaves.push(leaf);
        number
    }

    /// A leaf goes over these links once more.
    pub fn route_again(&mut self, leaf: usize, routes: Vec<Route>) {
        self.owed.push(Owed { before: self.leaves.len(), leaf, routes });
    }

    /// Where an entry lies.
    pub fn leaf_of(&self, entry: &EntryId) -> Option<usize> {
        self.index.get(entry).copied()
    }

    /// The durable end, as links count.
    pub fn end(&self) -> Cursor {
        let size = self.leaves.len();
        let owed = self.owed.iter().filter(|owed| owed.before == size).count();
        Cursor::end(self.epoch, LedgerIndex(size as u64), u32::try_from(owed).unwrap_or(u32::MAX))
    }

    /// The checkpoint over all leaves.
    pub fn checkpoint(&self) -> Seen {
        let hash = self.hashes.last().copied().unwrap_or_default();
        Seen { epoch: self.epoch, size: self.leaves.len(), hash }
    }

    /// Whether a ledger of this epoch had the same leaves when it was seen.
    pub fn had(&self, seen: &Seen) -> bool {
        let hash = seen.size.checked_sub(1).and_then(|last| self.hashes.get(last)).copied().unwrap_or_default();
        hash == seen.hash
    }

    /// The entry of an agency with the highest place.
    pub fn newest_of(&self, author: &AgencyId) -> Option<(Place, EntryId)> {
        let theirs = self.leaves.iter().filter(|leaf| leaf.entry.author == *author);
        theirs.map(|leaf| (leaf.entry.place, leaf.entry.id)).max()
    }

    /// The next items for `peer` from `from` on.
    pub fn prepare(
        &self,
        peer: &AgencyId,
        from: Cursor,
        give_back: Option<GiveBack>,
        access_of: &dyn Fn(&Entry) -> Access,
    ) -> (Batch, wire::Deliver) {
        let mut walk = Walk { ledger: self, peer, frame: Vec::new(), entries: Vec::new(), cursor: from, passed: 0 };
        let mut index = usize::try_from(from.index.0).unwrap_or(usize::MAX);
        while walk.step(index, give_back, access_of) {
            index += 1;
        }
        let Walk { frame: items, entries, cursor, .. } = walk;
        let bytes = items.len();
        (Batch { cursor, entries, bytes }, wire::Deliver { cursor: Some(cursor.to_wire()), items })
    }

    fn leaves_of(&self, complaint: Option<ComplaintId>, below: usize) -> impl Iterator<Item = &Leaf> {
        self.leaves[..below].iter().filter(move |leaf| complaint.is_some() && leaf.entry.complaint == complaint)
    }
}

/// The way along a ledger for one frame.
struct Walk<'a> {
    ledger: &'a Ledger,
    peer: &'a AgencyId,
    frame: Vec<wire::Item>,
    entries: Vec<EntryId>,
    cursor: Cursor,
    /// Parts before the cursor's leaf that were passed.
    passed: u32,
}

impl Walk<'_> {
    /// Adds what is owed before a leaf, and the leaf; `false`: the frame is full, or there is no such leaf yet.
    fn step(&mut self, index: usize, give_back: Option<GiveBack>, access_of: &dyn Fn(&Entry) -> Access) -> bool {
        let ledger = self.ledger;
        for owed in ledger.owed.iter().filter(|owed| owed.before == index) {
            let leaf = &ledger.leaves[owed.leaf];
            let route = owed.routes.iter().find(|route| route.to == *self.peer);
            let item = route.map(|route| item(leaf, route.access, self.peer));
            if !self.part(leaf, item) {
                return false;
            }
        }
        let Some(leaf) = ledger.leaves.get(index) else { return false };
        let covered = |give_back: GiveBack| {
            let wrote_it = leaf.entry.author == *self.peer && leaf.entry.place.epoch < give_back.epoch;
            wrote_it || (leaf.from.as_ref() == Some(self.peer) && index < give_back.before)
        };
        if let Some(route) = leaf.routes.iter().find(|route| route.to == *self.peer) {
            if route.history {
                for old in ledger.leaves_of(leaf.entry.complaint, index) {
                    let item = item(old, route.access, self.peer);
                    let is_known = old.from.as_ref() == Some(self.peer) && item.content.is_empty();
                    if !self.part(old, (!is_known).then_some(item)) {
                        return false;
                    }
                }
            }
            if !self.add(leaf, item(leaf, route.access, self.peer)) {
                return false;
            }
        } else if give_back.is_some_and(covered) {
            // What it wrote itself it had whole.
            let wrote_it = leaf.entry.author == *self.peer;
            let access = if wrote_it { Access::Confidential } else { access_of(&leaf.entry) };
            if !self.add(leaf, item(leaf, access, self.peer)) {
                return false;
            }
        }
        self.cursor = Cursor { index: LedgerIndex(index as u64 + 1), part: 0, ..self.cursor };
        self.passed = 0;
        true
    }

    /// A part of what is owed before the leaf; `None`: nothing for this link, but counted.
    fn part(&mut self, leaf: &Leaf, item: Option<wire::Item>) -> bool {
        self.passed += 1;
        if self.passed <= self.cursor.part {
            return true;
        }
        if let Some(item) = item
            && !self.add(leaf, item)
        {
            return false;
        }
        self.cursor.part += 1;
        true
    }

    fn add(&mut self, leaf: &Leaf, item: wire::Item) -> bool {
        if self.frame.len() >= FRAME_ITEMS.min(limits::FRAME_ITEMS) {
            return false;
        }
        self.frame.push(item);
        self.entries.push(leaf.entry.id);
        true
    }
}

/// An entry with the contents that the peer may have.
fn item(leaf: &Leaf, access: Access, peer: &AgencyId) -> wire::Item {
    let may_have = |content: &&Content| {
        let commitment = leaf.entry.commitments.get(content.commitment as usize);
        commitment.is_some_and(|commitment| access.allows_of(&leaf.entry, commitment, peer))
    };
    let content = |content: &Content| wire::Content {
        commitment: content.commitment,
        salt: content.salt.to_vec(),
        data: content.data.clone(),
    };
    let contents = leaf.contents.iter().filter(may_have).map(content).collect();
    wire::Item { signed_entry: leaf.entry.signed.clone(), content: contents, relays: leaf.relays }
}
