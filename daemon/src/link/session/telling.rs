//! Telling the peer how far this node's ledger has come, and what it saw of third parties', so that an agency cannot show different ones to
//! different peers.
//!
//! Invariant: at most [`limits::CHECKPOINTS_TOLD`] checkpoints in [`limits::TELL_PAUSE`], only what changed since it was told on this link,
//! and each in its turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinergi_proto::ids::{AgencyId, Epoch};
use sinergi_proto::limits;
use sinergi_proto::wire::{self, frame::Kind};
use tokio::time::Instant;

use super::{LinkError, Session};

/// What a link was told.
pub(super) struct Telling {
    /// How far each ledger was told to reach.
    told: BTreeMap<AgencyId, (Epoch, u64)>,
    /// This node's own checkpoint.
    own: Arc<[u8]>,
    last: Option<Instant>,
    /// What the watch had then.
    version: Option<u64>,
}

impl Telling {
    /// The greeting has shown this node's own checkpoint.
    pub(super) fn after_greeting(own: Arc<[u8]>) -> Self {
        Self { told: BTreeMap::new(), own, last: None, version: None }
    }
}

impl Session<'_> {
    /// Tells some of what changed, if it is time.
    pub(super) fn tell_checkpoints(&mut self) -> Result<(), LinkError> {
        let (version, own) = (self.links.watch.version(), Arc::clone(&self.head.borrow().checkpoint));
        let is_early = self.telling.last.is_some_and(|last| last.elapsed() < limits::TELL_PAUSE);
        if is_early || (self.telling.version == Some(version) && self.telling.own == own) {
            return Ok(());
        }
        let (told, peer) = (&self.telling.told, &self.peer.agency);
        let from = self.peer.snapshot().told_last;
        let changed = self.links.watch.newest_from(
            from.as_ref(),
            |agency, newest| {
                let is_news = agency != peer && told.get(agency) != Some(&newest.extent());
                is_news.then(|| (agency.clone(), newest.extent(), newest.note.clone()))
            },
            limits::CHECKPOINTS_TOLD,
        );
        if changed.len() < limits::CHECKPOINTS_TOLD {
            self.telling.version = Some(version);
        }
        let mut notes = Vec::with_capacity(changed.len() + 1);
        if self.telling.own != own {
            notes.push(own.to_vec());
            self.telling.own = own;
        }
        if let Some((last, ..)) = changed.last() {
            let last = last.clone();
            self.peer.note(|state| state.told_last = Some(last));
        }
        for (agency, extent, note) in changed {
            self.telling.told.insert(agency, extent);
            notes.push(note);
        }
        if notes.is_empty() {
            return Ok(());
        }
        self.telling.last = Some(Instant::now());
        self.say(Kind::Checkpoints(wire::CheckpointNotes { notes }))
    }
}
