//! The liar of a run: its choice, and the outcome of its lie.

use std::collections::BTreeSet;
use std::sync::Arc;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::evidence::{Opened, Reader};

use super::{LieOutcome, World};
use crate::sim::liars::{Detection, LieKind};
use crate::sim::node::{Evidence, HonestNodes, Lie, Node, Sign};

impl World {
    /// Chooses one of the agencies that can tell the plan's lie.
    pub(super) fn choose_liar(&mut self) {
        let Some(kind) = self.plan.lie else { return };
        let can: Vec<AgencyId> =
            self.founded.iter().filter(|member| (kind.can_tell)(&self.topology, member)).cloned().collect();
        let number = usize::try_from(self.plan.seed).unwrap_or_default();
        let Some(liar) = can.get(number % can.len().max(1)).cloned() else { return };
        self.node(&liar).set_lie(kind.begin());
        self.liar = Some(liar);
    }

    /// Whether an agency lies.
    pub fn is_liar(&self, agency: &AgencyId) -> bool {
        self.liar.as_ref() == Some(agency)
    }

    /// The honest nodes.
    pub fn honest(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| !self.is_liar(&node.id))
    }

    /// The lie of the run and the liar's node, if there is one.
    pub fn lie(&self) -> Option<(&'static LieKind, &Node)> {
        Some((self.plan.lie?, &self.nodes[self.liar.as_ref()?]))
    }

    /// The honest nodes, in the form that a lie takes.
    pub fn honest_nodes<'a>(&'a self, liar: &'a Node) -> HonestNodes<'a> {
        HonestNodes::new(&self.nodes, &liar.id)
    }

    /// Whether honest agencies get all entries that they should have.
    pub fn passes_everything_on(&self) -> bool {
        self.lie().is_none_or(|(kind, _)| kind.passes_everything_on)
    }

    /// The first node that must find the lie and has not found it in the way that its kind demands.
    pub fn has_not_found<'a>(&'a self, kind: &LieKind, lie: &dyn Lie, liar: &'a Node) -> Option<&'a Node> {
        let must_find = lie.must_find(liar, &self.honest_nodes(liar));
        let has_found = |node: &&Node| self.has_found(node, kind.detection, lie, liar);
        if matches!(kind.detection, Detection::EvidenceOfOne(_)) && must_find.iter().any(has_found) {
            return None;
        }
        must_find.into_iter().find(|node| !has_found(node))
    }

    fn has_found(&self, node: &Node, detection: Detection, lie: &dyn Lie, liar: &Node) -> bool {
        match detection {
            Detection::Evidence(findings) | Detection::EvidenceOfOne(findings) => node.evidence().any(|evidence| {
                let finding = evidence.accusation.finding.as_ref();
                self.is_liar(&evidence.statement.accused)
                    && findings.contains(&evidence.statement.finding.name())
                    && finding.is_some_and(|finding| lie.shows(liar, Sign::Finding(finding)))
                    && convinces_a_stranger(node, evidence)
            }),
            Detection::Fault(code) => self.ended_links.iter().any(|ended| {
                ended.by == node.id && ended.code == code.number() && lie.shows(liar, Sign::EndedLink(ended))
            }),
            Detection::Harmless => true,
        }
    }

    pub(super) fn lie_outcome(&self) -> Option<LieOutcome> {
        let (kind, liar) = self.lie()?;
        let evidence = self.honest().flat_map(Node::evidence);
        let against = evidence.filter(|evidence| self.is_liar(&evidence.statement.accused));
        let findings = against.map(|evidence| evidence.statement.finding).collect();
        let faults: BTreeSet<u32> = self.ended_links.iter().map(|ended| ended.code).collect();
        let is_detectable = liar.lie().is_some_and(|lie| !lie.must_find(liar, &self.honest_nodes(liar)).is_empty());
        Some(LieOutcome { name: kind.name, is_detectable, findings, faults })
    }
}

/// Whether a stranger who has only the evidence file and the charter comes to the same statement.
fn convinces_a_stranger(accuser: &Node, evidence: &Evidence) -> bool {
    let file = sinergi_proto::transparency::evidence::Evidence {
        accuser: &accuser.id,
        made_at: evidence.at,
        charters: accuser.charters(),
        accusations: vec![evidence.accusation.clone()],
    };
    let charters = accuser.charters();
    let (newest, lists) = ([Arc::clone(charters.newest())], charters.lists().cloned().collect::<Vec<_>>());
    let opened = Opened::judge(&file.sign(accuser.entry_key()), Reader { charters: &newest, lists: &lists });
    opened.is_ok_and(|opened| opened.statements == [evidence.statement.clone()])
}
