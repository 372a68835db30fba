//! A former holder resolves a case after another agency has accepted it. The entry names an old basis and old parents.
//!
//! The entry changes nothing, and it conceals the liar's own offer.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Command, Complaint, NewOffer, Standing};
use sinergi_proto::wire::{self, accusation::Finding, entry::Body};

use super::forgery::{gave_away, id_in, id_of, signed_entry};
use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "resolves_after_handing_over",
    detection: Detection::Evidence(&["concealed"]),
    can_tell: any_agency,
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
    fn offer(&mut self, liar: &Node, now: u64) -> LiarAction {
        let holds = |complaint: &&Complaint| {
            let custody = complaint.custody();
            custody.holder == liar.id && custody.offer.is_none() && complaint.case().phase.is_open()
        };
        let held = liar.ledger.cases.values().map(|case| &case.complaint).find(holds);
        let (Some(complaint), Some(to)) = (held, liar.adjacent().first().cloned()) else { return LiarAction::Nothing };
        if self.offered >= OFFERED {
            return LiarAction::Nothing;
        }
        self.offered += 1;
        let (reason, answer_by) = (wire::ForwardReason::Competence.into(), Some(liar.wall(now) + ANSWER_WITHIN));
        LiarAction::Command(complaint.id(), Command::Forward(NewOffer { to, reason, answer_by }))
    }
}

impl Lie for Resolves {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        if self.written.is_some() {
            return LiarAction::Nothing;
        }
        let is_gone =
            |complaint: &&Complaint| complaint.custody().holder != liar.id && complaint.case().phase.is_open();
        let mut gone = liar.ledger.cases.values().map(|case| &case.complaint).filter(is_gone);
        let Some((complaint, (basis, _))) = gone.find_map(|gone| Some((gone, gave_away(liar, gone)?))) else {
            return self.offer(liar, now);
        };
        let clock = HybridClock::tick(liar.wall(now), complaint.newest_clock());
        let body = Body::Resolved(wire::Resolved { basis: basis.0.to_vec(), outcome: 1 });
        let Some(signed) = signed_entry(liar, complaint, vec![basis], clock, body) else { return LiarAction::Nothing };
        self.written = Some(id_of(&signed));
        LiarAction::WriteEntry(signed)
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has = |node: &&Node| self.written.is_some_and(|entry| node.ledger.leaf_of(&entry).is_some());
        honest.auditors().filter(has).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            let Some(written) = self.written else { continue };
            let cases = node.ledger.cases.values().map(|case| &case.complaint);
            if let Some(complaint) = cases.into_iter().find(|case| case.standing(&written) == Some(Standing::Effective))
            {
                let what = format!("{} ended {} at {}", liar.id, complaint.id().short(), node.id);
                return Err(("a_former_holder_moves_no_case", what));
            }
        }
        Ok(())
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let is_written = |entry: &[u8]| self.written.is_some() && id_in(entry) == self.written;
        matches!(sign, Sign::Finding(Finding::Concealed(shown)) if is_written(&shown.entry))
    }
}
