//! A relay acknowledges entries for an agency that only it links, and drops them.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::routing::outbox::Prepared;

use super::forgery::without;
use super::{Detection, HonestNodes, Lie, LieKind, links_others};
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "does_not_pass_on",
    detection: Detection::Evidence(&["not_passed_on"]),
    can_tell: links_others,
    passes_everything_on: false,
    begin: || Box::new(DoesNotPassOn),
};

struct DoesNotPassOn;

fn is_behind(liar: &Node, agency: &AgencyId) -> bool {
    liar.charter().member(agency).is_some_and(|member| member.parent.as_ref() == Some(&liar.id))
}

impl Lie for DoesNotPassOn {
    fn on_deliver(&mut self, liar: &Node, to: &AgencyId, prepared: Prepared) -> Prepared {
        if !is_behind(liar, to) {
            return prepared;
        }
        without(prepared, |entry| entry.complaint.is_some() && entry.author != liar.id)
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let lacks_an_offer = |node: &&Node| {
            let cases = liar.ledger.cases.values().map(|case| &case.complaint);
            let mut entitled = cases.filter(|complaint| complaint.participants().contains(&node.id));
            entitled.any(|complaint| !node.ledger.cases.contains_key(&complaint.id()))
        };
        honest.all().filter(|node| is_behind(liar, &node.id)).filter(lacks_an_offer).collect()
    }
}
