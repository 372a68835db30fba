//! How often a node gives entries back to one peer. A peer whose ledger has begun a new epoch gets everything again, which costs both sides a whole
//! ledger. So a peer that begins epoch after epoch waits.
//!
//! Must not know what is given back: [`crate::routing::outbox`] does.
//!
//! Invariant: nothing is dropped. While a peer waits, nothing else is delivered to it either, because its receipts of the new epoch must cover all of
//! what it gets back.

use std::time::Duration;

use crate::base::ids::Epoch;

/// So many times within [`WITHIN`] a peer gets everything again at once.
const AT_ONCE: usize = 4;
/// The time over which the number is bounded.
const WITHIN: Duration = Duration::from_secs(60 * 60);

/// When a node began to give entries back to one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GiveBacks {
    /// The peer's epoch for which it began last.
    epoch: Option<Epoch>,
    /// The times at which it began, in milliseconds since 1970, the oldest first. At most [`AT_ONCE`].
    begun: Vec<u64>,
}

impl GiveBacks {
    /// Notes that the node begins at `now`, in milliseconds since 1970, because the peer's ledger is in this epoch.
    pub fn begin(&mut self, epoch: Epoch, now: u64) {
        if self.epoch.replace(epoch) == Some(epoch) {
            return;
        }
        self.begun.push(now);
        if self.begun.len() > AT_ONCE {
            self.begun.remove(0);
        }
    }

    /// The time to wait at `now`, in milliseconds since 1970, before the node may begin for this epoch.
    pub(super) fn wait(&self, epoch: Epoch, now: u64) -> Duration {
        let Some(first) = self.begun.first().filter(|_| self.begun.len() == AT_ONCE && self.epoch != Some(epoch))
        else {
            return Duration::ZERO;
        };
        // A clock that was set back must not make it longer.
        WITHIN.saturating_sub(Duration::from_millis(now.saturating_sub(*first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn a_peer_that_begins_epoch_after_epoch_waits_and_one_that_links_again_does_not() {
        let mut given = GiveBacks::default();
        for (epoch, minute) in [(2, 0), (3, 1), (3, 2), (4, 3), (5, 4)] {
            assert_eq!(given.wait(Epoch(epoch), minute * MINUTE), Duration::ZERO, "{epoch}");
            given.begin(Epoch(epoch), minute * MINUTE);
        }
        assert_eq!(given.wait(Epoch(5), 5 * MINUTE), Duration::ZERO, "it has begun");
        assert_eq!(given.wait(Epoch(6), 5 * MINUTE), Duration::from_secs(55 * 60));
        assert_eq!(given.wait(Epoch(6), 60 * MINUTE), Duration::ZERO);
        given.begin(Epoch(6), 60 * MINUTE);
        assert_eq!(given.wait(Epoch(7), 60 * MINUTE), Duration::from_secs(60), "the one at minute 1 counts now");
        assert_eq!(given.wait(Epoch(7), 0), WITHIN, "and no longer than the whole time");
    }
}
