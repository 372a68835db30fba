//! The links over which a lie was told.

use std::collections::{BTreeMap, BTreeSet};

use sinergi_proto::base::ids::AgencyId;

use crate::sim::node::{HonestNodes, Node, Sign};

/// The connections over which a lie was told, by peer.
#[derive(Default)]
pub(super) struct ToldOver(BTreeMap<AgencyId, BTreeSet<u64>>);

/// Number of connections to one peer of which at least one has surely carried the lie to it.
const ENOUGH: usize = 4;

impl ToldOver {
    /// Notes that the liar tells the lie to a peer now.
    pub(super) fn note(&mut self, liar: &Node, to: &AgencyId) {
        if let Some(link) = liar.links.get(to) {
            self.0.entry(to.clone()).or_default().insert(link.connection);
        }
    }

    /// Whether the lie was told to a peer over this connection.
    pub(super) fn contains(&self, to: &AgencyId, connection: u64) -> bool {
        self.0.get(to).is_some_and(|connections| connections.contains(&connection))
    }

    /// The number of connections over which the lie was told to a peer.
    pub(super) fn times(&self, to: &AgencyId) -> usize {
        self.0.get(to).map_or(0, BTreeSet::len)
    }

    /// Whether the lie has surely reached a peer.
    pub(super) fn has_reached(&self, peer: &AgencyId) -> bool {
        self.times(peer) >= ENOUGH
    }

    /// The peers that the lie has surely reached.
    pub(super) fn reached<'a>(&self, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        honest.all().filter(|node| self.has_reached(&node.id)).collect()
    }

    /// Whether a node ended a link because of the lie.
    pub(super) fn shows(&self, sign: Sign<'_>) -> bool {
        matches!(sign, Sign::EndedLink(ended) if !ended.was_set_back && self.contains(&ended.by, ended.connection))
    }
}
