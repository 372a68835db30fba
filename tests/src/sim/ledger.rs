//! A node's durable part in memory: what a crash leaves, and what a copy of the folder holds.
//!
//! Invariant: changed only by a group commit of [`super::node`].

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use sha2::{Digest, Sha256};
use sinergi_proto::charter::Charters;
use sinergi_proto::content::Content;
use sinergi_proto::dossier::Dossier;
use sinergi_proto::entry::{Entry, Place};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::limits;
use sinergi_proto::link::Cursor;
use sinergi_proto::outbox::{self, FrameRoom, LedgerView, Step};
use sinergi_proto::route::{Route, reset_of};
use sinergi_proto::waiting::Waiting;
use sinergi_proto::wire;

/// Frames carry little, so that parts, windows and resumption are used by small runs.
pub const ROOM: FrameRoom = FrameRoom { items: 4, target_bytes: limits::DELIVER_TARGET_BYTES };

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

/// A routing record: a leaf goes over links once more.
#[derive(Clone)]
struct Owed {
    /// It lies before the leaf with this index.
    before: usize,
    leaf: LedgerIndex,
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

/// Who gave it, for its ledger in which epoch, of which entry at which leaf.
pub type Receipt = (AgencyId, Epoch, EntryId, LedgerIndex);

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
    /// What they say: who gave it, for its ledger in which epoch, of which entry at which leaf.
    pub receipts: BTreeSet<Receipt>,
    /// What waits.
    pub waiting: Waiting<wire::Item>,
    /// What was refused: by whom it came, and the code.
    pub refused: Vec<(AgencyId, EntryId, u32)>,
    /// The newest checkpoint of each peer.
    pub seen: BTreeMap<AgencyId, Seen>,
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
            receipts: BTreeSet::new(),
            waiting: Waiting::default(),
            refused: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Appends a leaf; its index.
    pub fn append(&mut self, leaf: Leaf) -> LedgerIndex {
        let index = self.next_index();
        let before = self.hashes.last().copied().unwrap_or_default();
        self.hashes.push(Sha256::new().chain_update(before).chain_update(leaf.entry.id.0).finalize().into());
        self.index.insert(leaf.entry.id, self.leaves.len());
        self.leaves.push(leaf);
        index
    }

    /// The index of the next leaf.
    pub fn next_index(&self) -> LedgerIndex {
        LedgerIndex(self.leaves.len() as u64)
    }

    /// A leaf goes over these links once more.
    pub fn route_again(&mut self, leaf: LedgerIndex, routes: Vec<Route>) {
        self.owed.push(Owed { before: self.leaves.len(), leaf, routes });
    }

    /// A leaf.
    pub fn leaf(&self, index: LedgerIndex) -> &Leaf {
        &self.leaves[number(index)]
    }

    /// A leaf, to change its contents.
    pub fn leaf_mut(&mut self, index: LedgerIndex) -> &mut Leaf {
        &mut self.leaves[number(index)]
    }

    /// Where an entry lies.
    pub fn leaf_of(&self, entry: &EntryId) -> Option<LedgerIndex> {
        self.index.get(entry).map(|number| LedgerIndex(*number as u64))
    }

    /// The durable end, as links count.
    pub fn end(&self) -> Cursor {
        let owed = self.owed.iter().rev().take_while(|owed| owed.before == self.leaves.len()).count();
        Cursor::end(self.epoch, self.next_index(), u32::try_from(owed).expect("runs are short"))
    }

    /// The checkpoint over all leaves.
    pub fn checkpoint(&self) -> Seen {
        let hash = self.hashes.last().copied().unwrap_or_default();
        Seen { epoch: self.epoch, size: self.leaves.len(), hash }
    }

    /// Whether the ledger has as many leaves as when it was seen, and the same.
    pub fn had(&self, seen: &Seen) -> bool {
        let last = seen.size.checked_sub(1).map(|last| self.hashes.get(last).copied());
        last.unwrap_or(Some([0; 32])) == Some(seen.hash)
    }

    /// The entry of an agency with the highest place.
    pub fn newest_of(&self, author: &AgencyId) -> Option<(Place, EntryId)> {
        let theirs = self.leaves.iter().filter(|leaf| leaf.entry.author == *author);
        theirs.map(|leaf| (leaf.entry.place, leaf.entry.id)).max()
    }

    /// The same, of those that it delivered itself.
    pub fn newest_delivered_by(&self, author: &AgencyId) -> Option<(Place, EntryId)> {
        let is_theirs = |leaf: &&Leaf| leaf.entry.author == *author && leaf.from.as_ref() == Some(author);
        self.leaves.iter().filter(is_theirs).map(|leaf| (leaf.entry.place, leaf.entry.id)).max()
    }

    /// The newest epoch that an agency has declared, and where the declaration lies.
    pub fn reset_of(&self, author: &AgencyId) -> Option<(Epoch, LedgerIndex)> {
        let is_reset = |leaf: &Leaf| leaf.entry.author == *author && reset_of(&leaf.entry).is_some();
        let resets = self.leaves.iter().enumerate().filter(|(_, leaf)| is_reset(leaf));
        resets
            .map(|(number, leaf)| (leaf.entry.place.epoch, LedgerIndex(number as u64)))
            .max_by_key(|(epoch, _)| *epoch)
    }
}

/// A ledger and what is derived from it, as links read it.
pub struct View<'a> {
    /// The ledger.
    pub ledger: &'a Ledger,
    /// Its complaints.
    pub cases: &'a BTreeMap<ComplaintId, Dossier>,
}

impl LedgerView for View<'_> {
    type Error = Infallible;

    fn steps_from(
        &self,
        index: LedgerIndex,
    ) -> Result<impl Iterator<Item = Result<Step, Infallible>> + '_, Infallible> {
        let ledger = self.ledger;
        let first = ledger.owed.partition_point(|owed| owed.before < number(index));
        let mut owed = ledger.owed[first..].iter().peekable();
        let mut next = number(index);
        Ok(std::iter::from_fn(move || {
            if let Some(record) = owed.next_if(|owed| owed.before == next) {
                return Some(Ok(Step::Routing { leaf: record.leaf, routes: record.routes.clone() }));
            }
            let leaf = ledger.leaves.get(next)?;
            next += 1;
            Some(Ok(Step::Leaf(as_links_see(next - 1, leaf))))
        }))
    }

    fn leaf(&self, index: LedgerIndex) -> Result<outbox::Leaf, Infallible> {
        Ok(as_links_see(number(index), self.ledger.leaf(index)))
    }

    fn entry(&self, leaf: &outbox::Leaf) -> Result<Entry, Infallible> {
        Ok(self.ledger.leaf(leaf.index).entry.clone())
    }

    fn contents(&self, index: LedgerIndex) -> Result<Vec<Content>, Infallible> {
        Ok(self.ledger.leaf(index).contents.clone())
    }

    fn leaves_of(&self, complaint: &ComplaintId) -> Result<Vec<LedgerIndex>, Infallible> {
        Ok(self.cases.get(complaint).map(|case| case.leaves.values().copied().collect()).unwrap_or_default())
    }

    fn participants(&self, complaint: &ComplaintId, _: &Charters) -> Result<BTreeSet<AgencyId>, Infallible> {
        Ok(self.cases.get(complaint).map(|case| case.complaint.participants().clone()).unwrap_or_default())
    }
}

fn as_links_see(number: usize, leaf: &Leaf) -> outbox::Leaf {
    let Leaf { entry, from, relays, routes, .. } = leaf;
    let (index, signed) = (LedgerIndex(number as u64), entry.signed.clone());
    outbox::Leaf { index, from: from.clone(), relays: *relays, routes: routes.clone(), signed }
}

fn number(index: LedgerIndex) -> usize {
    usize::try_from(index.0).expect("a ledger in memory")
}
