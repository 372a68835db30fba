//! Where an entry goes: which adjacent peers get it, and how much of its content.
//!
//! Participants (the intake agency and every agency that custody was offered to) get entries and contents; observers (their supervisors,
//! oversight, and agencies that a content was disclosed to) get entries only. An entry goes to each adjacent peer that is one of them, or the next hop toward one: the peer itself,
//! else an adjacent ancestor of it in the charter, else my own parent.
//!
//! Invariant: through a relay passes public content only; confidential content goes over a direct link to its reader; identity goes nowhere
//! but with `Disclosed`, whose content goes over a direct link to its addressee alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::ids::{AgencyId, Epoch};
use crate::base::limits;
use crate::charter::Charter;
use crate::entry::{Body, CaseAct, Commitment, ContentClass, Entry};
use crate::wire;

/// How much content a link gets beside the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Entries only.
    Entries,
    /// And public contents: the link leads to a participant.
    Public,
    /// And confidential contents: the link's peer is a participant.
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

    /// Whether a content of an entry may pass to a peer.
    pub fn allows_of(self, entry: &Entry, commitment: &Commitment, peer: &AgencyId) -> bool {
        match &entry.body {
            Body::Case { act: CaseAct::Disclosed { to, .. }, .. } => to == peer || entry.author == *peer,
            _ => self.allows(commitment.class),
        }
    }
}

/// The node that routes.
#[derive(Clone, Copy, Debug)]
pub struct Standpoint<'a> {
    /// Its agency.
    pub own: &'a AgencyId,
    /// Its adjacent peers.
    pub adjacent: &'a BTreeSet<AgencyId>,
    /// The newest charter.
    pub charter: &'a Charter,
}

/// Where an entry came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The peer that delivered it.
    pub peer: &'a AgencyId,
    /// How many agencies passed it on before us.
    pub relays: u32,
}

impl Origin<'_> {
    /// Whether the relay limit is used up.
    pub fn is_spent(&self) -> bool {
        self.relays >= limits::RELAYS
    }
}

/// Where the entries of a complaint go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes<'a> {
    /// The adjacent peers, and what they may have.
    pub links: BTreeMap<&'a AgencyId, Access>,
    /// Agencies that should have it and that no adjacent peer leads to.
    pub unreachable: BTreeSet<&'a AgencyId>,
}

/// Who is to have a complaint.
#[derive(Clone, Copy, Debug)]
pub struct Readers<'a> {
    /// The intake agency and every agency that custody was offered to.
    pub participants: &'a BTreeSet<AgencyId>,
    /// Agencies that a content was disclosed to.
    pub disclosed_to: &'a BTreeSet<AgencyId>,
}

/// One link that an entry goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The adjacent peer.
    pub to: AgencyId,
    /// What it may have.
    pub access: Access,
    /// The complaint's earlier entries go before it.
    pub history: bool,
}

/// How far an entry may still go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To its readers, and to next hops toward them.
    Relayed,
    /// Only to readers that are adjacent: the relay limit is used up.
    Adjacent,
}

/// The routes from `me`, whose adjacent peers are `adjacent`, for a complaint with these readers.
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
    let observers = charter.observers_of_each(participants).chain(readers.disclosed_to.difference(participants));
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
    /// The links that an entry does not go over, because its author or the peer that it came from is there, and that may see more of the
    /// complaint from now on than they were given: what did not come from there is owed to them. (A supervisor that reassigns a complaint
    /// to itself takes part by its own entry; a node that was set back wrote before it knew again who takes part.)
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

    /// The links that a new entry goes over: not back to its author, nor to the peer that it came from. The complaint's history goes before it
    /// where the link is new to the complaint, or may see more now than it was given.
    pub fn of_entry(
        &self,
        author: &AgencyId,
        source: Option<&AgencyId>,
        given: impl Fn(&AgencyId) -> Option<Access>,
        has_history: bool,
    ) -> Vec<Route> {
        let links = self.links.iter().filter(|(to, _)| **to != author && Some(**to) != source);
        let route = |(to, access): (&&AgencyId, &Access)| {
            let history = has_history && given(to) < Some(*access);
            Route { to: (*to).clone(), access: *access, history }
        };
        links.map(route).collect()
    }
}

/// The adjacent peer that leads to `agency`.
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

/// My own parent: it leads to everybody else.
fn hop_upward<'a>(me: &AgencyId, adjacent: &'a BTreeSet<AgencyId>, charter: &Charter) -> Option<&'a AgencyId> {
    charter.parent(me).and_then(|parent| adjacent.get(parent))
}

/// The declaration of a new epoch in an entry, if it is one.
pub fn reset_of(entry: &Entry) -> Option<&wire::LedgerReset> {
    let Body::Node(body) = &entry.body else { return None };
    let wire::entry::Body::LedgerReset(reset) = &**body else { return None };
    Some(reset)
}

/// The links that an entry of no complaint goes to: a declared reset to every adjacent peer that did not bring it, once for an epoch;
/// everything else stays here. `known`: the newest epoch that the author has declared before.
pub fn routes_of_node_entry(
    entry: &Entry,
    origin: Option<Origin<'_>>,
    known: Option<Epoch>,
    adjacent: &BTreeSet<AgencyId>,
) -> Vec<Route> {
    let is_news = reset_of(entry).is_some() && known.is_none_or(|known| known < entry.place.epoch);
    if !is_news || origin.is_some_and(|origin| origin.is_spent()) {
        return Vec::new();
    }
    let is_source = |agency: &AgencyId| *agency == entry.author || origin.is_some_and(|o| agency == o.peer);
    let route = |to: &AgencyId| Route { to: to.clone(), access: Access::Entries, history: false };
    adjacent.iter().filter(|agency| !is_source(agency)).map(route).collect()
}

#[cfg(test)]
mod tests;
