//! Commits to what was seen of others' ledgers (daemon: audit/witness).

use sinergi_proto::engine::Input;
use sinergi_proto::ids::AgencyId;
use sinergi_proto::watch::Noted;

use super::disk::Waiter;
use super::{Node, State};

/// Checkpoints that are kept with one `Witnessed`.
const AT_ONCE: usize = 1024;

impl Node {
    /// Writes a `Witnessed` if something was seen since the last one.
    pub fn witness(&mut self, now: u64) {
        let newer = self.watch.to_witness(AT_ONCE);
        if self.state != State::Clear || newer.is_empty() {
            return;
        }
        let notes = newer.iter().map(|(agency, noted)| (agency.clone(), noted.note.clone())).collect();
        self.decide(Input::Witness(notes), Waiter::Witness(newer), now);
    }

    /// The own ledger commits to these now.
    pub(super) fn witnessed(&mut self, newer: Vec<(AgencyId, Noted)>) {
        for (agency, noted) in newer {
            self.watch.witnessed(&agency, noted.checkpoint);
        }
    }
}
