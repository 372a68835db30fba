//! A budget of memory that all links share in one direction, in fair shares.
//!
//! Must not know what the memory is used for.
//!
//! Invariants:
//! - all links together never hold more than the budget;
//! - a link that holds something gets more only while at least as much as it holds stays free, so there is room for the others,
//!   however many links never drain;
//! - a link that holds nothing waits only until there is room, in the order of asking, and before every link that holds something;
//! - a waiter can give up at any time, and leaves nothing behind.
//!
//! The second rule is that of a switch's shared buffer (Choudhury and Hahne, "Dynamic queue length thresholds"): of N links that take all
//! that they can get, each ends up with 1/(N + 1) of the budget, and as much stays free.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Room is counted in KiB, because a semaphore counts in 32 bits on some platforms.
const UNIT: usize = 1024;

/// Room that all links share. Cheap to clone.
#[derive(Clone)]
pub struct Budget {
    room: Arc<Semaphore>,
    freed: Arc<Notify>,
}

/// The room that one link holds for one frame. Dropping it gives the room back.
pub(super) struct Share {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn of(bytes: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(bytes / UNIT)), freed: Arc::default() }
    }

    /// Waits for room for `bytes` more, for a link that holds `held`.
    pub(super) async fn share(&self, bytes: usize, held: usize) -> Share {
        let (units, held) = (bytes.div_ceil(UNIT), held.div_ceil(UNIT));
        if held > 0 {
            self.has_free(units + held).await;
        }
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(units).await;
        let permit = room.expect("the semaphore is never closed");
        Share { permit: Some(permit), freed: Arc::clone(&self.freed) }
    }

    async fn has_free(&self, units: usize) {
        loop {
            // Registered before the check, so that room that is freed in between wakes it.
            let freed = self.freed.notified();
            // Units that are reserved for a waiter in the queue do not count as available.
            if self.room.available_permits() >= units {
                return;
            }
            freed.await;
        }
    }
}

impl Share {
    /// The room, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, |permit| permit.num_permits() * UNIT)
    }

    /// Gives back the room above `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let Some(permit) = &mut self.permit else { return };
        let more = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT));
        drop(permit.split(more));
        self.freed.notify_waiters();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // The room is given back before the waiters are woken.
        drop(self.permit.take());
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use futures_util::poll;
    use sinergi_proto::base::limits;

    use super::*;
    use crate::base::node_limits;

    const FRAME: usize = node_limits::DELIVER_TARGET_BYTES;

    fn held(shares: &[Share]) -> usize {
        shares.iter().map(Share::bytes).sum()
    }

    /// Lets this many links take frames in turn, until none of them gets more.
    fn links_that_never_drain(budget: &Budget, count: usize, frame: usize) -> Vec<Vec<Share>> {
        let mut links: Vec<Vec<Share>> = (0..count).map(|_| Vec::new()).collect();
        loop {
            let mut got = false;
            for link in &mut links {
                if let Some(share) = budget.share(frame, held(link)).now_or_never() {
                    link.push(share);
                    got = true;
                }
            }
            if !got {
                return links;
            }
        }
    }

    // Without a runtime, because tokio's cooperative budget would pause a task whose futures are ready so often.
    #[test]
    fn however_many_links_never_drain_they_hold_no_more_than_the_budget_and_one_more_finds_room() {
        for count in [1, 15, 63, node_limits::INBOUND_CONNECTIONS - 1] {
            let budget = Budget::of(node_limits::ALL_WINDOWS_BYTES);
            let links = links_that_never_drain(&budget, count, FRAME);
            let all: usize = links.iter().map(|link| held(link)).sum();
            assert!(all <= node_limits::ALL_WINDOWS_BYTES, "{count} links hold {all} bytes");
            assert!(links.iter().all(|link| !link.is_empty()), "each of {count} links has a frame");
            assert!(budget.share(FRAME, 0).now_or_never().is_some(), "no room next to {count} links that never drain");
        }
    }

    #[test]
    fn a_single_link_gets_its_whole_window() {
        let budget = Budget::of(node_limits::ALL_WINDOWS_BYTES);
        let link = links_that_never_drain(&budget, 1, limits::DELIVER_BYTES);
        assert!(held(&link[0]) >= limits::LINK_WINDOW_BYTES);
    }

    #[test]
    fn a_link_that_drains_goes_on_beside_links_that_never_drain() {
        let budget = Budget::of(node_limits::ALL_WINDOWS_BYTES);
        let _stuck = links_that_never_drain(&budget, 200, FRAME);
        for _ in 0..1000 {
            let mut share = budget.share(FRAME, 0).now_or_never().expect("room at every turn");
            share.shrink_to(FRAME / 2);
        }
    }

    #[tokio::test]
    async fn a_link_that_holds_nothing_comes_before_one_that_holds_something_and_both_get_room() {
        let budget = Budget::of(8 * UNIT);
        let mut first = budget.share(7 * UNIT, 0).await;
        let mut more = pin!(budget.share(UNIT, 2 * UNIT));
        let mut other = pin!(budget.share(4 * UNIT, 0));
        assert!(poll!(&mut more).is_pending() && poll!(&mut other).is_pending());
        first.shrink_to(4 * UNIT);
        assert!(poll!(&mut more).is_pending(), "the free room is reserved for the other waiter");
        assert!(poll!(&mut other).is_ready());
        drop(first);
        assert!(poll!(&mut more).is_ready());
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_leaves_nothing_behind() {
        let budget = Budget::of(8 * UNIT);
        let first = budget.share(6 * UNIT, 0).await;
        assert!(budget.share(5 * UNIT, 0).now_or_never().is_none());
        assert!(budget.share(2 * UNIT, UNIT).now_or_never().is_none());
        drop(first);
        assert!(budget.share(8 * UNIT, 0).now_or_never().is_some());
    }
}
