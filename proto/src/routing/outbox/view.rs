//! A node's ledger, as far as links read it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use crate::charter::Charters;
use crate::entry::Entry;
use crate::entry::content::Content;
use crate::routing::route::Route;

/// What the walk reads. The newest leaves may be handed out from memory: a view that keeps none is only slower.
pub trait LedgerView {
    /// Why it cannot be read.
    type Error;

    /// All leaves from an index on and the routing records before each of them, in order; the index may be that of the next leaf.
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

    /// The leaves from an index on that need not be read, up to `end`; none if that leaf must be. No routing record lies before any of them.
    fn recalled(&self, _from: LedgerIndex, _end: LedgerIndex) -> Vec<Recalled> {
        Vec::new()
    }

    /// A leaf that need not be read.
    fn recalled_leaf(&self, _index: LedgerIndex) -> Option<Arc<OwnLeaf>> {
        None
    }
}

/// One step through a ledger.
#[derive(Clone, Debug)]
pub enum Step {
    /// A routing record: a leaf goes over these links, again or for the first time; none if it is about something else.
    Routing {
        /// The leaf.
        leaf: LedgerIndex,
        /// The links.
        routes: Vec<Route>,
    },
    /// A leaf.
    Leaf(Leaf),
}

/// A leaf and what was noted beside it.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Its index.
    pub index: LedgerIndex,
    /// The peer that it came from; `None`: written here.
    pub from: Option<AgencyId>,
    /// How many agencies passed it on before us.
    pub relays: u32,
    /// The links that it goes to.
    pub routes: Vec<Route>,
    /// The `SignedEntry`.
    pub signed: Bytes,
}

/// What is known of a leaf without reading it.
#[derive(Clone, Debug)]
pub enum Recalled {
    /// It was written here: all of it.
    Own(Arc<OwnLeaf>),
    /// It goes over no link.
    GoesNowhere,
}

/// A leaf that was written here, with everything that links send of it.
#[derive(Clone, Debug)]
pub struct OwnLeaf {
    /// Its entry.
    pub entry: Entry,
    /// The links that it goes to.
    pub routes: Vec<Route>,
    /// Its contents that are here and were not erased.
    pub contents: Vec<Content>,
    /// The earlier leaves of its complaint, in order, if a link is owed them.
    pub earlier: Vec<LedgerIndex>,
}
