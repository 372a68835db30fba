//! The liar of a run: its choice, and the outcome of its lie.

use std::collections::BTreeSet;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::evidence::Opened;

use super::{LieOutcome, World};
use crate::sim::liars::{Detection, LieKind};
use crate::sim::node::{Evidence, HonestNodes, Node};

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

    /// The evidence against the liar that honest nodes keep.
    fn evidence(&self) -> impl Iterator<Item = (&Node, &Evidence)> {
        let all = self.honest().flat_map(|node| node.evidence().map(move |evidence| (node, evidence)));
        all.filter(|(_, evidence)| self.is_liar(&evidence.statement.accused))
    }

    /// Whether the lie was found in this way.
    pub fn is_found(&self, detection: Detection) -> bool {
        match detection {
            Detection::Evidence(findings) => self.evidence().any(|(accuser, evidence)| {
                findings.contains(&evidence.statement.finding.name()) && convinces_a_stranger(accuser, evidence)
            }),
            Detection::Fault(code) => self.ended_links.iter().any(|(_, number)| *number == code.number()),
            Detection::Harmless => true,
        }
    }

    pub(super) fn lie_outcome(&self) -> Option<LieOutcome> {
        let (kind, liar) = self.lie()?;
        let findings = self.evidence().map(|(_, evidence)| evidence.statement.finding).collect();
        let faults: BTreeSet<u32> = self.ended_links.iter().map(|(_, code)| *code).collect();
        let is_detectable = liar.lie().is_some_and(|lie| lie.is_detectable(liar, &self.honest_nodes(liar)));
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
    let opened = Opened::judge(&file.sign(accuser.entry_key()), accuser.charter());
    opened.is_ok_and(|opened| opened.statements == [evidence.statement.clone()])
}
