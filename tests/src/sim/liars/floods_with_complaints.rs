//! The liar lodges valid complaints without end. Every agency that should have them keeps them.

use sinergi_proto::wire;

use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, any_agency};
use crate::sim::node::Node;
use crate::sim::operations::lodged;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_complaints",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Floods::default()),
};

/// Number of lodged complaints.
const LODGED: u32 = 150;
/// Number of the liar's entries that is more than a fair share of an honest node's ledger.
const UNFAIR: usize = 100;

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
        let is_done = self.lodged >= LODGED;
        honest.all().filter(|_| is_done).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            let kept = node.ledger.leaves.iter().filter(|leaf| leaf.entry.author == liar.id).count();
            if kept >= UNFAIR {
                let what = format!("{} keeps {kept} entries of {}", node.id, liar.id);
                return Err(("no_agency_floods_a_ledger", what));
            }
        }
        Ok(())
    }
}
