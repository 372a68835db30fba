//! How often a node gives entries back to one peer. A peer whose ledger has begun a new epoch, or that claims less than it has acknowledged, gets
//! everything again, which costs both sides a whole ledger. So a peer that does this again and again waits.
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

/// Why a peer gets entries once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveBackReason {
    /// Its ledger is in this epoch, after the first.
    Epoch(Epoch),
    /// It claims less of this node's ledger than it has acknowledged in its present epoch. A thief with its keys may have taken the rest; or it asks for
    /// everything with every link.
    Less,
}

/// When a node began to give entries back to one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GiveBacks {
    /// The peer's epoch for which it began last.
    epoch: Option<Epoch>,
    /// The times at which it began, in milliseconds since 1970, the oldest first. At most [`AT_ONCE`].
    begun: Vec<u64>,
}

impl GiveBacks {
    /// Notes that the node begins at `now`, in milliseconds since 1970.
    pub fn begin(&mut self, reason: GiveBackReason, now: u64) {
        if self.has_begun(reason) {
            return;
        }
        if let GiveBackReason::Epoch(epoch) = reason {
            self.epoch = Some(epoch);
        }
        self.begun.push(now);
        if self.begun.len() > AT_ONCE {
            self.begun.remove(0);
        }
    }

    /// The time to wait at `now`, in milliseconds since 1970, before the node may begin for this reason.
    pub(super) fn wait(&self, reason: GiveBackReason, now: u64) -> Duration {
        let Some(first) = self.begun.first().filter(|_| self.begun.len() == AT_ONCE && !self.has_begun(reason)) else {
            return Duration::ZERO;
        };
        // A clock that was set back must not make it longer.
        WITHIN.saturating_sub(Duration::from_millis(now.saturating_sub(*first)))
    }

    /// Whether the node goes on with what it began on an earlier link.
    fn has_begun(&self, reason: GiveBackReason) -> bool {
        matches!(reason, GiveBackReason::Epoch(epoch) if self.epoch == Some(epoch))
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
            assert_eq!(given.wait(GiveBackReason::Epoch(Epoch(epoch)), minute * MINUTE), Duration::ZERO, "{epoch}");
            given.begin(GiveBackReason::Epoch(Epoch(epoch)), minute * MINUTE);
        }
        assert_eq!(given.wait(GiveBackReason::Epoch(Epoch(5)), 5 * MINUTE), Duration::ZERO, "it has begun");
        assert_eq!(given.wait(GiveBackReason::Epoch(Epoch(6)), 5 * MINUTE), Duration::from_secs(55 * 60));
        assert_eq!(given.wait(GiveBackReason::Epoch(Epoch(6)), 60 * MINUTE), Duration::ZERO);
        given.begin(GiveBackReason::Epoch(Epoch(6)), 60 * MINUTE);
        assert_eq!(
            given.wait(GiveBackReason::Epoch(Epoch(7)), 60 * MINUTE),
            Duration::from_secs(60),
            "the one at minute 1 counts now"
        );
        assert_eq!(given.wait(GiveBackReason::Epoch(Epoch(7)), 0), WITHIN, "and no longer than the whole time");
    }

    #[test]
    fn a_peer_that_claims_less_with_every_link_waits() {
        let mut given = GiveBacks::default();
        for minute in 0..4 {
            assert_eq!(given.wait(GiveBackReason::Less, minute * MINUTE), Duration::ZERO);
            given.begin(GiveBackReason::Less, minute * MINUTE);
        }
        assert_eq!(given.wait(GiveBackReason::Less, 4 * MINUTE), Duration::from_secs(56 * 60));
        assert_eq!(given.wait(GiveBackReason::Epoch(Epoch(2)), 4 * MINUTE), Duration::from_secs(56 * 60));
    }
}
