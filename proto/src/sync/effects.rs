//! What the parts of a session act with: jobs, timers, frames that wait to leave, and the list of actions.
//!
//! Invariants:
//! - frames leave in the order in which they were said, and only so many wait: a peer that does not read while it is owed more than the
//!   windows allow is let go;
//! - the session knows how many submissions the writer has not taken yet.

use std::collections::VecDeque;

use super::end::End;
use super::event::{Action, Job, PeerChange, SideRecord};
use super::jobs::{JobId, Jobs};
use super::timers::{Timer, TimerTable};
use crate::admission::received::Received;
use crate::base::clock::Now;
use crate::base::limits;
use crate::routing::cursor::Cursor;
use crate::wire::frame::Kind;

/// Frames that may wait for the peer to read: what the windows of both directions allow, and some room for charters.
pub(super) const WAITING_FRAMES: usize = 2 * limits::LINK_WINDOW_FRAMES + 64;

/// What the parts of a session share, and none of them owns.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub(super) jobs: Jobs,
    pub(super) timers: TimerTable,
    /// Frames that wait to leave.
    pub(super) frames: VecDeque<Kind>,
    /// Submissions that the writer has not taken yet.
    pub(super) untaken: usize,
}

/// The means of one event.
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

    /// Ends a job; whether it was running.
    pub(super) fn end(&mut self, job: JobId) -> bool {
        self.shared.jobs.end(job)
    }

    /// The writer has taken a submission.
    pub(super) fn taken(&mut self) {
        self.shared.untaken = self.shared.untaken.saturating_sub(1);
    }

    /// Takes a timer that has expired.
    pub(super) fn take_expired(&mut self) -> Option<Timer> {
        self.shared.timers.take_expired(self.now)
    }

    /// Gives a frame's items to the writer.
    pub(super) fn commit(&mut self, cursor: Cursor, items: Vec<Received>) -> JobId {
        self.shared.untaken += 1;
        self.start(Job::Commit { cursor, items })
    }

    /// Gives something else to the writer.
    pub(super) fn store(&mut self, record: SideRecord) {
        self.shared.untaken += 1;
        self.act(Action::Store(record));
    }

    /// Whether the writer has taken everything.
    pub(super) fn writer_is_idle(&self) -> bool {
        self.shared.untaken == 0
    }

    /// Adds an action.
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Notes something about the peer.
    pub(super) fn note(&mut self, change: PeerChange) {
        self.act(Action::Peer(change));
    }

    /// Queues a frame for the peer.
    pub(super) fn send(&mut self, kind: Kind) -> Result<(), End> {
        if self.shared.frames.len() >= WAITING_FRAMES {
            return Err(End::over_limit(format!("{WAITING_FRAMES} frames wait for the peer to read")));
        }
        self.shared.frames.push_back(kind);
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
