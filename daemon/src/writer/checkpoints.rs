//! Signing the ledger's checkpoints.
//!
//! Invariant: the cosigned time never goes back within an epoch, also when the machine's clock does: a smaller size at a later time is what
//! proves a ledger that was set back, and an honest one must never look like it.

use std::sync::Arc;

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::base::limits;
use sinergi_proto::tlog::checkpoint::{Checkpoint, CheckpointKeys, CheckpointSigner};

use crate::base::time::now_millis;
use crate::storage::keys::SigningKeys;
use crate::storage::ledger::Ledger;

/// Signs checkpoints in one epoch.
pub(super) struct Checkpoints {
    signer: CheckpointSigner,
    /// The newest time that was cosigned, in seconds since 1970.
    newest: u64,
}

impl Checkpoints {
    /// `recorded`: the newest checkpoint that the ledger has recorded.
    pub(super) fn new(
        federation: &str,
        own: &AgencyId,
        epoch: Epoch,
        keys: &SigningKeys,
        recorded: Option<&[u8]>,
    ) -> Self {
        let public = CheckpointKeys {
            statement: vec![keys.checkpoint.verification_key()],
            time: vec![keys.time.verification_key()],
        };
        let newest = recorded
            .and_then(|note| Checkpoint::open(note, federation, own, &public).ok())
            .filter(|checkpoint| checkpoint.epoch == epoch)
            .and_then(|checkpoint| checkpoint.seconds);
        let signer = CheckpointSigner::new(federation, own, epoch, keys.checkpoint.clone(), keys.time.clone());
        Self { signer, newest: newest.unwrap_or_default() }
    }

    /// Signs the durable leaves of a ledger. `offset`: by how much the clocks of most peers are ahead of ours, in milliseconds; over the
    /// bound at which this node authors nothing any more, theirs count.
    pub(super) fn sign(&mut self, ledger: &mut Ledger, offset: i64) -> Arc<[u8]> {
        self.newest = self.newest.max(time(now_millis(), offset) / 1000);
        let note = self.signer.sign(ledger.size(), ledger.root().0, self.newest);
        ledger.signed(ledger.size(), &note);
        note.into()
    }
}

fn time(now: u64, offset: i64) -> u64 {
    if u128::from(offset.unsigned_abs()) <= limits::CLOCK_AHEAD.as_millis() {
        now
    } else {
        now.saturating_add_signed(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_clocks_count_when_ours_is_off_by_more_than_the_bound() {
        assert_eq!(time(1_000_000, 300_000), 1_000_000);
        assert_eq!(time(1_000_000, 300_001), 1_300_001);
        assert_eq!(time(1_000_000, -300_001), 699_999);
        assert_eq!(time(5, i64::MIN), 0);
    }
}
