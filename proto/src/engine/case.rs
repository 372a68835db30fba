//! A complaint on one node: the fold, the leaves of its entries in the node's ledger, and the access that each link was given.
//!
//! Must not know how a ledger is written.
//!
//! Invariants:
//! - everything but [`Case::note_owed`] follows from the leaves and their headers, in their order;
//! - a link that is new to a complaint, or gets a higher access than it was given of every leaf, is owed the complaint's history. The access can
//!   fall and rise again when a charter moves an agency;
//! - an entry never goes back to its author, nor to the peer that delivered it.

use std::collections::BTreeSet;

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use super::batch::Destroy;
use super::record::{External, LeafHeader};
use crate::base::ids::{AgencyId, EntryId, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::complaint::{self, Complaint, Standing};
use crate::entry::{Body, CaseAct, Commitment, Entry};
use crate::routing::route::{Access, DeliveredBy, Reach, Route, Routes, RoutingContext, next_hop, routes};
use crate::wire;

/// A complaint with its leaves and routes.
#[derive(Clone, Debug)]
pub struct Case {
    /// The fold.
    pub complaint: Complaint,
    /// The leaf of `Lodged`.
    pub lodged: LedgerIndex,
    /// The record of another system that it was imported from.
    pub external: Option<External>,
    /// The leaf of each entry.
    pub leaves: LiteMap<EntryId, LedgerIndex>,
    /// The links that its leaves were routed over, with the highest access that each was given.
    pub routed: LiteMap<AgencyId, Access>,
    /// The access that links were given to every leaf that goes over them, or are owed since the complaint is in memory.
    given: LiteMap<AgencyId, Access>,
    /// Offers that a relay delivered, and not their author.
    relayed: BTreeSet<EntryId>,
}

/// The automatic actions that a complaint needs from this node. They are looked for again at each start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duties {
    /// The open offer to this agency was recalled, and must be returned.
    pub recall: bool,
    /// The open offer to this agency came through a relay, and its arrival must be confirmed.
    pub arrival: bool,
    /// Two acts compete, and a witness would decide. Its receipt must be shown, if this node has one.
    pub witness: bool,
    /// Contents were erased on two signatures, and must be destroyed. This stays true for ever.
    pub erasure: bool,
}

impl Duties {
    /// Whether any action is needed.
    pub fn any(self) -> bool {
        self.recall || self.arrival || self.witness || self.erasure
    }
}

impl Case {
    /// A new complaint; `None` if the entry is not `Lodged`, or the charter that it names is not known.
    pub fn lodge(entry: &Entry, charters: &Charters) -> Option<Self> {
        let complaint = Complaint::lodge(entry, charters)?;
        Some(Self::of(complaint))
    }

    /// A complaint without leaves.
    fn of(complaint: Complaint) -> Self {
        Self {
            complaint,
            lodged: LedgerIndex::default(),
            external: None,
            leaves: LiteMap::new(),
            routed: LiteMap::new(),
            given: LiteMap::new(),
            relayed: BTreeSet::new(),
        }
    }

    /// First step of a leaf: adds the entry to the fold. Returns whether the custody path changed other than by growing.
    pub fn fold(&mut self, entry: &Entry, charters: &Charters) -> bool {
        self.complaint.insert(entry, charters).path_changed_from.is_some()
    }

    /// Judges all entries again under newer charters. Readers may be fewer now and more again later, so from now on every link counts as given nothing: it
    /// is owed the whole complaint with the next entry.
    pub fn judge_again(&mut self, charters: &Charters) {
        self.complaint = self.complaint.under(charters);
        self.given = LiteMap::new();
    }

    /// Second step of a leaf: records its index, the peer that delivered it and its routes. Returns whether the leaf is new.
    pub fn place(&mut self, index: LedgerIndex, entry: &Entry, header: &LeafHeader) -> bool {
        if self.leaves.is_empty() {
            self.lodged = index;
        }
        if header.external.is_some() {
            self.external.clone_from(&header.external);
        }
        if let Body::Custody { act, .. } = &entry.body
            && act.offers_to().is_some()
            && header.from.as_ref().is_some_and(|from| *from != entry.author)
        {
            self.relayed.insert(entry.id);
        }
        if header.relays < limits::RELAYS {
            // An entry that is relayed no further is passed over. That does not count, because any peer may say so.
            let is_behind = |to: &AgencyId| *to == entry.author || header.from.as_ref() == Some(to);
            lower(&mut self.given, &header.routes, is_behind);
        }
        // If the entry rests on a thief's offer, its content may have been withheld again after the key was revoked.
        if !self.complaint.rests_on_disputed(entry) {
            raise(&mut self.given, &header.routes);
        }
        raise(&mut self.routed, &header.routes);
        self.leaves.insert(entry.id, index).is_none()
    }

    /// Records access that links are owed, in addition to the access that leaves were routed with.
    pub fn note_owed(&mut self, routes: &[Route]) {
        raise(&mut self.given, routes);
    }

    /// The access that a link was given to every leaf, or is owed.
    fn given(&self, to: &AgencyId) -> Option<Access> {
        self.given.get(to).copied()
    }

    /// The links that an entry goes to, and the agencies that no link leads to. The entry is in the fold and is not placed yet.
    pub fn routes_of(
        &self,
        entry: &Entry,
        delivered_by: Option<DeliveredBy<'_>>,
        node: RoutingContext<'_>,
    ) -> (Vec<Route>, Vec<AgencyId>) {
        let reach = if delivered_by.is_some_and(|by| by.is_spent()) { Reach::Adjacent } else { Reach::Relayed };
        let mut found = self.links(node, reach);
        let orders_erasure = matches!(&entry.body, Body::Case { act: CaseAct::Erased { .. }, .. });
        if orders_erasure && self.complaint.standing(&entry.id) == Some(Standing::Effective) {
            self.follow_the_texts(&mut found, node, reach);
        }
        let source = delivered_by.map(|by| by.peer);
        let author = (!self.complaint.is_disputed(&entry.id)).then_some(&entry.author);
        let routes = found.of_entry(author, source, |to| self.given(to), self.complaint.len() > 1);
        // Only the author must reach everybody: another relay may lead where this node does not.
        let unreachable =
            if delivered_by.is_none() { found.unreachable.into_iter().cloned().collect() } else { Vec::new() };
        (routes, unreachable)
    }

    /// The links whose access rises because their peer wrote this entry or passed it on, and all leaves. These links are owed all leaves from
    /// now on; the outbox leaves out those that came from the peer itself.
    pub fn routes_of_raised(
        &self,
        entry: &Entry,
        delivered_by: DeliveredBy<'_>,
        node: RoutingContext<'_>,
    ) -> (Vec<Route>, Vec<LedgerIndex>) {
        // Most peers have the highest access already. Then the charter need not be asked, which is slow.
        let may_be_raised = |to| node.adjacent.contains(to) && self.given(to) < Some(Access::Confidential);
        if !may_be_raised(&entry.author) && !may_be_raised(delivered_by.peer) {
            return (Vec::new(), Vec::new());
        }
        let links = self.links(node, Reach::Relayed);
        let raised = links.raised(&entry.author, Some(delivered_by.peer), |to| self.given(to));
        if raised.is_empty() {
            return (raised, Vec::new());
        }
        let mut leaves: Vec<LedgerIndex> = self.leaves.values().copied().collect();
        leaves.sort_unstable();
        (raised, leaves)
    }

    /// The links that late contents go to: those that they would have gone to together with their entry. `peer` delivered the contents.
    pub fn routes_of_late(
        &self,
        entry: &Entry,
        late: &[&Commitment],
        peer: &AgencyId,
        node: RoutingContext<'_>,
    ) -> Vec<Route> {
        let may_have = |to: &AgencyId, access: Access| {
            to != peer && *to != entry.author && late.iter().any(|commitment| access.allows_of(entry, commitment, to))
        };
        let links = self.links(node, Reach::Relayed).links.into_iter();
        links.filter(|(to, access)| may_have(to, *access)).map(without_history).collect()
    }

    /// The links to those of these peers that never had anything of the complaint: every leaf goes over them.
    pub fn routes_of_backfill(&self, peers: &BTreeSet<AgencyId>, node: RoutingContext<'_>) -> Vec<Route> {
        let is_new = |to: &AgencyId| peers.contains(to) && !self.routed.contains_key(to);
        let links = self.links(node, Reach::Relayed).links.into_iter();
        links.filter(|(to, _)| is_new(to)).map(without_history).collect()
    }

    /// The content that a peer may have of an entry now. The author had all of it. A peer that is no reader may have none.
    pub fn access_now(&self, peer: &AgencyId, entry: &EntryId, node: RoutingContext<'_>) -> Access {
        if self.complaint.entry(entry).is_some_and(|entry| entry.author == *peer) {
            return Access::Confidential;
        }
        self.links(node, Reach::Relayed).links.get(peer).copied().unwrap_or(Access::Entries)
    }

    /// The leaves with disputed entries whose author is adjacent, each with the link to it. The author may not have them, because a thief signed them.
    pub fn routes_of_disputed(&self, node: RoutingContext<'_>) -> Vec<(LedgerIndex, Route)> {
        let links = self.links(node, Reach::Adjacent).links;
        let disputed = self.leaves.iter().filter(|(id, _)| self.complaint.is_disputed(id));
        let to_author = disputed.filter_map(|(id, leaf)| {
            let author = &self.complaint.entry(id)?.author;
            Some((*leaf, without_history((author, *links.get(author)?))))
        });
        to_author.collect()
    }

    /// The automatic actions that the complaint needs from this node.
    pub fn duties(&self, own: &AgencyId) -> Duties {
        Duties {
            recall: complaint::recall_to_answer(&self.complaint, own).is_some(),
            arrival: self.arrival(own).is_some(),
            witness: self.complaint.has_acts_to_witness(),
            erasure: self.complaint.has_erasures(),
        }
    }

    /// The `Arrived` body for an offer to this agency that came through a relay, if it is still to be written.
    pub fn arrival(&self, own: &AgencyId) -> Option<wire::entry::Body> {
        let offer = self.complaint.custody().offer.as_ref()?.entry;
        self.relayed.contains(&offer).then(|| complaint::arrival(&self.complaint, &offer, own))?
    }

    /// The contents to destroy, in the present ledger and in those of earlier epochs. An entry that is not here may be in an earlier one.
    pub fn to_destroy(&self) -> impl Iterator<Item = Destroy> {
        let here = self.erased_leaves().map(Destroy::Contents);
        here.chain(self.complaint.erased_entries().map(Destroy::EarlierContents))
    }

    /// The leaves whose contents are to be destroyed.
    pub fn erased_leaves(&self) -> impl Iterator<Item = LedgerIndex> {
        self.leaves.iter().filter(|(entry, _)| self.complaint.is_erased(entry)).map(|(_, leaf)| *leaf)
    }

    /// Adds the links that lead to texts of the complaint beside its readers: to the authors of its entries, and to every peer that was given a text,
    /// as a relay or because it read the complaint once.
    fn follow_the_texts<'a>(&'a self, routes: &mut Routes<'a>, node: RoutingContext<'a>, reach: Reach) {
        let given = self.given.iter().chain(self.routed.iter()).filter(|(_, access)| **access > Access::Entries);
        let given = given.filter_map(|(peer, _)| node.adjacent.get(peer));
        let authors = self.complaint.authors().filter(|author| *author != node.own).filter_map(|author| {
            let hop = next_hop(node.own, author, node.adjacent, node.charter)?;
            (reach == Reach::Relayed || hop == author).then_some(hop)
        });
        for link in given.chain(authors) {
            routes.links.entry(link).or_insert(Access::Entries);
        }
    }

    fn links<'a>(&'a self, node: RoutingContext<'a>, reach: Reach) -> Routes<'a> {
        routes(node.own, node.adjacent, self.complaint.readers(), node.charter, reach)
    }
}

/// A leaf goes over these links alone. A link that was given more of the leaves before was given less of this one. A link with history is given
/// all of them again.
fn lower(given: &mut LiteMap<AgencyId, Access>, routes: &[Route], is_behind: impl Fn(&AgencyId) -> bool) {
    let of_leaf = |to: &AgencyId, before: Access| match routes.iter().find(|route| route.to == *to) {
        _ if is_behind(to) => Some(before),
        Some(route) if !route.history => Some(route.access.min(before)),
        route => route.map(|_| before),
    };
    // Nearly always the links are given as much as before.
    if given.iter().any(|(to, before)| of_leaf(to, *before) != Some(*before)) {
        let all = given.iter().filter_map(|(to, before)| Some((to.clone(), of_leaf(to, *before)?)));
        *given = all.collect();
    }
}

fn raise(given: &mut LiteMap<AgencyId, Access>, routes: &[Route]) {
    for route in routes {
        match given.get_mut(&route.to) {
            Some(access) => *access = route.access.max(*access),
            None => drop(given.insert(route.to.clone(), route.access)),
        }
    }
}

fn without_history((to, access): (&AgencyId, Access)) -> Route {
    Route { to: to.clone(), access, history: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Federation, agency};

    fn history_to<'a>(routes: &'a [Route], to: &str) -> Option<&'a bool> {
        routes.iter().find(|route| route.to.as_str() == to).map(|route| &route.history)
    }

    fn header(routes: Vec<Route>) -> LeafHeader {
        let (from, external) = (None, None);
        LeafHeader { at: 0, from, relays: 0, routes, unreachable: Vec::new(), external }
    }

    #[test]
    fn a_link_is_owed_the_history_when_it_is_new_or_may_have_more() {
        let federation = Federation::new();
        let mut case = federation.case_at("kemendagri");
        let offer = federation.node("kemendagri").forwards(&case).to("prov-jabar").entry();
        case.learn(&offer);
        let (own, adjacent) = (agency("kemendagri"), BTreeSet::from([agency("prov-jabar"), agency("ksp")]));
        let node = RoutingContext { own: &own, adjacent: &adjacent, charter: federation.charter() };
        let mut case_here = Case::of(case.complaint.clone());
        case_here.given.insert(agency("ksp"), Access::Entries);
        let (routes, unreachable) = case_here.routes_of(&offer, None, node);
        assert_eq!(history_to(&routes, "prov-jabar"), Some(&true), "a participant that had nothing");
        assert_eq!(history_to(&routes, "ksp"), Some(&false), "an observer that has had everything");
        assert_eq!(unreachable, [agency("ombudsman")]);
        case_here.given.insert(agency("prov-jabar"), Access::Public);
        assert_eq!(history_to(&case_here.routes_of(&offer, None, node).0, "prov-jabar"), Some(&true), "may have more");
        case_here.place(LedgerIndex(1), &offer, &header(routes.clone()));
        assert_eq!(history_to(&case_here.routes_of(&offer, None, node).0, "prov-jabar"), Some(&false));
    }

    #[test]
    fn a_link_that_was_given_less_of_one_leaf_is_owed_the_history_when_its_access_rises_again() {
        let federation = Federation::new();
        let mut case = federation.case_at("kemendagri");
        let offer = federation.node("kemendagri").forwards(&case).to("prov-jabar").entry();
        case.learn(&offer);
        let (own, adjacent) = (agency("kemendagri"), BTreeSet::from([agency("prov-jabar"), agency("ksp")]));
        let node = RoutingContext { own: &own, adjacent: &adjacent, charter: federation.charter() };
        let route = |to: &str, access| Route { to: agency(to), access, history: false };
        let more = vec![route("prov-jabar", Access::Confidential), route("ksp", Access::Entries)];
        let history_after = |last: LeafHeader| {
            let mut here = Case::of(case.complaint.clone());
            here.place(LedgerIndex(0), &offer, &header(more.clone()));
            here.place(LedgerIndex(1), &offer, &last);
            let (routes, _) = here.routes_of(&offer, None, node);
            ["prov-jabar", "ksp"].map(|to| *history_to(&routes, to).expect("a reader"))
        };
        assert_eq!(history_after(header(more.clone())), [false, false]);
        assert_eq!(history_after(header(vec![route("prov-jabar", Access::Public)])), [true, true]);
        assert_eq!(history_after(header(Vec::new())), [true, true]);
        let brought = LeafHeader { from: Some(agency("prov-jabar")), ..header(Vec::new()) };
        assert_eq!(history_after(brought), [false, true], "what came over a link does not go back over it");
        let spent = LeafHeader { relays: limits::RELAYS, ..header(Vec::new()) };
        assert_eq!(history_after(spent), [false, false], "no peer can ask for everything again");
    }

    #[test]
    fn an_entry_goes_back_neither_to_its_author_nor_to_the_peer_that_delivered_it() {
        let federation = Federation::new();
        let mut case = federation.case_at("kota-bandung");
        let offer = federation.node("kota-bandung").forwards(&case).to("kemendagri").entry();
        case.learn(&offer);
        let own = agency("prov-jabar");
        let adjacent = BTreeSet::from(["kota-bandung", "kemendagri", "ksp"].map(agency));
        let node = RoutingContext { own: &own, adjacent: &adjacent, charter: federation.charter() };
        let ksp = agency("ksp");
        let (routes, _) =
            Case::of(case.complaint.clone()).routes_of(&offer, Some(DeliveredBy { peer: &ksp, relays: 1 }), node);
        let to: Vec<&str> = routes.iter().map(|route| route.to.as_str()).collect();
        assert_eq!(to, ["kemendagri"]);
    }

    #[test]
    fn an_order_to_erase_goes_wherever_a_text_was_given_and_to_every_author() {
        let federation = Federation::new();
        let mut case = federation.case_held_by("ombudsman", "kominfo");
        let says = |case: &crate::fixture::Case<'_>, by: &str, act: CaseAct| {
            let writing = federation.node(by).says(case, act.to_wire(case.complaint.tip()));
            writing.entry()
        };
        let proposal = says(&case, "ombudsman", CaseAct::EraseProposed { ground: 1, entries: Vec::new() });
        case.learn(&proposal);
        let remark = says(&case, "ksp", CaseAct::Remarked);
        let erased = says(&case, "ksp", CaseAct::Erased { proposal: proposal.id, ground: 1 });
        let without_effect = says(&case, "ksp", CaseAct::Erased { proposal: remark.id, ground: 1 });
        for entry in [&remark, &erased, &without_effect] {
            case.learn(entry);
        }
        let (own, ksp) = (agency("ombudsman"), agency("ksp"));
        let adjacent = BTreeSet::from(["kemendagri", "kemenpanrb", "kominfo", "ksp"].map(agency));
        let node = RoutingContext { own: &own, adjacent: &adjacent, charter: federation.charter() };
        let mut here = Case::of(case.complaint.clone());
        here.routed.insert(agency("kemendagri"), Access::Public);
        here.given.insert(agency("kemenpanrb"), Access::Entries);
        let links_of = |here: &Case, entry: &Entry| -> Vec<(String, Access)> {
            let (routes, _) = here.routes_of(entry, Some(DeliveredBy { peer: &ksp, relays: 0 }), node);
            routes.iter().map(|route| (route.to.to_string(), route.access)).collect()
        };
        let kominfo = ("kominfo".to_owned(), Access::Confidential);
        assert_eq!(links_of(&here, &remark), std::slice::from_ref(&kominfo));
        assert_eq!(links_of(&here, &without_effect), std::slice::from_ref(&kominfo));
        assert_eq!(links_of(&here, &erased), [("kemendagri".to_owned(), Access::Entries), kominfo]);
    }

    #[test]
    fn owed_access_counts_as_given_and_is_not_part_of_the_routes_of_leaves() {
        let federation = Federation::new();
        let mut case = federation.case_at("kemendagri");
        let offer = federation.node("kemendagri").forwards(&case).to("prov-jabar").entry();
        case.learn(&offer);
        let (own, adjacent) = (agency("kemendagri"), BTreeSet::from([agency("prov-jabar")]));
        let node = RoutingContext { own: &own, adjacent: &adjacent, charter: federation.charter() };
        let mut case_here = Case::of(case.complaint.clone());
        let (routes, _) = case_here.routes_of(&offer, None, node);
        assert_eq!(history_to(&routes, "prov-jabar"), Some(&true));
        case_here.note_owed(&routes);
        assert_eq!(history_to(&case_here.routes_of(&offer, None, node).0, "prov-jabar"), Some(&false));
        assert!(case_here.routed.is_empty());
    }
}
