//! The judgement of one view alone. It is made once, when the view is first seen, and looked up in every state with that view.
//!
//! Must not know the book of views, the network or the time: a view is judged by its complaint and its entries.

mod custody;
mod permanence;
mod sights;

use std::collections::{BTreeSet, HashSet};

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::Complaint;

pub use sights::Sights;

/// The judgement of one view.
pub struct Judgement {
    /// One holder, one offer, acts in time.
    pub custody: custody::Judgement,
    /// Nothing disappeared.
    pub permanence: permanence::Judgement,
    /// Rare events that the view shows.
    pub sights: Sights,
}

/// Judges a view: the fold of `entries`, of which `lies` are known to be lies.
pub fn judge(complaint: &Complaint, entries: &BTreeSet<EntryId>, lies: &HashSet<EntryId>) -> Judgement {
    Judgement {
        custody: custody::judge(complaint),
        permanence: permanence::judge(complaint, entries, lies),
        sights: sights::see(complaint),
    }
}
