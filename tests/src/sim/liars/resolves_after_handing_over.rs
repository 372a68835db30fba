//! A former holder resolves a case on an old basis and with an old past, after another has taken it.
//!
//! The case ends for everybody, and the entry hides nothing that this protocol looks for: it is no custody entry.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::EntryId;
use sinergi_proto::wire::{self, entry::Body};

use super::witnesses::{drafted, gave_away, id_of};
use super::{Deed, Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "resolves_after_handing_over",
    promise: Promise::Evidence(&["concealed"]),
    may: anybody,
    passes_everything_on: true,
    begin: || Box::new(Resolves::default()),
};

#[derive(Default)]
struct Resolves {
    written: Option<EntryId>,
}

impl Lie for Resolves {
    fn acts(&mut self, liar: &Node, now: u64) -> Deed {
        if self.written.is_some() {
            return Deed::Nothing;
        }
        let is_gone = |case: &&sinergi_proto::engine::Case| {
            case.complaint.custody().holder != liar.id && case.complaint.case().phase.is_open()
        };
        let mut gone = liar.ledger.cases.values().filter(is_gone);
        let Some((case, (basis, _))) = gone.find_map(|case| Some((case, gave_away(liar, &case.complaint)?))) else {
            return Deed::Nothing;
        };
        let clock = HybridClock::tick(liar.wall(now), case.complaint.newest_clock());
        let body = Body::Resolved(wire::Resolved { basis: basis.0.to_vec(), outcome: 1 });
        let Some(signed) = drafted(liar, &case.complaint, vec![basis], clock, body) else { return Deed::Nothing };
        self.written = Some(id_of(&signed));
        Deed::Writes(signed)
    }

    fn was_told(&self, _: &Node, others: &Others<'_>) -> bool {
        let has = |node: &Node| self.written.is_some_and(|entry| node.ledger.leaf_of(&entry).is_some());
        others.honest().any(has)
    }
}
