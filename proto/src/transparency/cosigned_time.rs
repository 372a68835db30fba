//! The time that a node cosigns on its own checkpoints.
//!
//! Invariant: it never goes back within an epoch, also when the machine's clock does: fewer leaves at a later time are what proves a ledger
//! that was set back, and an honest one must never look like it.

use crate::base::ids::{AgencyId, Epoch};
use crate::base::limits;
use crate::charter::Charters;
use crate::tlog::checkpoint::Checkpoint;

/// The newest time that was cosigned in an epoch, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CosignedTime(u64);

impl CosignedTime {
    /// What a node knows when it starts. `recorded`: the newest checkpoint that its ledger has recorded. It may be signed with keys that the
    /// agency has no longer.
    pub fn recorded(recorded: &[u8], agency: &AgencyId, epoch: Epoch, charters: &Charters) -> Self {
        let open = |keys| Checkpoint::open(recorded, &charters.newest().federation, agency, &keys).ok();
        let checkpoint = charters.checkpoint_keys(agency).and_then(open);
        let seconds =
            checkpoint.filter(|checkpoint| checkpoint.epoch == epoch).and_then(|checkpoint| checkpoint.seconds);
        Self(seconds.unwrap_or_default())
    }

    /// The time to cosign now. `now`: the wall clock, milliseconds since 1970; `peers_ahead`: by how much the clocks of most peers are ahead of
    /// it, in milliseconds. Over the bound at which the node authors nothing any more, theirs count.
    pub fn next(&mut self, now: u64, peers_ahead: i64) -> u64 {
        self.0 = self.0.max(trusted(now, peers_ahead) / 1000);
        self.0
    }
}

fn trusted(now: u64, peers_ahead: i64) -> u64 {
    if u128::from(peers_ahead.unsigned_abs()) <= limits::CLOCK_AHEAD.as_millis() {
        now
    } else {
        now.saturating_add_signed(peers_ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_clocks_count_when_ours_is_off_by_more_than_the_bound() {
        assert_eq!(trusted(1_000_000, 300_000), 1_000_000);
        assert_eq!(trusted(1_000_000, 300_001), 1_300_001);
        assert_eq!(trusted(1_000_000, -300_001), 699_999);
        assert_eq!(trusted(5, i64::MIN), 0);
    }

    #[test]
    fn the_cosigned_time_stands_still_while_the_clock_is_behind_it() {
        let mut time = CosignedTime::default();
        assert_eq!(time.next(9_000, 0), 9);
        assert_eq!(time.next(2_000, 0), 9);
        assert_eq!(time.next(9_999, 0), 9);
        assert_eq!(time.next(10_000, 0), 10);
    }
}
