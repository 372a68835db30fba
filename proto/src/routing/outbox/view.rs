//! The view of a node's ledger that the outbox reads.
//!
//! Must not know files or the store: the daemon and the simulator implement it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use crate::charter::Charters;
use crate::entry::content::Content;
use crate::entry::{Entry, Envelope};
use crate::routing::route::Route;

/// A readable ledger. A view may have the newest leaves in a cache; a view without a cache is only slower.
pub trait LedgerView {
    /// The error of a ledger that cannot be read.
    type Error;

    /// All leaves from an index on and the routing records before each of them, in order. The index may be that of the next leaf to be
    /// written.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn steps_from(
        &self,
        index: LedgerIndex,
    ) -> Result<impl Iterator<Item = Result<Step, Self::Error>> + '_, Self::Error>;

    /// A leaf.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn leaf(&self, index: LedgerIndex) -> Result<Leaf, Self::Error>;

    /// A leaf's entry.
    ///
    /// # Errors
    /// When the leaf is no entry.
    fn entry(&self, leaf: &Leaf) -> Result<Entry, Self::Error>;

    /// The contents of a leaf that are here and were not erased.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn contents(&self, index: LedgerIndex) -> Result<Vec<Content>, Self::Error>;

    /// The leaves of a complaint, in any order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn leaves_of(&self, complaint: &ComplaintId) -> Result<Vec<LedgerIndex>, Self::Error>;

    /// The intake agency of a complaint and every agency that custody was offered to.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn participants(&self, complaint: &ComplaintId, charters: &Charters) -> Result<BTreeSet<AgencyId>, Self::Error>;

    /// The cached leaves from `from` on, without a gap, up to `end`. Empty if the leaf `from` is not cached. No routing record lies before
    /// any of them.
    fn cached_leaves(&self, _from: LedgerIndex, _end: LedgerIndex) -> Vec<CachedLeaf> {
        Vec::new()
    }

    /// One cached leaf that was written here.
    fn cached_leaf(&self, _index: LedgerIndex) -> Option<Arc<OwnLeaf>> {
        None
    }
}

/// One step through a ledger.
#[derive(Clone, Debug)]
pub enum Step {
    /// A record that sends an older leaf over some links, again or for the first time.
    Routing {
        /// The older leaf.
        leaf: LedgerIndex,
        /// The links. Empty if the record is about something else.
        routes: Vec<Route>,
        /// Whether the leaf goes to a peer again that did not take it. Then it goes in any case, also if it came from that peer.
        is_again: bool,
    },
    /// A leaf.
    Leaf(Leaf),
}

/// A leaf with the facts that lie beside it.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The leaf's index.
    pub index: LedgerIndex,
    /// The peer that delivered it. `None` if it was written here.
    pub from: Option<AgencyId>,
    /// Number of agencies that passed it on before this node.
    pub relays: u32,
    /// The links that it goes to.
    pub routes: Vec<Route>,
    /// The bytes of the `Entry`.
    pub bytes: Bytes,
    /// The entry's envelope.
    pub envelope: Option<Envelope>,
}

/// A leaf in the cache.
#[derive(Clone, Debug)]
pub enum CachedLeaf {
    /// A leaf that was written here, whole.
    Own(Arc<OwnLeaf>),
    /// A leaf that goes over no link.
    NotRouted,
}

/// A leaf that was written here, with everything that links send of it.
#[derive(Clone, Debug)]
pub struct OwnLeaf {
    /// The leaf's entry.
    pub entry: Entry,
    /// The links that it goes to.
    pub routes: Vec<Route>,
    /// The contents that are here and were not erased.
    pub contents: Vec<Content>,
    /// The earlier leaves of its complaint, in order. Empty unless a route needs the history.
    pub earlier: Vec<LedgerIndex>,
}
