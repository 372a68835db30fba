//! The last audit round of a run. At the end, every node audits all of its peers once more.

use super::{Failure, MINUTE, World};
use crate::sim::node::Node;

/// The longest time of an audit round, in milliseconds.
const ROUND: u64 = 2 * MINUTE;

impl World {
    /// Every node audits all of its peers.
    pub(super) fn audit_round(&mut self) -> Result<(), Failure> {
        // An audit may end before the liar's next action, and could not find that action any more.
        if let Some(liar) = self.liar.clone() {
            self.node(&liar).begin_no_more_lies();
        }
        for id in self.members.clone() {
            let now = self.now;
            self.node(&id).audit_everybody(now);
            self.settle(&id);
        }
        self.run_until(self.now + ROUND)?;
        // The links of a liar may end as soon as they are up.
        let audits = |node: &&Node| node.auditing(self.now).is_some_and(|agency| !self.is_liar(&agency));
        match self.honest().find(audits) {
            Some(node) => Err(self.failure("audits_end", format!("{} still audits", node.id))),
            None => Ok(()),
        }
    }
}
