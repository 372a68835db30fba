//! The routes of an entry: the adjacent peers that get it, and how much of its content.
//!
//! Participants (the intake agency, and every agency that custody was offered to) get entries and contents. Observers (supervisors of
//! participants, oversight, and agencies that a content was disclosed to) get entries only. Both are *readers*. An entry goes to each reader
//! that is adjacent, and to the next hop toward each other reader. The next hop is the reader's nearest adjacent ancestor in the charter, or
//! else the node's own parent.
//!
//! Must not know how a complaint is folded: it gets the readers as sets.
//!
//! Invariants:
//! - only public content passes through a relay;
//! - confidential content goes over a direct link to its reader;
//! - identity goes nowhere but with `Disclosed`, whose content goes over a direct link to its addressee alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::ids::{AgencyId, Epoch};
use crate::base::limits;
use crate::charter::Charter;
use crate::entry::{Body, CaseAct, Commitment, ContentClass, Entry};
use crate::wire;

/// The content that a link gets beside the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// No content, entries only.
    Entries,
    /// Public contents: the link leads to a participant.
    Public,
    /// Public and confidential contents: the link's peer is a participant.
    Confidential,
}

impl Access {
    /// Whether a content of this class may pass.
    pub fn allows(self, class: ContentClass) -> bool {
        match class {
            ContentClass::Public => self >= Self::Public,
            ContentClass::Confidential => self >= Self::Confidential,
            ContentClass::Identity => false,
        }
    }

    /// Whether the content with this commitment of an entry may pass to a peer. The content of a `Disclosed` passes to its addressee and back
    /// to its author, whatever its class.
    pub fn allows_of(self, entry: &Entry, commitment: &Commitment, peer: &AgencyId) -> bool {
        match &entry.body {
            Body::Case { act: CaseAct::Disclosed { to, .. }, .. } => to == peer || entry.author == *peer,
            _ => self.allows(commitment.class),
        }
    }
}

/// The node that routes: the facts about it that routes depend on.
#[derive(Clone, Copy, Debug)]
pub struct RoutingContext<'a> {
    /// The node's agency.
    pub own: &'a AgencyId,
    /// The peers with which it has a link.
    pub adjacent: &'a BTreeSet<AgencyId>,
    /// The newest charter.
    pub charter: &'a Charter,
}

/// The delivery of an entry by a peer.
#[derive(Clone, Copy, Debug)]
pub struct DeliveredBy<'a> {
    /// The peer that delivered it.
    pub peer: &'a AgencyId,
    /// Number of agencies that passed it on before this node.
    pub relays: u32,
}

impl DeliveredBy<'_> {
    /// Whether the relay limit is used up.
    pub fn is_spent(&self) -> bool {
        self.relays >= limits::RELAYS
    }
}

/// The routes of the entries of a complaint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes<'a> {
    /// The adjacent peers that get the entries, with their access.
    pub links: BTreeMap<&'a AgencyId, Access>,
    /// Readers to which no adjacent peer leads.
    pub unreachable: BTreeSet<&'a AgencyId>,
}

/// The readers of a complaint, beside supervisors and oversight.
#[derive(Clone, Copy, Debug)]
pub struct Readers<'a> {
    /// The intake agency and every agency that custody was offered to.
    pub participants: &'a BTreeSet<AgencyId>,
    /// Agencies that a content was disclosed to.
    pub disclosed_to: &'a BTreeSet<AgencyId>,
    /// Agencies to which the complaint was offered under a key that is revoked now.
    pub formerly_offered: &'a BTreeSet<AgencyId>,
}

/// One link that an entry goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The adjacent peer.
    pub to: AgencyId,
    /// The content that it may have.
    pub access: Access,
    /// Whether the complaint's earlier entries go before this entry.
    pub history: bool,
}

/// The reach of an entry that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It goes to its readers, and to the next hops toward them.
    Relayed,
    /// It goes to adjacent readers only, because the relay limit is used up.
    Adjacent,
}

/// The routes for a complaint with these readers, from the node of the agency `me` with the peers `adjacent`.
pub fn routes<'a>(
    me: &AgencyId,
    adjacent: &'a BTreeSet<AgencyId>,
    readers: Readers<'a>,
    charter: &'a Charter,
    reach: Reach,
) -> Routes<'a> {
    let mut routes = Routes::default();
    let participants = readers.participants;
    let upward = hop_upward(me, adjacent, charter);
    let others = readers.disclosed_to.iter().chain(readers.formerly_offered);
    let observers =
        charter.observers_of_each(participants).chain(others.filter(|agency| !participants.contains(*agency)));
    for (agency, participates) in participants.iter().map(|a| (a, true)).chain(observers.map(|a| (a, false))) {
        if agency == me {
            continue;
        }
        let Some(hop) = hop_toward(me, agency, adjacent, charter).or(upward) else {
            routes.unreachable.insert(agency);
            continue;
        };
        if reach == Reach::Adjacent && hop != agency {
            continue;
        }
        let access = match (participates, hop == agency) {
            (false, _) => Access::Entries,
            (true, false) => Access::Public,
            (true, true) => Access::Confidential,
        };
        let granted = routes.links.entry(hop).or_insert(access);
        *granted = access.max(*granted);
    }
    routes
}

impl Routes<'_> {
    /// The links to the entry's author and to the peer that delivered it, if they may see more of the complaint now than they were `given`.
    ///
    /// The entry itself does not go over these links, because it came from there. But the rest of the complaint is owed to them. This happens
    /// when a supervisor reassigns a complaint to itself: its own entry makes it a participant. It also happens when a node that was set
    /// back wrote an entry before it knew the participants again.
    pub fn raised(
        &self,
        author: &AgencyId,
        source: Option<&AgencyId>,
        given: impl Fn(&AgencyId) -> Option<Access>,
    ) -> Vec<Route> {
        let is_behind = |to: &AgencyId| to == author || Some(to) == source;
        let raised = self.links.iter().filter(|(to, access)| is_behind(to) && given(to) < Some(**access));
        raised.map(|(to, access)| Route { to: (*to).clone(), access: *access, history: false }).collect()
    }

    /// The links that a new entry goes over. It does not go back to its author, nor to the peer that delivered it. `author` is `None` if a thief may have
    /// signed the entry under a revoked key: the owner of the key may not have it, and needs it for what descends from it. The complaint's history
    /// goes before the entry on a link that is new to the complaint, or may see more of it now than it was `given`.
    pub fn of_entry(
        &self,
        author: Option<&AgencyId>,
        source: Option<&AgencyId>,
        given: impl Fn(&AgencyId) -> Option<Access>,
        has_history: bool,
    ) -> Vec<Route> {
        let links = self.links.iter().filter(|(to, _)| Some(**to) != author && Some(**to) != source);
        let route = |(to, access): (&&AgencyId, &Access)| {
            let history = has_history && given(to) < Some(*access);
            Route { to: (*to).clone(), access: *access, history }
        };
        links.map(route).collect()
    }
}

/// The adjacent peer that leads from the node of `me` to `agency`: the agency itself, its nearest adjacent ancestor, or the parent of `me`.
pub fn next_hop<'a>(
    me: &AgencyId,
    agency: &'a AgencyId,
    adjacent: &'a BTreeSet<AgencyId>,
    charter: &'a Charter,
) -> Option<&'a AgencyId> {
    hop_toward(me, agency, adjacent, charter).or_else(|| hop_upward(me, adjacent, charter))
}

/// The agency itself, or its nearest adjacent ancestor.
fn hop_toward<'a>(
    me: &AgencyId,
    agency: &'a AgencyId,
    adjacent: &BTreeSet<AgencyId>,
    charter: &'a Charter,
) -> Option<&'a AgencyId> {
    if adjacent.contains(agency) {
        return Some(agency);
    }
    charter.ancestors(agency).find(|ancestor| *ancestor != me && adjacent.contains(*ancestor))
}

/// The node's own parent, if it is adjacent. It leads to every agency that is not found otherwise.
fn hop_upward<'a>(me: &AgencyId, adjacent: &'a BTreeSet<AgencyId>, charter: &Charter) -> Option<&'a AgencyId> {
    charter.parent(me).and_then(|parent| adjacent.get(parent))
}

/// The body of a `LedgerReset`, which declares a new epoch. `None` for any other entry.
pub fn reset_of(entry: &Entry) -> Option<&wire::LedgerReset> {
    let Body::Node(body) = &entry.body else { return None };
    let wire::entry::Body::LedgerReset(reset) = &**body else { return None };
    Some(reset)
}

/// The links that a node entry goes over. A `LedgerReset` goes to every adjacent peer except its author and the peer that delivered it, once
/// for each epoch. Every other node entry stays here. `known` is the newest epoch that the author declared before.
pub fn routes_of_node_entry(
    entry: &Entry,
    delivered_by: Option<DeliveredBy<'_>>,
    known: Option<Epoch>,
    adjacent: &BTreeSet<AgencyId>,
) -> Vec<Route> {
    let is_news = reset_of(entry).is_some() && known.is_none_or(|known| known < entry.place.epoch);
    if !is_news || delivered_by.is_some_and(|by| by.is_spent()) {
        return Vec::new();
    }
    let is_source = |agency: &AgencyId| *agency == entry.author || delivered_by.is_some_and(|by| agency == by.peer);
    let route = |to: &AgencyId| Route { to: to.clone(), access: Access::Entries, history: false };
    adjacent.iter().filter(|agency| !is_source(agency)).map(route).collect()
}

#[cfg(test)]
mod tests;
