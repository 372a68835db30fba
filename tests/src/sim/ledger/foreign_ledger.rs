//! Finds two facts about another agency's ledger: the agency's newest entry, and the newest epoch that it declared.
//!
//! Disputed entries do not count: a thief may have signed them with a key that was revoked later.

use sinergi_proto::base::ids::{AgencyId, Epoch, LedgerIndex};
use sinergi_proto::routing::route::reset_of;

use super::{Leaf, Ledger};

impl Ledger {
    /// The leaf with an agency's entry that has the highest place in its own ledger, and is not disputed.
    pub fn newest_of(&self, author: &AgencyId) -> Option<&Leaf> {
        let counts = |leaf: &&Leaf| leaf.entry.author == *author && !self.is_disputed(leaf);
        self.leaves.iter().filter(counts).max_by_key(|leaf| leaf.entry.place)
    }

    fn is_disputed(&self, leaf: &Leaf) -> bool {
        self.charters.disputes_entry(&leaf.entry.author, leaf.entry.key_id, &leaf.entry.id)
    }

    /// The newest epoch that an agency has declared, and the leaf of the declaration.
    pub fn reset_of(&self, author: &AgencyId) -> Option<(Epoch, LedgerIndex)> {
        let is_reset =
            |leaf: &Leaf| leaf.entry.author == *author && reset_of(&leaf.entry).is_some() && !self.is_disputed(leaf);
        let resets = self.leaves.iter().enumerate().filter(|(_, leaf)| is_reset(leaf));
        resets
            .map(|(number, leaf)| (leaf.entry.place.epoch, LedgerIndex(number as u64)))
            .max_by_key(|(epoch, _)| *epoch)
    }
}
