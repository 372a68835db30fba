//! The running jobs of a session, and queues that put their results in order.
//!
//! Must not know what a job does.
//!
//! Invariants:
//! - no two jobs of a session have the same id;
//! - a job ends once: a second result, or the result of a job that never began, is ignored;
//! - results come out in the order in which their jobs began, in whatever order they end.

use std::collections::{BTreeSet, VecDeque};

/// Names a job of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// The running jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    begun: u64,
    running: BTreeSet<JobId>,
}

impl Jobs {
    /// Begins a job.
    pub(super) fn begin(&mut self) -> JobId {
        self.begun += 1;
        let job = JobId(self.begun);
        self.running.insert(job);
        job
    }

    /// Ends a job. Returns whether it was running.
    pub(super) fn end(&mut self, job: JobId) -> bool {
        self.running.remove(&job)
    }
}

/// A queue of jobs whose results are taken in the order in which the jobs began. Each job has a context, which comes back with the result.
#[derive(Clone, Debug)]
pub(super) struct InOrder<C, T>(VecDeque<Slot<C, T>>);

#[derive(Clone, Debug)]
struct Slot<C, T> {
    job: JobId,
    context: C,
    result: Option<T>,
}

impl<C, T> Default for InOrder<C, T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<C, T> InOrder<C, T> {
    /// Adds a job that has just begun.
    pub(super) fn push(&mut self, job: JobId, context: C) {
        self.0.push_back(Slot { job, context, result: None });
    }

    /// Stores the result of a job until it is its turn.
    pub(super) fn done(&mut self, job: JobId, result: T) {
        let place = self.0.partition_point(|slot| slot.job < job);
        if let Some(slot) = self.0.get_mut(place).filter(|slot| slot.job == job) {
            slot.result = Some(result);
        }
    }

    /// Takes the oldest job's context and result, if the result has come.
    pub(super) fn pop(&mut self) -> Option<(C, T)> {
        self.0.front().filter(|slot| slot.result.is_some())?;
        let slot = self.0.pop_front()?;
        Some((slot.context, slot.result?))
    }

    /// The number of jobs whose results were not taken yet.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_out_in_the_order_in_which_their_jobs_began() {
        let (mut jobs, mut line) = (Jobs::default(), InOrder::default());
        let ids = [(); 3].map(|()| jobs.begin());
        for (context, job) in ('a'..).zip(ids) {
            line.push(job, context);
        }
        line.done(ids[2], 30);
        line.done(ids[1], 20);
        assert_eq!((line.pop(), line.len()), (None, 3));
        line.done(ids[0], 10);
        assert_eq!([line.pop(), line.pop(), line.pop()], [Some(('a', 10)), Some(('b', 20)), Some(('c', 30))]);
        assert_eq!(line.pop(), None);
    }

    #[test]
    fn a_result_for_which_no_job_waits_is_ignored() {
        let mut line = InOrder::default();
        line.push(JobId(4), ());
        line.done(JobId(3), 1);
        line.done(JobId(5), 1);
        assert_eq!(line.pop(), None);
    }

    #[test]
    fn a_job_ends_once_and_only_if_it_was_begun() {
        let mut jobs = Jobs::default();
        let job = jobs.begin();
        assert_eq!([jobs.end(JobId(9)), jobs.end(job), jobs.end(job)], [false, true, false]);
        assert_ne!(jobs.begin(), job);
    }
}
