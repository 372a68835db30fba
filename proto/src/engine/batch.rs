//! A batch: what the engine decided since the last one, to be carried out as a whole.
//!
//! Invariant: the records lie in the ledger in the order of this list, after those of all batches before. Nothing else of a batch is done
//! before its records are durable.

use std::collections::BTreeSet;

use super::deferred::ItemKey;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::wire;

use super::record::Record;

/// The number of a batch, from 1. Batches are carried out in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub u64);

impl BatchNumber {
    /// The number after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What the engine decided. Reused: [`Batch::clear`] keeps its room.
#[derive(Debug, Default)]
pub struct Batch {
    /// What is appended, in order.
    pub records: Vec<Record>,
    /// The complaints whose cases changed.
    pub touched: BTreeSet<ComplaintId>,
    /// Items that wait and may be possible now. Their signatures are checked off the engine's thread; they come back as
    /// [`Input::Rechecked`](super::Input::Rechecked).
    pub recheck: Vec<Recheck>,
    /// What is destroyed when the records are durable, before anybody is answered.
    pub destroy: BTreeSet<Destroy>,
    /// What the operator must hear of, when the records are durable.
    pub warnings: Vec<Warning>,
    /// About how many bytes the records take.
    pub bytes: usize,
}

impl Batch {
    /// Whether there is nothing to carry out.
    pub fn is_empty(&self) -> bool {
        // Records may have been taken out already.
        let Self { records: _, touched, recheck, destroy, warnings, bytes } = self;
        *bytes == 0 && touched.is_empty() && recheck.is_empty() && destroy.is_empty() && warnings.is_empty()
    }

    /// Empties the batch and keeps its room.
    pub fn clear(&mut self) {
        self.records.clear();
        self.touched.clear();
        self.recheck.clear();
        self.destroy.clear();
        self.warnings.clear();
        self.bytes = 0;
    }

    pub(super) fn push(&mut self, record: Record) {
        self.bytes += record.weight();
        self.records.push(record);
    }
}

/// An item that waits and whose signature is to be checked again.
#[derive(Clone, Debug)]
pub struct Recheck {
    /// Its name among those that wait.
    pub key: ItemKey,
    /// The item as it came.
    pub item: wire::Item,
}

/// Bytes that must not outlast the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destroy {
    /// All contents of a leaf: they were erased on two signatures.
    Contents(LedgerIndex),
    /// The body of the record of an item that waits no longer: a content in it would outlast an erasure.
    DeferredItem(ItemKey),
}

/// What the operator must hear of. The node makes the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// An entry that came late changed who holds a complaint.
    CustodyChanged {
        /// The complaint.
        complaint: ComplaintId,
        /// The author of the entry.
        author: AgencyId,
        /// The agency that holds it now.
        holder: AgencyId,
    },
    /// A complaint was offered often and nobody keeps it.
    BackAndForth {
        /// The complaint.
        complaint: ComplaintId,
        /// How many offers were made.
        offers: usize,
        /// The agency that holds it.
        holder: AgencyId,
        /// The agencies that can end this.
        supervisors: Vec<AgencyId>,
    },
    /// No link leads to an agency that should get entries.
    NoRoute(AgencyId),
    /// An entry has been passed on by so many agencies that it goes to adjacent readers only.
    RelayLimit(EntryId),
    /// An agency declares that its ledger began a new epoch.
    Reset {
        /// The agency.
        author: AgencyId,
        /// The new epoch.
        epoch: Epoch,
        /// What it declares.
        reset: wire::LedgerReset,
    },
    /// So much of what a peer delivered waits that nothing more of it is taken. `false`: no longer.
    TooMuchDeferred(AgencyId, bool),
    /// Refused items of a peer of which no record was kept today, because too many were refused. 0: none any more.
    RefusedUnkept(AgencyId, u64),
    /// The node could not do what it does by itself; it tries again.
    PutOff(ComplaintId, super::CommandError),
}
