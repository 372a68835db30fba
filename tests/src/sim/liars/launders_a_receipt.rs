//! The liar's first receipt for an entry names a wrong leaf. It claims on every link that it has nothing, gets everything again, and gives
//! a right receipt. Both receipts count.

use std::collections::{BTreeMap, BTreeSet};

use sinergi_proto::base::ids::{AgencyId, EntryId};
use sinergi_proto::receipt::{ItemOutcome, Receipt};
use sinergi_proto::wire::{self, Frame, accusation::Finding, frame::Kind};

use super::facade::in_receipt;
use super::forgery::id_in;
use super::proofs_held::receipts;
use super::{Detection, HonestNodes, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "launders_a_receipt",
    detection: Detection::Evidence(&["omitted", "forked"]),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Launders::default()),
};

/// Number of entries whose first receipt is wrong.
const WRONG: usize = 3;

/// How often it makes each peer end the link, to get everything again.
const LINKS: u32 = 3;

#[derive(Default)]
struct Launders {
    wrong: BTreeSet<EntryId>,
    /// How often each peer was made to end the link.
    ended: BTreeMap<AgencyId, u32>,
}

impl Lie for Launders {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        if let Some(Kind::Hello(hello)) = frame.kind {
            return vec![Frame { kind: Some(Kind::Hello(wire::Hello { have_cursor: None, ..hello })) }];
        }
        if matches!(&frame.kind, Some(Kind::Ping(_))) && self.wrong.len() >= WRONG {
            let ended = self.ended.entry(to.clone()).or_default();
            *ended += 1;
            // A second Hello makes the peer end the link.
            let again = Frame { kind: Some(Kind::Hello(wire::Hello::default())) };
            return if *ended <= LINKS { vec![frame, again] } else { vec![frame] };
        }
        vec![in_receipt(liar, frame, |receipt| {
            for result in &mut receipt.results {
                if let ItemOutcome::Leaf(index) = &mut result.outcome
                    && index.0 > 0
                    && self.wrong.len() < WRONG
                    && self.wrong.insert(result.entry)
                {
                    index.0 -= 1;
                }
            }
        })]
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        // A receipt of an earlier epoch names no leaf of the ledger that the liar shows now.
        let present = |receipt: &Receipt| receipt.epoch() == Some(liar.ledger.epoch);
        let holds_a_wrong_one = |node: &&Node| {
            let present = receipts(node, &liar.id).filter(present);
            let mut named = present.flat_map(|receipt| receipt.leaves().collect::<Vec<_>>());
            named.any(|(entry, index)| liar.ledger.leaf_of(&entry).is_some_and(|truth| truth != index))
        };
        honest.auditors().filter(holds_a_wrong_one).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let is_wrong = |entry: &[u8]| id_in(entry).is_some_and(|entry| self.wrong.contains(&entry));
        matches!(sign, Sign::Finding(Finding::Omitted(shown)) if is_wrong(&shown.entry))
    }
}
