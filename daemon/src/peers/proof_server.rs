//! Answers peers' questions about this node's own ledger with proofs, as [`sinergi_proto::transparency::proofs`] says.
//!
//! Must not write anything. Blocks, so it must not run in an async task.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::transparency::proofs::{OwnLeaves, SignedTree, prove};
use sinergi_proto::wire;
use tlog_tiles::HashReader;
use tokio::sync::watch;

use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::{OwnDataError, ParsedLeaf};
use crate::storage::ledger::ReadError;
use crate::storage::outbox::Outbox;
use crate::writer::Head;

/// Makes proofs about this node's ledger. Cheap to clone.
#[derive(Clone)]
pub struct ProofServer {
    outbox: Outbox,
    charter_store: CharterStore,
    head: watch::Receiver<Head>,
}

impl ProofServer {
    /// Makes proofs about this ledger, up to its newest checkpoint.
    pub fn new(outbox: Outbox, charter_store: CharterStore, head: watch::Receiver<Head>) -> Self {
        Self { outbox, charter_store, head }
    }

    /// Answers one question of a peer.
    pub(crate) fn answer(&self, asker: &AgencyId, question: &wire::Prove) -> wire::Proof {
        let head = self.head.borrow().clone();
        let signed = head.is_signed.then_some(SignedTree { size: head.size.0, note: &head.checkpoint });
        match prove(&self.outbox, signed, &self.charter_store.newest(), asker, question) {
            Ok(proof) => proof,
            Err(refusal) => {
                tracing::info!(peer = %asker, "showed no proof: {refusal}");
                wire::Proof { number: question.number, refusal: refusal.to_string(), ..Default::default() }
            }
        }
    }
}

impl OwnLeaves for Outbox {
    type Error = OwnDataError;

    fn epoch(&self) -> Epoch {
        self.reader().epoch()
    }

    fn nodes(&self, numbers: &[u64]) -> Result<Vec<[u8; 32]>, OwnDataError> {
        let size = self.reader().size();
        let hashes = self.reader().read_hashes(numbers).map_err(|source| ReadError::Tree { size, source })?;
        Ok(hashes.into_iter().map(|hash| hash.0).collect())
    }

    fn locate(&self, name: &wire::EntryName) -> Result<Option<LedgerIndex>, OwnDataError> {
        let Some(id) = EntryId::from_slice(&name.id) else { return Ok(None) };
        let (store, clock) = (self.store(), HybridClock::from_bits(name.clock));
        let found = match ComplaintId::from_slice(&name.complaint) {
            None => store.node_entry(clock, &id)?,
            Some(complaint) => store.leaf_of(&complaint, clock, &id)?,
        };
        let Some(index) = found.filter(|index| index.0 < self.reader().size()) else { return Ok(None) };
        let leaf = ParsedLeaf::parse(self.reader().leaf(index)?, self.federation())?;
        Ok((leaf.entry.id == id).then_some(index))
    }

    fn leaf_hashes(&self, first: LedgerIndex, count: usize) -> Result<Vec<[u8; 32]>, OwnDataError> {
        let leaves: Vec<LedgerIndex> = (first.0..).map(LedgerIndex).take(count).collect();
        Ok(self.reader().leaf_hashes(&leaves)?.into_iter().map(|hash| hash.0).collect())
    }

    fn signed_leaf(&self, index: LedgerIndex) -> Result<Vec<u8>, OwnDataError> {
        Ok(self.signed_leaves().signed(index)?.into())
    }
}
