//! A node's durable part in memory: what a crash leaves, and what a copy of the folder holds.
//!
//! Invariant: changed only by a group commit of [`super::node`].

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

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
use tlog_tiles::{Error as TreeError, Hash, HashReader};

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

/// How far a ledger reached when somebody saw it: what a signed checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its leaves.
    pub size: u64,
    /// The cosigned time, in seconds since 1970.
    pub seconds: u64,
    /// Its root.
    pub root: [u8; 32],
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
    /// Of its tree, as they are stored.
    hashes: Vec<Hash>,
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
    /// Its own newest checkpoint that a group has recorded.
    pub recorded: Option<Seen>,
}

impl HashReader for Ledger {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let hash = |number: &u64| usize::try_from(*number).ok().and_then(|number| self.hashes.get(number).copied());
        numbers.iter().map(|number| hash(number).ok_or(TreeError::IndexesNotInTree)).collect()
    }
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
            recorded: None,
        }
    }

    /// Appends a leaf; its index.
    pub fn append(&mut self, leaf: Leaf) -> LedgerIndex {
        let index = self.next_index();
        let hashes = tlog_tiles::stored_hashes(index.0, &leaf.entry.signed, self).expect("a tree in memory");
        self.hashes.extend(hashes);
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

    /// The checkpoint over all leaves, cosigned at this time.
    pub fn checkpoint(&self, seconds: u64) -> Seen {
        let size = self.next_index().0;
        let root = tlog_tiles::tree_hash(size, self).expect("a tree in memory").0;
        Seen { epoch: self.epoch, size, seconds, root }
    }

    /// Whether the ledger has as many leaves as when it was seen, and the same.
    pub fn had(&self, seen: &Seen) -> bool {
        let root = (seen.size <= self.next_index().0).then(|| tlog_tiles::tree_hash(seen.size, self));
        root.is_some_and(|root| root.expect("a tree in memory").0 == seen.root)
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
