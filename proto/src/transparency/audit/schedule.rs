//! The schedule of audits: each agency in its turn, the one that has waited longest first.
//!
//! Must not know what an audit does.
//!
//! Invariant: an agency whose audits fail does not keep the node from auditing the others.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::ids::AgencyId;

/// Pause before a failed audit is begun again, unless the schedule is faster.
const AGAIN: Duration = Duration::from_secs(600);

/// The times of the last audits of each agency, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Schedule {
    every: u64,
    last: BTreeMap<AgencyId, u64>,
    failed: BTreeMap<AgencyId, u64>,
}

impl Schedule {
    /// A schedule that audits each agency once in `every`. `last` is the time at which the last whole audit of each agency began. Nothing else
    /// must outlast a restart.
    pub fn new(every: Duration, last: BTreeMap<AgencyId, u64>) -> Self {
        Self { every: millis(every), last, failed: BTreeMap::new() }
    }

    /// The time at which the last whole audit of each agency began. The caller stores it for [`Schedule::new`].
    pub fn last(&self) -> &BTreeMap<AgencyId, u64> {
        &self.last
    }

    /// The agency that has waited longest of these, if its audit is due.
    pub fn due(&self, agencies: impl IntoIterator<Item = AgencyId>, now: u64) -> Option<AgencyId> {
        let waits = agencies.into_iter().map(|agency| (self.next(&agency), agency));
        waits.filter(|(next, _)| *next <= now).min().map(|(_, agency)| agency)
    }

    /// An audit that began at `began` is over. If not all questions were answered (`is_whole`), it is due again soon. Returns whether
    /// [`Schedule::last`] has changed.
    pub fn ended(&mut self, agency: &AgencyId, began: u64, is_whole: bool) -> bool {
        if is_whole {
            self.failed.remove(agency);
            self.last.insert(agency.clone(), began);
        } else {
            self.failed.insert(agency.clone(), began);
        }
        is_whole
    }

    fn next(&self, agency: &AgencyId) -> u64 {
        let due = self.last.get(agency).map_or(0, |began| began.saturating_add(self.every));
        let again = self.failed.get(agency).map_or(0, |began| began.saturating_add(self.every.min(millis(AGAIN))));
        due.max(again)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{DAY, MINUTE, agency};

    fn daily() -> Schedule {
        Schedule::new(Duration::from_millis(DAY), BTreeMap::new())
    }

    fn both() -> [AgencyId; 2] {
        [agency("kominfo"), agency("ksp")]
    }

    #[test]
    fn the_agency_that_has_waited_longest_comes_first_and_none_before_its_time() {
        let mut schedule = daily();
        assert_eq!(schedule.due(both(), DAY), Some(agency("kominfo")));
        assert!(schedule.ended(&agency("kominfo"), DAY, true));
        assert_eq!(schedule.due(both(), DAY), Some(agency("ksp")));
        schedule.ended(&agency("ksp"), DAY + 1, true);
        for (now, due) in [(2 * DAY - 1, None), (2 * DAY, Some(agency("kominfo"))), (9 * DAY, Some(agency("kominfo")))]
        {
            assert_eq!(schedule.due(both(), now), due, "{now}");
        }
    }

    #[test]
    fn a_failed_audit_is_begun_again_soon_and_does_not_hold_up_others() {
        let mut schedule = daily();
        assert!(!schedule.ended(&agency("kominfo"), 1000, false), "nothing to keep");
        assert_eq!(schedule.due(both(), 1000), Some(agency("ksp")));
        schedule.ended(&agency("ksp"), 1000, true);
        assert_eq!(schedule.due(both(), 1000), None);
        assert_eq!(schedule.due(both(), 1000 + 10 * MINUTE), Some(agency("kominfo")));
    }

    #[test]
    fn a_schedule_that_is_faster_than_the_pause_after_a_failure_is_kept() {
        let mut schedule = Schedule::new(Duration::from_secs(5), BTreeMap::new());
        schedule.ended(&agency("ksp"), 1000, false);
        assert_eq!(schedule.due([agency("ksp")], 5999), None);
        assert_eq!(schedule.due([agency("ksp")], 6000), Some(agency("ksp")));
    }

    #[test]
    fn a_schedule_goes_on_after_a_restart_from_the_times_of_the_last_audits() {
        let mut before = daily();
        before.ended(&agency("ksp"), 1000, true);
        let after = Schedule::new(Duration::from_millis(DAY), before.last().clone());
        for now in [DAY + 999, DAY + 1000] {
            assert_eq!(after.due([agency("ksp")], now), before.due([agency("ksp")], now));
        }
    }
}
