//! The outputs of a session's parts: jobs, timers, queued frames and actions.
//!
//! Invariants:
//! - frames leave in the order in which they were queued, except that questions and answers about ledgers leave first;
//! - the queue is bounded: the session ends if a peer does not read its frames;
//! - the session knows how many submissions the writer has not taken yet.

use std::collections::VecDeque;

use super::end::End;
use super::event::{Action, Job, PeerChange, SideRecord};
use super::jobs::{JobId, Jobs};
use super::timers::{Timer, TimerTable};
use crate::admission::received::Received;
use crate::base::clock::Now;
use crate::base::cursor::Cursor;
use crate::base::limits;
use crate::wire::frame::Kind;

/// The bound of the queue of frames: the windows of both directions, and some room for charters.
pub(super) const WAITING_FRAMES: usize = 2 * limits::LINK_WINDOW_FRAMES + 64;

/// The bound of the queue of questions and answers about ledgers.
pub(super) const WAITING_PROOFS: usize = 64;

/// The state that all parts of a session share.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub(super) jobs: Jobs,
    pub(super) timers: TimerTable,
    /// The queue of frames to send.
    pub(super) frames: VecDeque<Kind>,
    /// Questions and answers about ledgers. They leave before other frames, so that an answer comes in time although a window of entries waits.
    pub(super) proofs: VecDeque<Kind>,
    /// Submissions that the writer has not taken yet.
    pub(super) untaken: usize,
}

/// The outputs of one event: the parts write to them.
pub(super) struct Effects<'a> {
    pub(super) now: Now,
    shared: &'a mut Shared,
    actions: &'a mut Vec<Action>,
}

impl<'a> Effects<'a> {
    pub(super) fn new(now: Now, shared: &'a mut Shared, actions: &'a mut Vec<Action>) -> Self {
        Self { now, shared, actions }
    }

    /// Starts a job.
    pub(super) fn start(&mut self, job: Job) -> JobId {
        let id = self.shared.jobs.begin();
        self.actions.push(Action::Start(id, job));
        id
    }

    /// Ends a job. Returns whether it was running.
    pub(super) fn end(&mut self, job: JobId) -> bool {
        self.shared.jobs.end(job)
    }

    /// Counts a submission that the writer has taken.
    pub(super) fn taken(&mut self) {
        self.shared.untaken = self.shared.untaken.saturating_sub(1);
    }

    /// Takes a timer that has expired.
    pub(super) fn take_expired(&mut self) -> Option<Timer> {
        self.shared.timers.take_expired(self.now)
    }

    /// Submits a frame's items to the writer.
    pub(super) fn commit(&mut self, cursor: Cursor, items: Vec<Received>) -> JobId {
        self.shared.untaken += 1;
        self.start(Job::Commit { cursor, items })
    }

    /// Submits a record to the writer.
    pub(super) fn store(&mut self, record: SideRecord) {
        self.shared.untaken += 1;
        self.act(Action::Store(record));
    }

    /// Whether the writer has taken all submissions.
    pub(super) fn writer_is_idle(&self) -> bool {
        self.shared.untaken == 0
    }

    /// Adds an action.
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Records a fact about the peer.
    pub(super) fn note(&mut self, change: PeerChange) {
        self.act(Action::Peer(change));
    }

    /// Queues a frame for the peer. Ends the session if the queue is full.
    pub(super) fn send(&mut self, kind: Kind) -> Result<(), End> {
        if self.shared.frames.len() >= WAITING_FRAMES {
            return Err(End::over_limit(format!("{WAITING_FRAMES} frames wait for the peer to read")));
        }
        self.shared.frames.push_back(kind);
        Ok(())
    }

    /// Queues a question or an answer about a ledger. Ends the session if the queue is full.
    pub(super) fn send_proof(&mut self, kind: Kind) -> Result<(), End> {
        if self.shared.proofs.len() >= WAITING_PROOFS {
            return Err(End::over_limit(format!("{WAITING_PROOFS} proofs wait for the peer to read")));
        }
        self.shared.proofs.push_back(kind);
        Ok(())
    }

    /// Sets a timer.
    pub(super) fn set(&mut self, timer: Timer, at: u64) {
        self.shared.timers.set(timer, at);
    }

    /// Stops a timer.
    pub(super) fn stop(&mut self, timer: Timer) {
        self.shared.timers.stop(timer);
    }

    /// Whether a timer runs.
    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.shared.timers.is_set(timer)
    }
}
