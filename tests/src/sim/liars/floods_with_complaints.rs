//! The liar lodges valid complaints without end. Every agency that should have them keeps them.

use sinergi_proto::entry::content::reply_code_hash;
use sinergi_proto::wire;

use super::{Broken, Deed, Lie, LieKind, Others, Promise, anybody};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "floods_with_complaints",
    promise: Promise::Harmless,
    may: anybody,
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
    fn acts(&mut self, _: &Node, _: u64) -> Deed {
        if self.lodged >= LODGED {
            return Deed::Nothing;
        }
        self.lodged += 1;
        Deed::Lodges(wire::Lodged {
            kind: wire::ComplaintKind::Complaint.into(),
            category: "jalan".to_owned(),
            area: String::new(),
            class: wire::ContentClass::Public.into(),
            reply_code_hash: reply_code_hash(&format!("{}", self.lodged)).to_vec(),
        })
    }

    fn was_told(&self, _: &Node, _: &Others<'_>) -> bool {
        self.lodged >= LODGED
    }

    fn must_hold(&self, liar: &Node, others: &Others<'_>) -> Result<(), Broken> {
        for node in others.honest() {
            let kept = node.ledger.leaves.iter().filter(|leaf| leaf.entry.author == liar.id).count();
            if kept >= UNFAIR {
                let what = format!("{} keeps {kept} entries of {}", node.id, liar.id);
                return Err(("nobody_fills_another_s_ledger", what));
            }
        }
        Ok(())
    }
}
