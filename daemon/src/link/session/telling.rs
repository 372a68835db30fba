//! Telling the peer how far this node's ledger has come, and what it saw of third parties', so that an agency cannot show different ones to
//! different peers.
//!
//! Invariants:
//! - at most [`limits::CHECKPOINTS_TOLD`] checkpoints of others in [`limits::TELL_PAUSE`], only what changed, the oldest change first;
//! - everything is told again on the link after one that lasted, for the peer may have lost it; after a short one it goes on behind what the
//!   peer surely heard, so that a link that breaks all the time tells all in their turn, and what was on its way is not lost;
//! - the peer surely heard what it has answered a ping behind.

use sinergi_proto::ids::LedgerIndex;
use sinergi_proto::limits;
use sinergi_proto::wire::{self, frame::Kind};
use tokio::time::Instant;

use super::{LinkError, Session, health};

/// What a link was told.
pub(super) struct Telling {
    /// Everything up to this version of the watch.
    told: u64,
    /// This node's own ledger up to this size.
    own: LedgerIndex,
    last: Option<Instant>,
}

impl Telling {
    /// The peer was told of others up to this version on links before; the greeting has shown so much of this node's own ledger.
    pub(super) fn after_greeting(told: u64, own: LedgerIndex) -> Self {
        Self { told, own, last: None }
    }
}

impl Session<'_> {
    /// Tells some of what changed, if it is time.
    pub(super) fn tell_checkpoints(&mut self) -> Result<(), LinkError> {
        let telling = &mut self.telling;
        let own = self.head.borrow().size;
        let is_early = telling.last.is_some_and(|last| last.elapsed() < limits::TELL_PAUSE);
        if is_early || (telling.told == self.links.watch.version() && telling.own == own) {
            return Ok(());
        }
        let (others, reached) = self.links.watch.newer_than(telling.told, &self.peer.agency, limits::CHECKPOINTS_TOLD);
        let mut notes = Vec::with_capacity(others.len() + 1);
        if telling.own != own {
            notes.push(self.head.borrow().checkpoint.to_vec());
        }
        notes.extend(others);
        (telling.told, telling.own) = (reached, own);
        if notes.is_empty() {
            return Ok(());
        }
        telling.last = Some(Instant::now());
        self.say(Kind::Checkpoints(wire::CheckpointNotes { notes }))?;
        self.say(health::ping(reached))
    }

    /// The peer answered the ping behind what it was told.
    pub(super) fn heard_us_tell(&mut self, up_to: u64) {
        if up_to <= self.telling.told {
            self.peer.note(|state| state.told = state.told.max(up_to));
        }
    }
}
