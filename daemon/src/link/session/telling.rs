//! Telling the peer how far this node's ledger has come, and what it saw of third parties', so that an agency cannot show different ones to
//! different peers.
//!
//! Invariants:
//! - at most [`limits::CHECKPOINTS_TOLD`] checkpoints of others in [`limits::TELL_PAUSE`], only what changed, the oldest change first;
//! - a link goes on behind what the peer has heard on short ones before, so that one that breaks all the time tells all in their turn, and what
//!   was on its way is not lost: heard is what the peer has answered a ping behind;
//! - when a link has lasted, and on the one after it, everything is told again: the peer may have forgotten it when it was restarted.

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
    /// Since when it goes on behind what was heard on other links.
    resumed: Option<Instant>,
}

impl Telling {
    /// The peer was told of others up to this version on links before; the greeting has shown so much of this node's own ledger.
    pub(super) fn after_greeting(told: u64, own: LedgerIndex, now: Instant) -> Self {
        Self { told, own, last: None, resumed: (told > 0).then_some(now) }
    }

    /// Starts over, once, when the link has lasted.
    fn look_back(&mut self, now: Instant) {
        if self.resumed.is_some_and(|since| now.duration_since(since) >= limits::TELL_PAUSE) {
            (self.told, self.resumed) = (0, None);
        }
    }
}

impl Session<'_> {
    /// Tells some of what changed, if it is time.
    pub(super) fn tell_checkpoints(&mut self) -> Result<(), LinkError> {
        let telling = &mut self.telling;
        telling.look_back(Instant::now());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_lasts_tells_once_more_what_was_heard_on_others() {
        let began = Instant::now();
        let mut telling = Telling::after_greeting(5, LedgerIndex(0), began);
        telling.look_back(began + limits::TELL_PAUSE / 2);
        assert_eq!(telling.told, 5);
        telling.look_back(began + limits::TELL_PAUSE);
        assert_eq!(telling.told, 0);
        telling.told = 6;
        telling.look_back(began + limits::TELL_PAUSE * 9);
        assert_eq!(telling.told, 6, "once");
    }
}
