//! A batch: the engine's decisions since the last batch, which the node carries out as a whole.
//!
//! Invariants:
//! - the records go to the ledger in the order of [`Batch::records`], after those of all earlier batches;
//! - the node does nothing else of a batch before its records are durable.

use std::collections::BTreeSet;

use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::wire;

use super::error::CommandError;
use super::record::{ItemKey, Record};

/// The number of a batch, from 1. The node carries batches out in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub u64);

impl BatchNumber {
    /// The number after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The end of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The number of the batch. `None` if it was empty, so that it stays open.
    pub number: Option<BatchNumber>,
    /// The time that the next checkpoint carries, in seconds since 1970. `None`: it carries none.
    pub seconds: Option<u64>,
}

/// The decisions of one batch. It is reused: [`Batch::clear`] keeps the allocated memory.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records to append, in order.
    pub records: Vec<Record>,
    /// The new own entries with their leaves. They are signed together when the batch is closed.
    pub(super) unsigned: Vec<(LedgerIndex, EntryId)>,
    /// The complaints whose cases changed.
    pub touched: BTreeSet<ComplaintId>,
    /// Deferred items that may be admitted now. The node checks their signatures outside the engine's thread and returns them as
    /// [`Input::Rechecked`](super::Input::Rechecked).
    pub recheck: Vec<Recheck>,
    /// The bytes to destroy when the records are durable, before any answer is given.
    pub destroy: BTreeSet<Destroy>,
    /// The warnings for the operator, given when the records are durable.
    pub warnings: Vec<Warning>,
    /// The approximate size of the records in the ledger, in bytes.
    pub bytes: usize,
}

impl Batch {
    /// Whether there is nothing to carry out.
    pub fn is_empty(&self) -> bool {
        // `records` may have been moved out already, so `bytes` tells whether there were any.
        let Self { records: _, unsigned: _, touched, recheck, destroy, warnings, bytes } = self;
        *bytes == 0 && touched.is_empty() && recheck.is_empty() && destroy.is_empty() && warnings.is_empty()
    }

    /// Empties the batch and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.unsigned.clear();
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

/// A deferred item whose signature must be checked again.
#[derive(Clone, Debug)]
pub struct Recheck {
    /// The item's key among the deferred items.
    pub key: ItemKey,
    /// The item as it was received.
    pub item: wire::Item,
}

/// Bytes that must not outlast the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destroy {
    /// All contents of a leaf, which were erased on two signatures.
    Contents(LedgerIndex),
    /// All contents of an entry in the ledgers of earlier epochs that the node still has.
    EarlierContents(EntryId),
    /// The body of a `Deferred` record whose item is not deferred any more. A content in it would outlast an erasure.
    DeferredItem(ItemKey),
}

/// A warning for the operator. The node makes the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A late entry changed the complaint's holder.
    CustodyChanged {
        /// The complaint.
        complaint: ComplaintId,
        /// The author of the entry.
        author: AgencyId,
        /// The new holder.
        holder: AgencyId,
    },
    /// A complaint goes back and forth: it was offered often, and nobody keeps it.
    BackAndForth {
        /// The complaint.
        complaint: ComplaintId,
        /// The number of offers so far.
        offers: usize,
        /// The holder.
        holder: AgencyId,
        /// The agencies that can decide who is competent.
        supervisors: Vec<AgencyId>,
    },
    /// No link leads to an agency that should get an entry.
    NoRoute(AgencyId),
    /// An entry has reached the limit of relays, so it goes to adjacent readers only.
    RelayLimit(EntryId),
    /// An agency declares that its ledger began a new epoch.
    Reset {
        /// The agency.
        author: AgencyId,
        /// The new epoch.
        epoch: Epoch,
        /// The declaration.
        reset: wire::LedgerReset,
    },
    /// A peer delivered a copy of an entry whose envelope does not verify. Nothing of it was kept.
    Unsigned(AgencyId, EntryId),
    /// Too many items of a peer are deferred, so further ones are not kept (`true`); or there is room again (`false`).
    TooMuchDeferred(AgencyId, bool),
    /// The share of an author's entries on this disk, in bytes a week, is used up, so that further ones are put off; `None` ends the warning.
    OverShare(AgencyId, Option<u64>),
    /// The number of a peer's items that were refused today without a record, because the quota of records is used up. 0 ends the warning.
    RefusedUnkept(AgencyId, u64),
    /// The node's clock is far behind a time that the node may have cosigned, so the node authors nothing; `None` ends the warning.
    BeforeCosigned(Option<CommandError>),
    /// A newer charter revokes keys or ended powers, and all complaints are judged under it.
    JudgedAgain {
        /// The version of the charter.
        version: u64,
        /// The number of complaints on which it may have an effect.
        affected: usize,
    },
    /// An automatic action failed. The node tries it again.
    PutOff(ComplaintId, CommandError),
}
