//! Signs the ledger's checkpoints.
//!
//! Must not know when a checkpoint is signed, and which time it carries.

use std::sync::Arc;

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::tlog::checkpoint::CheckpointSigner;

use crate::storage::keys::SigningKeys;
use crate::storage::ledger::Ledger;

/// Signs checkpoints in one epoch.
pub(super) struct Checkpoints {
    signer: CheckpointSigner,
}

impl Checkpoints {
    /// The signer of this epoch.
    pub(super) fn new(federation: &str, own: &AgencyId, epoch: Epoch, keys: &SigningKeys) -> Self {
        let signer = CheckpointSigner::new(federation, own, epoch, keys.checkpoint.clone(), keys.time.clone());
        Self { signer }
    }

    /// Signs a checkpoint over the durable leaves of a ledger, with this time in seconds since 1970, or none.
    pub(super) fn sign(&self, ledger: &mut Ledger, seconds: Option<u64>) -> Arc<[u8]> {
        let note = self.signer.sign(ledger.size(), ledger.root().0, seconds);
        ledger.signed(ledger.size(), &note);
        note.into()
    }
}
