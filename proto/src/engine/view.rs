//! What the engine may ask of the node that it runs in.

use super::deferred::ItemKey;
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::entry::content::Content;
use crate::wire;

use super::case::Case;
use super::record::External;

/// The node's ledger and store as of the newest batch that is applied. What was decided after that batch the engine knows itself, so an
/// implementation never has to wait for the disk.
///
/// The engine reads everything that a decision needs before it decides. A read that fails leaves everything decided before it as it is.
pub trait View {
    /// Why the node's own data cannot be read.
    type Error;

    /// A complaint with all its entries; `None`: there is none. Asked only for complaints that the engine does not hold itself.
    ///
    /// # Errors
    /// When it cannot be read.
    fn case(&mut self, id: &ComplaintId) -> Result<Option<Box<Case>>, Self::Error>;

    /// The complaint that was imported from a record of another system.
    ///
    /// # Errors
    /// When it cannot be read.
    fn imported(&mut self, external: &External) -> Result<Option<ComplaintId>, Self::Error>;

    /// The leaf of an entry that belongs to no complaint.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node_entry(&mut self, clock: HybridClock, id: &EntryId) -> Result<Option<LedgerIndex>, Self::Error>;

    /// The contents of a leaf that are here and were not destroyed.
    ///
    /// # Errors
    /// When they cannot be read.
    fn contents(&mut self, leaf: LedgerIndex) -> Result<Vec<Content>, Self::Error>;

    /// The newest epoch of its ledger that an agency has declared.
    ///
    /// # Errors
    /// When it cannot be read.
    fn declared_epoch(&mut self, agency: &AgencyId) -> Result<Option<Epoch>, Self::Error>;

    /// An item that waits.
    ///
    /// # Errors
    /// When it cannot be read.
    fn deferred(&mut self, key: &ItemKey) -> Result<Option<wire::Item>, Self::Error>;

    /// The complaints after one (`None`: from the first on) in the order of their ids, at most `most`.
    ///
    /// # Errors
    /// When they cannot be read.
    fn complaints_after(&mut self, after: Option<ComplaintId>, most: usize) -> Result<Vec<ComplaintId>, Self::Error>;
}
