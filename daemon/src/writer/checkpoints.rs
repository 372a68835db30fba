//! Signs the ledger's checkpoints, with the time that [`CosignedTime`] gives.
//!
//! Must not know when a checkpoint is signed.

use std::sync::Arc;

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::tlog::checkpoint::CheckpointSigner;
use sinergi_proto::transparency::cosigned_time::CosignedTime;

use crate::base::time::now_millis;
use crate::storage::keys::SigningKeys;
use crate::storage::ledger::Ledger;

/// Signs checkpoints in one epoch.
pub(super) struct Checkpoints {
    signer: CheckpointSigner,
    time: CosignedTime,
}

impl Checkpoints {
    /// `time` knows the times that were cosigned in this epoch before.
    pub(super) fn new(federation: &str, own: &AgencyId, epoch: Epoch, keys: &SigningKeys, time: CosignedTime) -> Self {
        let signer = CheckpointSigner::new(federation, own, epoch, keys.checkpoint.clone(), keys.time.clone());
        Self { signer, time }
    }

    /// Signs a checkpoint over the durable leaves of a ledger. `peers_ahead` says how far the clocks of most peers are ahead of this node's
    /// clock, in milliseconds.
    pub(super) fn sign(&mut self, ledger: &mut Ledger, peers_ahead: i64) -> Arc<[u8]> {
        let seconds = self.time.next(now_millis(), peers_ahead);
        let note = self.signer.sign(ledger.size(), ledger.root().0, seconds);
        ledger.signed(ledger.size(), &note);
        note.into()
    }
}
