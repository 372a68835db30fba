//! The leaves of the ledger with the signatures of their authors, as they are sent and shown.
//!
//! The envelope of a received entry lies beside its leaf. The signature over the own entries of a batch lies once in the ledger; the envelope of each
//! of them is rebuilt from it and from the hashes of the batch's leaves.
//!
//! Must not judge signatures. Blocks, so it is never called in an async task.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sinergi_proto::base::ids::{EntryId, LedgerIndex};
use sinergi_proto::entry::{Envelope, OwnBatch, signed_bytes};

use crate::storage::complaint_loader::OwnDataError;
use crate::storage::ledger::{LedgerReader, Record};
use crate::storage::record_codec;

/// Reads signed leaves. Clones share the newest own batch, so that reading leaves in order rebuilds each batch once.
#[derive(Clone)]
pub struct SignedLeaves {
    reader: LedgerReader,
    newest: Arc<Mutex<Option<Restored>>>,
}

/// An own batch that was rebuilt.
#[derive(Clone)]
struct Restored {
    leaves: Arc<[LedgerIndex]>,
    batch: Arc<OwnBatch>,
}

impl SignedLeaves {
    /// The signed leaves of this ledger.
    pub fn new(reader: LedgerReader) -> Self {
        Self { reader, newest: Arc::default() }
    }

    /// The bytes of the `SignedEntry` of a leaf.
    ///
    /// # Errors
    /// The node's own data cannot be read.
    pub fn signed(&self, index: LedgerIndex) -> Result<Bytes, OwnDataError> {
        self.signed_of(self.reader.leaf(index)?)
    }

    /// The bytes of the `SignedEntry` of a leaf record.
    ///
    /// # Errors
    /// The node's own data cannot be read.
    pub fn signed_of(&self, leaf: Record) -> Result<Bytes, OwnDataError> {
        let envelope = self.envelope(&leaf)?;
        Ok(signed_bytes(Bytes::from(leaf.body), envelope.as_ref()))
    }

    /// The envelope of a leaf record. `None` if the ledger has none that could verify.
    ///
    /// # Errors
    /// The node's own data cannot be read.
    pub fn envelope(&self, leaf: &Record) -> Result<Option<Envelope>, OwnDataError> {
        let (_, beside) = record_codec::leaf_beside(leaf)?;
        match leaf.leaf().filter(|_| beside.is_none()) {
            Some(index) => self.own_envelope(index),
            None => Ok(beside),
        }
    }

    /// The envelope of a leaf that this node signed. `None` if another agency did.
    ///
    /// # Errors
    /// The node's own data cannot be read.
    pub fn own_envelope(&self, index: LedgerIndex) -> Result<Option<Envelope>, OwnDataError> {
        let Some(Restored { leaves, batch }) = self.own_batch(index)? else { return Ok(None) };
        Ok(leaves.iter().position(|signed| *signed == index).map(|number| batch.envelope(number)))
    }

    /// The own batch that this leaf was signed in.
    fn own_batch(&self, index: LedgerIndex) -> Result<Option<Restored>, OwnDataError> {
        let newest = self.newest.lock().clone();
        if let Some(restored) = newest.filter(|newest| newest.leaves.contains(&index)) {
            return Ok(Some(restored));
        }
        let Some(record) = self.reader.signature_of(index)? else { return Ok(None) };
        let Ok(signature) = <[u8; 64]>::try_from(record.body.as_slice()) else { return Ok(None) };
        let leaves: Arc<[LedgerIndex]> = record.signed_leaves().collect();
        let ids: Vec<EntryId> = self.reader.leaf_hashes(&leaves)?.into_iter().map(|hash| EntryId(hash.0)).collect();
        let batch = Arc::new(OwnBatch::restore(&ids, signature));
        let restored = Restored { leaves, batch };
        *self.newest.lock() = Some(restored.clone());
        Ok(Some(restored))
    }
}
