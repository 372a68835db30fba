//! The settings of a node, and its state when it starts.

use std::collections::{BTreeMap, BTreeSet};

use super::case_cache::CaseCacheLimits;
use super::record::{DeferredHeader, JudgedHeader};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, Epoch, LedgerIndex};
use crate::base::key::SigningKey;

/// The settings of a node. They stay the same while it runs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The agency that the node signs for.
    pub own: AgencyId,
    /// The federation's name.
    pub federation: String,
    /// The key that signs the node's entries.
    pub key: SigningKey,
    /// The peers that the node has a link with.
    pub adjacent: BTreeSet<AgencyId>,
    /// The time that an addressee has to answer an offer that names no time, in milliseconds.
    pub answer_within_millis: u64,
    /// The size of a batch's records, in bytes, from which on backlog waits for the next batch. Approximate.
    pub batch_bytes: usize,
    /// The limits of the case cache.
    pub cases: CaseCacheLimits,
    /// The limits on what is kept of each peer.
    pub quotas: PeerQuotas,
}

/// Most items that a node keeps from one peer beside the entries that it takes.
#[derive(Clone, Copy, Debug)]
pub struct PeerQuotas {
    /// Most deferred items of one peer. Further ones are not kept, and the peer sends them again (606).
    pub deferred_items: usize,
    /// Most deferred items of one author that came from one peer. Further ones are not kept (606).
    pub deferred_items_of_author: usize,
    /// Most bytes of the deferred items of one peer.
    pub deferred_bytes: usize,
    /// Most records of refused items that are kept of one peer in a day. Further items are refused on the receipt as well. They are counted and raise
    /// an alarm, but are not kept.
    pub refused_records_a_day: usize,
    /// Most bytes of these records in a day.
    pub refused_bytes_a_day: usize,
    /// The least share of the disk that the entries of one author may take in a week, and what one peer brings and waits, in bytes.
    pub share_bytes_a_week: u64,
}

/// The state of a node when it starts, as read from its ledger and store.
#[derive(Debug)]
pub struct Snapshot {
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// The number of leaves.
    pub size: LedgerIndex,
    /// The clock of the newest own entry.
    pub clock: HybridClock,
    /// The latest time that may have been cosigned in this epoch, in seconds since 1970; 0 if none was.
    pub ceiling: u64,
    /// The deferred items, each with the bytes of its `Item`.
    pub deferred: Vec<(DeferredHeader, Vec<u8>)>,
    /// Complaints that may need an automatic action, or hold contents to destroy.
    pub duties: BTreeSet<ComplaintId>,
    /// Adjacent peers whose backfill is not complete.
    pub new_peers: BTreeSet<AgencyId>,
    /// How far the complaints were judged again under a newer charter; `None` if they never were.
    pub judged: Option<JudgedHeader>,
    /// The newest checkpoint that was seen of each agency, as a signed note.
    pub seen: BTreeMap<AgencyId, Vec<u8>>,
}
