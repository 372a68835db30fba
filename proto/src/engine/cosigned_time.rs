//! The time that this node cosigns on its own checkpoints.
//!
//! A later checkpoint over fewer leaves proves a ledger that was set back, and an entry that is dated before a cosigned time proves back-dating.
//! An honest ledger must never look like that, whatever its clock does and whenever its machine stops. So a time is cosigned only up to a
//! **ceiling** that is durable already, and nothing is dated or cosigned long before a time that may have been cosigned.
//!
//! Must not know whether the clock can be trusted: [`super::own_clock`] does.
//!
//! Invariants:
//! - no cosigned time exceeds the ceiling in the ledger;
//! - cosigned times never go back while the node runs, and over a restart by at most [`limits::COSIGNED_BACK_BY`].

use crate::base::limits;

use super::record::CeilingHeader;
use super::{Batch, CommandError, Engine, Record, Warning};

/// The times that were cosigned in the present epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct CosignedTime {
    /// The latest time that may be cosigned, in seconds since 1970. It is in the ledger, or in the open batch.
    ceiling: u64,
    /// The latest time that may have been cosigned, in seconds since 1970. After a start this is the ceiling.
    latest: u64,
    /// The latest time that was given since the start, in seconds since 1970.
    given: u64,
    /// Whether the newest checkpoint carries no time, or there is none since the start, and the open batch changes nothing of that.
    is_missing: bool,
    /// The time of the newest checkpoint over a batch, in seconds since 1970; [`u64::MAX`] while the open batch makes the node sign a new one.
    newest: u64,
    /// Whether the operator was told that the clock is behind a time that may have been cosigned.
    is_told: bool,
}

impl CosignedTime {
    /// The times of a node that starts. `ceiling` is the ceiling in its ledger, in seconds since 1970.
    pub(super) fn of_a_start(ceiling: u64) -> Self {
        Self { ceiling, latest: ceiling, given: 0, is_missing: true, newest: u64::MAX, is_told: false }
    }

    /// Notes whether the operator is told that the clock is behind a time that may have been cosigned. Returns whether this is a change.
    fn tell(&mut self, is_behind: bool) -> bool {
        std::mem::replace(&mut self.is_told, is_behind) != is_behind
    }

    /// The time by a confirmed clock that shows `now`, in milliseconds since 1970, for the next checkpoint. `None` if the clock is behind a time that
    /// was cosigned, or beyond the ceiling.
    pub(super) fn give(&mut self, now: u64) -> Option<u64> {
        let seconds = now / 1000;
        let may_be_given = seconds >= self.given && !self.is_before_cosigned(now) && seconds <= self.ceiling;
        if may_be_given {
            self.given = seconds;
            self.latest = self.latest.max(seconds);
        }
        may_be_given.then_some(seconds)
    }

    /// The ceiling that the open batch must record, in seconds since 1970, so that the checkpoint over it can carry the time of a confirmed clock
    /// that shows `now`, in milliseconds since 1970. `None` if none is needed, or if the clock is behind a time that was cosigned.
    pub(super) fn next_ceiling(&self, now: u64) -> Option<u64> {
        let seconds = now / 1000;
        let is_behind = seconds < self.given || self.is_before_cosigned(now);
        (seconds > self.ceiling && !is_behind).then(|| seconds.saturating_add(limits::CEILING_AHEAD.as_secs()))
    }

    /// Like [`Self::next_ceiling`], for a node whose newest checkpoint carries no time, or one that is older than [`limits::CHECKPOINT_AGE`]. The
    /// record makes the node sign another one.
    pub(super) fn renewed_ceiling(&self, now: u64) -> Option<u64> {
        let seconds = now / 1000;
        let is_behind = seconds < self.given || self.is_before_cosigned(now);
        let is_old = seconds >= self.newest.saturating_add(limits::CHECKPOINT_AGE.as_secs());
        ((self.is_missing || is_old) && !is_behind)
            .then(|| self.ceiling.max(seconds.saturating_add(limits::CEILING_AHEAD.as_secs())))
    }

    /// The open batch records this ceiling, in seconds since 1970.
    pub(super) fn raise(&mut self, ceiling: u64) {
        self.ceiling = self.ceiling.max(ceiling);
        (self.is_missing, self.newest) = (false, u64::MAX);
    }

    /// Whether an entry that is dated `now`, in milliseconds since 1970, would be back-dated by a time that may have been cosigned.
    pub(super) fn is_before_cosigned(&self, now: u64) -> bool {
        let margin = limits::COSIGNED_BACK_BY.min(limits::BACK_DATED_BY).as_secs();
        now < self.latest.saturating_sub(margin).saturating_mul(1000)
    }

    /// The latest time that may have been cosigned, in seconds since 1970.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }
}

impl Engine {
    /// The reason why an entry that is dated now would look back-dated; `None` if it would not.
    pub(super) fn before_cosigned(&self) -> Option<CommandError> {
        let (shows, cosigned) = (self.now.wall_millis, self.cosigned.latest());
        self.cosigned.is_before_cosigned(shows).then_some(CommandError::BeforeCosigned { shows, cosigned })
    }

    /// Warns the operator when the clock is behind a time that may have been cosigned, and when it is not any more.
    pub(super) fn warn_of_cosigned_time(&mut self, batch: &mut Batch) {
        let problem = self.before_cosigned();
        if self.cosigned.tell(problem.is_some()) {
            batch.warnings.push(Warning::BeforeCosigned(problem));
        }
    }

    /// Makes the node sign a checkpoint with the present time, if the clock is confirmed and the newest checkpoint carries no time or an old one.
    pub(super) fn renew_time(&mut self, batch: &mut Batch) {
        let ceiling = self.time_by_clock().and_then(|now| self.cosigned.renewed_ceiling(now));
        self.record_ceiling(ceiling, batch);
    }

    /// The time of the checkpoint over the batch that is closed now, in seconds since 1970.
    pub(super) fn time_to_cosign(&mut self, batch: &mut Batch) -> Option<u64> {
        let now = self.time_by_clock();
        if batch.is_empty() {
            // Perhaps nothing is signed.
            return now.and_then(|now| self.cosigned.give(now));
        }
        self.record_ceiling(now.and_then(|now| self.cosigned.next_ceiling(now)), batch);
        let seconds = now.and_then(|now| self.cosigned.give(now));
        (self.cosigned.is_missing, self.cosigned.newest) = (seconds.is_none(), seconds.unwrap_or(u64::MAX));
        seconds
    }

    /// The time of the last input in milliseconds since 1970, if the clock is confirmed.
    fn time_by_clock(&self) -> Option<u64> {
        (self.own_clock.is_confirmed && self.own_clock.problem.is_none()).then_some(self.now.wall_millis)
    }

    fn record_ceiling(&mut self, seconds: Option<u64>, batch: &mut Batch) {
        if let Some(seconds) = seconds {
            self.record(Record::Ceiling(CeilingHeader { seconds }), batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    /// A time that has run since minute 100.
    fn running() -> CosignedTime {
        let mut time = CosignedTime::of_a_start(0);
        let ceiling = time.next_ceiling(100 * MINUTE).expect("none is recorded");
        assert_eq!(ceiling, 105 * 60);
        time.raise(ceiling);
        assert_eq!(time.give(100 * MINUTE), Some(100 * 60));
        assert!(!time.is_missing);
        time
    }

    #[test]
    fn no_time_is_given_beyond_the_recorded_ceiling() {
        let mut time = running();
        assert_eq!((time.next_ceiling(105 * MINUTE + 999), time.give(105 * MINUTE + 999)), (None, Some(105 * 60)));
        assert_eq!(time.give(106 * MINUTE), None);
        time.raise(time.next_ceiling(106 * MINUTE).expect("beyond the ceiling"));
        assert_eq!((time.renewed_ceiling(106 * MINUTE), time.give(106 * MINUTE)), (None, Some(106 * 60)));
        assert_eq!(time.renewed_ceiling(107 * MINUTE), None);
    }

    #[test]
    fn a_time_that_has_become_old_is_renewed_once() {
        let mut time = running();
        time.newest = 100 * 60;
        assert_eq!(time.renewed_ceiling(102 * MINUTE - 1), None);
        let ceiling = time.renewed_ceiling(102 * MINUTE).expect("two minutes old");
        assert_eq!(ceiling, 107 * 60);
        time.raise(ceiling);
        assert_eq!(time.renewed_ceiling(110 * MINUTE), None, "the open batch renews it");
    }

    #[test]
    fn no_time_is_given_while_the_clock_is_behind_a_cosigned_time() {
        let mut time = running();
        time.is_missing = true;
        assert_eq!((time.give(99 * MINUTE), time.renewed_ceiling(99 * MINUTE)), (None, None));
        assert_eq!(time.give(100 * MINUTE), Some(100 * 60));
    }

    #[test]
    fn after_a_restart_the_ceiling_counts_as_cosigned() {
        let mut time = CosignedTime::of_a_start(110 * 60);
        assert_eq!((time.is_before_cosigned(100 * MINUTE - 1), time.is_before_cosigned(100 * MINUTE)), (true, false));
        assert_eq!((time.give(100 * MINUTE - 1), time.renewed_ceiling(100 * MINUTE - 1)), (None, None));
        assert_eq!(time.renewed_ceiling(100 * MINUTE), Some(110 * 60), "the one in the ledger is later, and stays");
        assert_eq!(time.give(100 * MINUTE), Some(100 * 60));
    }

    #[test]
    fn nothing_is_dated_long_before_a_time_that_was_given() {
        let time = running();
        assert_eq!((time.is_before_cosigned(90 * MINUTE - 1), time.is_before_cosigned(90 * MINUTE)), (true, false));
    }
}
