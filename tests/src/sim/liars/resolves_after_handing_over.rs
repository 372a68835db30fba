//! A former holder resolves a case after another agency has accepted it. The entry names an old basis and old parents.
//!
//! The case ends at every node, and this protocol finds only custody entries that conceal, which this entry is not.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Command, Complaint, NewOffer};
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

/// Number of complaints that the liar offers to others.
const OFFERED: u32 = 4;
/// How long the others have to answer, in milliseconds: long enough that one of them accepts.
const ANSWER_WITHIN: u64 = 4 * 3600 * 1000;

#[derive(Default)]
struct Resolves {
    offered: u32,
    written: Option<EntryId>,
}

impl Resolves {
    /// Offers a complaint to a peer.
    fn offer(&mut self, liar: &Node, now: u64) -> Deed {
        let holds = |complaint: &&Complaint| {
            let custody = complaint.custody();
            custody.holder == liar.id && custody.offer.is_none() && complaint.case().phase.is_open()
        };
        let held = liar.ledger.cases.values().map(|case| &case.complaint).find(holds);
        let (Some(complaint), Some(to)) = (held, liar.adjacent().first().cloned()) else { return Deed::Nothing };
        if self.offered >= OFFERED {
            return Deed::Nothing;
        }
        self.offered += 1;
        let (reason, answer_by) = (wire::ForwardReason::Competence.into(), Some(liar.wall(now) + ANSWER_WITHIN));
        Deed::Acts(complaint.id(), Command::Forward(NewOffer { to, reason, answer_by }))
    }
}

impl Lie for Resolves {
    fn acts(&mut self, liar: &Node, now: u64) -> Deed {
        if self.written.is_some() {
            return Deed::Nothing;
        }
        let is_gone =
            |complaint: &&Complaint| complaint.custody().holder != liar.id && complaint.case().phase.is_open();
        let mut gone = liar.ledger.cases.values().map(|case| &case.complaint).filter(is_gone);
        let Some((complaint, (basis, _))) = gone.find_map(|gone| Some((gone, gave_away(liar, gone)?))) else {
            return self.offer(liar, now);
        };
        let clock = HybridClock::tick(liar.wall(now), complaint.newest_clock());
        let body = Body::Resolved(wire::Resolved { basis: basis.0.to_vec(), outcome: 1 });
        let Some(signed) = drafted(liar, complaint, vec![basis], clock, body) else { return Deed::Nothing };
        self.written = Some(id_of(&signed));
        Deed::Writes(signed)
    }

    fn was_told(&self, _: &Node, others: &Others<'_>) -> bool {
        let has = |node: &Node| self.written.is_some_and(|entry| node.ledger.leaf_of(&entry).is_some());
        others.honest().any(has)
    }
}
