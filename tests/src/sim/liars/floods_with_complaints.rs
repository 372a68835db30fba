//! The liar lodges valid complaints without end. Every agency that should have them keeps them.

use sinergi_proto::wire;

use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, any_agency};
use crate::sim::node::Node;
use crate::sim::operations::lodged;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_complaints",
    detection: Detection::Harmless,
    can_tell: any_agency,
    // Entries over the liar's share do not arrive.
    passes_everything_on: false,
    begin: || Box::new(Floods::default()),
};

/// Number of lodged complaints.
const LODGED: u32 = 500;
/// Number of the liar's entries that is more than a fair share of an honest node's disk. It is a part of the entries that the liar lodges.
const UNFAIR: usize = 400;

#[derive(Default)]
struct Floods {
    lodged: u32,
}

impl Lie for Floods {
    fn on_tick(&mut self, _: &Node, _: u64) -> LiarAction {
        if self.lodged >= LODGED {
            return LiarAction::Nothing;
        }
        self.lodged += 1;
        let category = format!("jalan {}", self.lodged);
        LiarAction::Lodge(wire::Lodged { category, ..lodged(wire::ContentClass::Public) })
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let is_unfair = self.lodged as usize > UNFAIR;
        honest.all().filter(|_| is_unfair).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            let kept = node.ledger.leaves.iter().filter(|leaf| leaf.entry.author == liar.id).count();
            // After a start, shares are whole again.
            if kept >= UNFAIR * node.starts.max(1) {
                let what = format!("{} keeps {kept} entries of {}", node.id, liar.id);
                return Err(("no_agency_floods_a_ledger", what));
            }
        }
        Ok(())
    }
}
