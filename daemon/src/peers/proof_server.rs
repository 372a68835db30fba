//! Answers what peers ask about this node's own ledger: inclusion, consistency, and for oversight agencies whole leaves.
//!
//! Reads only; blocks, so never in an async task. Every answer is about the newest checkpoint that this node has signed.
//!
//! Invariants:
//! - an answer costs as many reads as its proofs have hashes, whatever the ledger holds, and stays within a frame;
//! - only entries are shown, never content, and whole ones to oversight agencies alone.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::tlog::tree::nodes_needed;
use sinergi_proto::wire;
use tlog_tiles::HashReader;
use tokio::sync::watch;

use crate::storage::case::{CaseError, Leaf};
use crate::storage::charters::Directory;
use crate::storage::ledger::ReadError;
use crate::storage::outbox::Outbox;
use crate::storage::store::Placed;
use crate::writer::Head;

/// What nodes may take of an answer: as much as is left beside whole leaves and a checkpoint.
const NODES: usize = (limits::FRAME_BYTES - limits::PROVE_LEAF_BYTES - 128 * 1024) / NODE_BYTES;
/// What a node takes at most.
const NODE_BYTES: usize = 48;

/// Shows what this node's ledger holds. Cheap to clone.
#[derive(Clone)]
pub struct ProofServer {
    outbox: Outbox,
    directory: Directory,
    head: watch::Receiver<Head>,
}

impl ProofServer {
    /// Shows this ledger, as far as its newest checkpoint reaches.
    pub fn new(outbox: Outbox, directory: Directory, head: watch::Receiver<Head>) -> Self {
        Self { outbox, directory, head }
    }

    /// Answers one question of a peer.
    pub(crate) fn answer(&self, asker: &AgencyId, prove: wire::Prove) -> wire::Proof {
        let number = prove.number;
        match self.proof(asker, prove) {
            Ok(proof) => proof,
            Err(refusal) => {
                tracing::info!(peer = %asker, "showed no proof: {refusal}");
                wire::Proof { number, refusal: refusal.to_string(), ..Default::default() }
            }
        }
    }
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
enum Unshown {
    #[error("this node signs nothing now: its ledger was set back, or its peers were not heard yet")]
    Unsigned,
    #[error("{asked} items were asked for, at most {most}", most = limits::PROVE_ITEMS)]
    TooMany { asked: u64 },
    #[error("the proofs take {nodes} hashes, at most {NODES} fit: ask for fewer")]
    TooLarge { nodes: usize },
    #[error("whole leaves but the declaration of a later epoch are shown to oversight agencies only")]
    NotOversight,
    #[error("an entry is named by a complaint of 32 bytes or none, and an id of 32")]
    MalformedName,
    #[error(transparent)]
    Proof(#[from] sinergi_proto::tlog::tree::ProofError),
    #[error("this node cannot read its own data: {0}")]
    Own(#[from] CaseError),
}

impl From<ReadError> for Unshown {
    fn from(error: ReadError) -> Self {
        Self::Own(error.into())
    }
}

impl ProofServer {
    fn proof(&self, asker: &AgencyId, prove: wire::Prove) -> Result<wire::Proof, Unshown> {
        let head = self.head.borrow().clone();
        if !head.is_signed {
            return Err(Unshown::Unsigned);
        }
        let named = prove.leaves.len() + prove.entries.len() + prove.sizes.len();
        let asked = (named as u64).saturating_add(prove.leaf_count);
        if asked > limits::PROVE_ITEMS as u64 {
            return Err(Unshown::TooMany { asked });
        }
        let size = head.size.0;
        let mut indexes: Vec<LedgerIndex> = prove.leaves.iter().map(|index| LedgerIndex(*index)).collect();
        let mut located = Vec::new();
        for name in &prove.entries {
            if let Some(index) = self.locate(name)?.filter(|index| index.0 < size) {
                located.push(wire::LocatedEntry { id: name.id.clone(), leaf: index.0 });
                indexes.push(index);
            }
        }
        let leaves = self.whole_leaves(asker, &prove, size)?;
        indexes.extend((prove.first_leaf..).take(leaves.len()).map(LedgerIndex));
        let numbers = nodes_needed(size, &indexes, &prove.sizes)?;
        if numbers.len() > NODES {
            return Err(Unshown::TooLarge { nodes: numbers.len() });
        }
        let reader = self.outbox.reader();
        let hashes = reader.read_hashes(&numbers).map_err(|source| ReadError::Tree { size, source })?;
        let node = |(number, hash): (u64, tlog_tiles::Hash)| wire::TreeNode { number, hash: hash.0.to_vec() };
        let nodes = numbers.into_iter().zip(hashes).map(node).collect();
        let checkpoint = head.checkpoint.to_vec();
        Ok(wire::Proof { number: prove.number, refusal: String::new(), checkpoint, nodes, located, leaves })
    }

    /// Where this ledger has an entry.
    fn locate(&self, name: &wire::EntryName) -> Result<Option<LedgerIndex>, Unshown> {
        let id = EntryId::from_slice(&name.id).ok_or(Unshown::MalformedName)?;
        let (store, clock) = (self.outbox.store(), HybridClock::from_bits(name.clock));
        let found = if name.complaint.is_empty() {
            store.node_entry(clock, &id).map_err(CaseError::from)?
        } else {
            let complaint = ComplaintId::from_slice(&name.complaint).ok_or(Unshown::MalformedName)?;
            let timeline = store.timeline(&complaint).map_err(CaseError::from)?;
            let sought = Placed::new(clock, &id, LedgerIndex::default());
            let matches = |placed: &&Placed| (placed.clock, placed.id_prefix) == (sought.clock, sought.id_prefix);
            timeline.iter().find(matches).map(|placed| placed.leaf)
        };
        let Some(index) = found.filter(|index| index.0 < self.outbox.reader().size()) else { return Ok(None) };
        let leaf = Leaf::parse(self.outbox.reader().leaf(index)?, self.outbox.federation())?;
        Ok((leaf.entry.id == id).then_some(index))
    }

    /// The leaves that were asked for, as many as fit.
    fn whole_leaves(&self, asker: &AgencyId, prove: &wire::Prove, size: u64) -> Result<Vec<Vec<u8>>, Unshown> {
        if prove.leaf_count == 0 {
            return Ok(Vec::new());
        }
        // The declaration of a later epoch is for everybody.
        let is_declaration =
            (prove.first_leaf, prove.leaf_count) == (0, 1) && self.outbox.reader().epoch() > Epoch::FIRST;
        if !is_declaration && !self.directory.newest().is_oversight(asker) {
            return Err(Unshown::NotOversight);
        }
        let count = prove.leaf_count.min(size.saturating_sub(prove.first_leaf));
        let (mut leaves, mut bytes) = (Vec::new(), 0);
        if count == 0 {
            return Ok(leaves);
        }
        let take = usize::try_from(count).unwrap_or(limits::PROVE_ITEMS);
        for record in self.outbox.reader().leaves_from(LedgerIndex(prove.first_leaf))?.take(take) {
            let body = record?.body;
            bytes += body.len() + 8;
            if bytes > limits::PROVE_LEAF_BYTES {
                break;
            }
            leaves.push(body);
        }
        Ok(leaves)
    }
}
