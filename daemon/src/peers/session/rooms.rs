//! The room that the jobs of one session hold in the budgets that all links share.

use std::collections::BTreeMap;

use sinergi_proto::sync::JobId;

use crate::peers::budget::Share;

/// The purpose of reserved memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A frame to the peer.
    Sent,
    /// A frame from the peer.
    Received,
    /// A list of trusted entries from the peer.
    List,
}

/// The rooms by the job that took them. A room is given back when it is released, and all rooms are given back when the session ends.
#[derive(Default)]
pub(super) struct Rooms(BTreeMap<JobId, (Way, Share)>);

impl Rooms {
    pub(super) fn insert(&mut self, job: JobId, way: Way, share: Share) {
        self.0.insert(job, (way, share));
    }

    /// Gives a room back.
    pub(super) fn release(&mut self, job: JobId) {
        self.0.remove(&job);
    }

    /// Bytes held for frames that were sent.
    pub(super) fn sent(&self) -> usize {
        self.held(Way::Sent)
    }

    /// Bytes held for frames that were received.
    pub(super) fn received(&self) -> usize {
        self.held(Way::Received)
    }

    fn held(&self, way: Way) -> usize {
        self.0.values().filter(|(held, _)| *held == way).map(|(_, share)| share.bytes()).sum()
    }
}
