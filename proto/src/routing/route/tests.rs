//! The links that entries go over, and the content that goes with them.

use std::collections::BTreeSet;

use super::{Access, Reach, Readers, Routes, next_hop, routes};
use crate::base::ids::AgencyId;
use crate::entry::ContentClass;
use crate::fixture::{Federation, agency};

fn agencies(ids: &[&str]) -> BTreeSet<AgencyId> {
    ids.iter().copied().map(agency).collect()
}

/// The links with their access, and the unreachable.
fn route(me: &str, adjacent: &[&str], participants: &[&str]) -> (Vec<(String, Access)>, Vec<String>) {
    let federation = Federation::new();
    let (participants, disclosed_to) = (agencies(participants), BTreeSet::new());
    let readers =
        Readers { participants: &participants, disclosed_to: &disclosed_to, formerly_offered: &BTreeSet::new() };
    let adjacent = agencies(adjacent);
    let routes = routes(&agency(me), &adjacent, readers, federation.charter(), Reach::Relayed);
    let links = routes.links.into_iter().map(|(id, access)| (id.to_string(), access)).collect();
    (links, routes.unreachable.into_iter().map(ToString::to_string).collect())
}

fn link(id: &str, access: Access) -> (String, Access) {
    (id.to_owned(), access)
}

#[test]
fn an_adjacent_participant_gets_everything_it_may_have() {
    let (links, unreachable) = route("kominfo", &["kemendagri", "ksp", "ombudsman"], &["kominfo", "kemendagri"]);
    let expected =
        [link("kemendagri", Access::Confidential), link("ksp", Access::Entries), link("ombudsman", Access::Entries)];
    assert_eq!(links, expected);
    assert_eq!(unreachable, [""; 0]);
}

#[test]
fn an_observer_gets_entries_only() {
    let all = ["kemendagri", "ksp", "ombudsman", "kota-bandung", "kominfo", "kemenpanrb"];
    let (links, _) = route("prov-jabar", &all, &["prov-jabar"]);
    let expected =
        [link("kemendagri", Access::Entries), link("ksp", Access::Entries), link("ombudsman", Access::Entries)];
    assert_eq!(links, expected, "an agency that is neither participant nor observer gets nothing");
}

#[test]
fn an_adjacent_ancestor_leads_to_its_descendants() {
    let (links, unreachable) = route("kominfo", &["kemendagri", "ksp", "ombudsman"], &["kominfo", "kota-bandung"]);
    let expected =
        [link("kemendagri", Access::Public), link("ksp", Access::Entries), link("ombudsman", Access::Entries)];
    assert_eq!(links, expected, "a relay of public content");
    assert_eq!(unreachable, [""; 0]);
}

#[test]
fn the_nearest_adjacent_ancestor_is_taken() {
    let federation = Federation::new();
    let (me, adjacent) = (agency("kominfo"), agencies(&["kemendagri", "prov-jabar"]));
    let city = agency("kota-bandung");
    assert_eq!(next_hop(&me, &city, &adjacent, federation.charter()), Some(&agency("prov-jabar")));
    let direct = agencies(&["kemendagri", "prov-jabar", "kota-bandung"]);
    assert_eq!(next_hop(&me, &city, &direct, federation.charter()), Some(&city));
}

#[test]
fn the_node_s_own_parent_leads_to_all_other_agencies() {
    let (links, unreachable) = route("kota-bandung", &["prov-jabar"], &["kota-bandung", "kominfo"]);
    assert_eq!(links, [link("prov-jabar", Access::Public)]);
    assert_eq!(unreachable, [""; 0]);
    let (links, _) = route("kota-bandung", &["prov-jabar"], &["kota-bandung"]);
    assert_eq!(links, [link("prov-jabar", Access::Entries)], "observer itself, and the way to oversight");
}

#[test]
fn a_reader_without_a_route_is_unreachable() {
    let (links, unreachable) = route("kominfo", &["ksp"], &["kominfo", "kota-bandung"]);
    assert_eq!(links, [link("ksp", Access::Entries)]);
    assert_eq!(unreachable, ["kota-bandung", "ombudsman", "prov-jabar"]);
    let (links, unreachable) = route("kominfo", &[], &["kominfo"]);
    assert_eq!((links, unreachable), (Vec::new(), vec!["ksp".to_owned(), "ombudsman".to_owned()]));
}

#[test]
fn a_node_is_no_next_hop_of_itself() {
    let (links, _) = route("kominfo", &["kominfo", "ksp", "ombudsman"], &["kominfo"]);
    assert_eq!(links, [link("ksp", Access::Entries), link("ombudsman", Access::Entries)]);
    let (links, _) = route("prov-jabar", &["kemendagri", "prov-jabar"], &["kota-bandung"]);
    assert_eq!(links, [link("kemendagri", Access::Public)], "the node is the city's ancestor");
}

#[test]
fn a_link_gets_the_widest_access_of_its_readers() {
    // First prov-jabar is an observer and a relay of public content, then it is a participant.
    let (links, _) = route("kemendagri", &["prov-jabar"], &["kemendagri", "kota-bandung"]);
    assert!(links.contains(&link("prov-jabar", Access::Public)));
    let (links, _) = route("kemendagri", &["prov-jabar"], &["kemendagri", "kota-bandung", "prov-jabar"]);
    assert!(links.contains(&link("prov-jabar", Access::Confidential)));
}

#[test]
fn a_relay_gets_public_content_only_and_identity_goes_nowhere() {
    let allowed = |access: Access| {
        [ContentClass::Public, ContentClass::Confidential, ContentClass::Identity].map(|class| access.allows(class))
    };
    assert_eq!(allowed(Access::Entries), [false, false, false]);
    assert_eq!(allowed(Access::Public), [true, false, false]);
    assert_eq!(allowed(Access::Confidential), [true, true, false]);
}

#[test]
fn beyond_the_relay_limit_only_adjacent_readers_get_it() {
    let federation = Federation::new();
    let (adjacent, participants) = (agencies(&["kemendagri", "kominfo"]), agencies(&["kota-bandung", "kominfo"]));
    let disclosed_to = BTreeSet::new();
    let readers =
        Readers { participants: &participants, disclosed_to: &disclosed_to, formerly_offered: &BTreeSet::new() };
    let routes = routes(&agency("kemenpanrb"), &adjacent, readers, federation.charter(), Reach::Adjacent);
    assert!(routes.links.contains_key(&agency("kominfo")), "a reader itself");
    assert!(routes.links.get(&agency("kemendagri")) <= Some(&Access::Entries), "no relay toward kota-bandung");
}

#[test]
fn an_agency_that_a_content_was_disclosed_to_gets_the_entries() {
    let federation = Federation::new();
    let (adjacent, participants) = (agencies(&["kominfo", "ksp"]), agencies(&["ombudsman"]));
    let disclosed_to = agencies(&["kominfo", "ombudsman"]);
    let readers =
        Readers { participants: &participants, disclosed_to: &disclosed_to, formerly_offered: &BTreeSet::new() };
    let routes = routes(&agency("ombudsman"), &adjacent, readers, federation.charter(), Reach::Relayed);
    assert_eq!(routes.links.get(&agency("kominfo")), Some(&Access::Entries));
}

#[test]
fn an_entry_does_not_go_back_and_history_goes_to_links_that_lack_it() {
    let links = [
        ("kemendagri", Access::Confidential),
        ("kominfo", Access::Entries),
        ("ksp", Access::Entries),
        ("ombudsman", Access::Entries),
        ("prov-jabar", Access::Public),
    ]
    .map(|(id, access)| (agency(id), access));
    let routes = Routes { links: links.iter().map(|(id, access)| (id, *access)).collect(), ..Routes::default() };
    let given = |to: &AgencyId| ["kominfo", "prov-jabar"].contains(&to.as_str()).then_some(Access::Entries);
    let legs = routes.of_entry(Some(&agency("ksp")), Some(&agency("ombudsman")), given, true);
    let legs: Vec<(&str, bool)> = legs.iter().map(|route| (route.to.as_str(), route.history)).collect();
    assert_eq!(legs, [("kemendagri", true), ("kominfo", false), ("prov-jabar", true)]);
    let raised = |author: &str, source: &str| {
        let raised = routes.raised(&agency(author), Some(&agency(source)), given);
        raised.into_iter().map(|route| (route.to.to_string(), route.access)).collect::<Vec<_>>()
    };
    let more = ("prov-jabar".to_owned(), Access::Public);
    assert_eq!(raised("prov-jabar", "kominfo"), [more], "kominfo was given as much before");
    assert_eq!(raised("ksp", "kominfo"), [("ksp".to_owned(), Access::Entries)], "it was given nothing yet");
    let first = routes.of_entry(Some(&agency("ksp")), None, |_| None, false);
    assert!(first.iter().all(|route| !route.history), "there is no history yet");
}
