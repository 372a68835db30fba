//! The liar forwards a complaint from an earlier custody step, and leaves out of the entry's ancestors that it has given the complaint
//! away.
//!
//! Its own ledger has the entry that it leaves out. A node that has both entries finds the lie.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::EntryId;
use sinergi_proto::wire::{self, accusation::Finding, entry::Body};

use super::forgery::{gave_away, id_in, id_of, signed_entry};
use super::{Detection, HonestNodes, LiarAction, Lie, LieKind, Sign, any_agency};
use crate::sim::node::{ANSWER_WITHIN, Node};

pub(super) const KIND: LieKind = LieKind {
    name: "hides_a_custody_entry",
    detection: Detection::Evidence(&["concealed"]),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Hides::default()),
};

/// Number of false entries.
const WRITTEN: usize = 2;

#[derive(Default)]
struct Hides {
    /// The false entries, each with the own entry that it leaves out.
    written: Vec<(EntryId, EntryId)>,
}

impl Lie for Hides {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        let is_new = |left_out: &EntryId| self.written.iter().all(|(_, known)| known != left_out);
        let mut given = liar.ledger.cases.values().filter_map(|case| Some((case, gave_away(liar, &case.complaint)?)));
        let found = given.find(|(_, (_, left_out))| is_new(left_out)).filter(|_| self.written.len() < WRITTEN);
        let Some((case, (basis, left_out))) = found else { return LiarAction::Nothing };
        let complaint = &case.complaint;
        let Some(to) = complaint.participants().iter().find(|agency| **agency != liar.id) else {
            return LiarAction::Nothing;
        };
        let Some(clock) = HybridClock::tick(liar.wall(now), complaint.newest_clock()) else {
            return LiarAction::Nothing;
        };
        let body = Body::Forwarded(wire::Forwarded {
            basis: basis.0.to_vec(),
            to: to.to_string(),
            reason: wire::ForwardReason::Competence.into(),
            answer_by: clock.millis() + ANSWER_WITHIN,
        });
        let Some(signed) = signed_entry(liar, complaint, vec![basis], Some(clock), body) else {
            return LiarAction::Nothing;
        };
        self.written.push((id_of(&signed), left_out));
        LiarAction::WriteEntry(signed)
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has_both = |node: &&Node| {
            let has = |entry: &EntryId| node.ledger.leaf_of(entry).is_some();
            self.written.iter().any(|(entry, left_out)| has(entry) && has(left_out))
        };
        honest.auditors().filter(has_both).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let is_written = |entry: &[u8]| self.written.iter().any(|(written, _)| Some(*written) == id_in(entry));
        matches!(sign, Sign::Finding(Finding::Concealed(shown)) if is_written(&shown.entry))
    }
}
