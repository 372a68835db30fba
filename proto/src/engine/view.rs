//! The reads that the engine may make of the node that it runs in.
//!
//! Must not know files, the store, or how an implementation caches.

use super::record::ItemKey;
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::entry::content::Content;
use crate::routing::unsettled::Unsettled;
use crate::wire;

use super::case::Case;
use super::record::External;

/// The node's ledger and store as of the newest applied batch. The engine itself remembers later decisions, so an implementation never
/// waits for the disk.
///
/// The engine reads everything that a decision needs before it decides. After a failed read, earlier decisions stand.
pub trait View {
    /// Why the node's own data cannot be read. Every method fails for this reason only.
    type Error;

    /// A complaint with all its entries; `None` if there is none. The engine asks only for complaints that are not in its memory.
    fn case(&mut self, id: &ComplaintId) -> Result<Option<Box<Case>>, Self::Error>;

    /// The complaint that was imported from a record of another system.
    fn imported(&mut self, external: &External) -> Result<Option<ComplaintId>, Self::Error>;

    /// The leaf of an entry that belongs to no complaint. `clock` is the entry's own.
    fn node_entry(&mut self, clock: HybridClock, id: &EntryId) -> Result<Option<LedgerIndex>, Self::Error>;

    /// The contents of a leaf that this node has and that were not destroyed.
    fn contents(&mut self, leaf: LedgerIndex) -> Result<Vec<Content>, Self::Error>;

    /// The newest epoch that an agency has declared of its ledger.
    fn declared_epoch(&mut self, agency: &AgencyId) -> Result<Option<Epoch>, Self::Error>;

    /// Receipts of a peer whose cursor is after this leaf, by cursor and at most `most`. Those that acknowledge the leaf are among the first ones, also if
    /// it was sent again. Not so if it was sent late as history.
    fn receipts(&mut self, peer: &AgencyId, leaf: LedgerIndex, most: usize) -> Result<Vec<wire::Ack>, Self::Error>;

    /// A deferred item, as it was received.
    fn deferred(&mut self, key: &ItemKey) -> Result<Option<wire::Item>, Self::Error>;

    /// At most `most` items that a peer did not take and that are due to be sent again at `now`, in milliseconds since 1970.
    fn unsettled(&mut self, peer: &AgencyId, now: u64, most: usize) -> Result<Vec<Unsettled>, Self::Error>;

    /// At most `most` complaints after this one in the order of their ids; `None` starts with the first.
    fn complaints_after(&mut self, after: Option<ComplaintId>, most: usize) -> Result<Vec<ComplaintId>, Self::Error>;
}
