//! The mark of the ledger, which is kept in another folder than the ledger (daemon: storage/mark, node/mark).

use sinergi_daemon::storage::mark;
use sinergi_proto::transparency::rollback_guard::{Known, OwnTree, Proof, Sighting};

use super::{Node, State};

impl Node {
    /// The evidence about the node's ledger at a start, beside the ledger itself.
    pub(super) fn known_at_start(&self, now: u64) -> Known {
        let by_mark = self.mark.map(|mark| Sighting { by: None, at: now, proof: Proof::by_mark(mark) });
        Known {
            stored: self.ledger.sightings.clone(),
            local: by_mark.into_iter().collect(),
            may_be_old: self.mark.is_none(),
        }
    }

    /// Writes the mark, at most once a second.
    pub(super) fn keep_mark(&mut self, now: u64) {
        let pause = u64::try_from(mark::EVERY.as_millis()).unwrap_or(u64::MAX);
        if self.state == State::Clear && now >= self.marked_at.saturating_add(pause) {
            self.mark = Some(OwnTree::extent(&self.ledger));
            self.marked_at = now;
        }
    }
}
