//! Entries with as many parents as they have room for: an honest author cannot name everything, and a liar cannot hide behind that.

use super::*;
use crate::base::limits;
use crate::charter::MemberKind;
use crate::fixture::member;

/// A federation with forty more oversight agencies, which may write on every complaint.
fn with_many_overseers() -> (Federation, Vec<String>) {
    let names: Vec<String> = (0..40).map(|number| format!("pengawas-{number}")).collect();
    let federation = Federation::changed(|text| {
        for name in &names {
            let mut overseer = member(name, MemberKind::Institution, None);
            overseer.oversight = true;
            text.member.push(overseer);
        }
    });
    (federation, names)
}

/// A complaint of the city that is offered to the province, with its two entries.
fn offered(federation: &Federation) -> (Case<'_>, Vec<Entry>) {
    let lodged = federation.node(CITY).lodges().entry();
    let mut case = Case::lodged(federation, &lodged);
    case.later(MINUTE);
    let offer = federation.node(CITY).forwards(&case).to(PROVINCE).entry();
    case.learn(&offer);
    case.later(MINUTE);
    (case, vec![lodged, offer])
}

/// The accusation that the province's entry leaves out an entry that its ledger had before. `entries` are all of the complaint.
fn leaves_out(case: &Case<'_>, entries: &[Entry], entry: &Entry, left_out: &Entry) -> Kind {
    let past = |of: &[EntryId]| {
        let ancestors = case.complaint.ancestors(of);
        entries.iter().filter(|known| ancestors.contains(&known.id)).map(signed).collect()
    };
    let mut ledger = Ledger::filled(11);
    let index = ledger.push_entry(left_out);
    Kind::Concealed(wire::Concealed {
        entry: signed(entry),
        ancestors: past(&entry.parents),
        left_out: signed(left_out),
        left_out_ancestors: past(&left_out.parents),
        known_by: Some(KnownBy::Receipt(ledger.receipts(PROVINCE, left_out, index, START))),
    })
}

#[test]
fn an_honest_author_whose_entry_has_no_room_for_all_heads_conceals_nothing() {
    let (federation, overseers) = with_many_overseers();
    let (mut case, mut entries) = offered(&federation);
    let root = entries[0].id;
    // The city writes beside its own offer, so that one of the places of its parents is used twice.
    for author in overseers.iter().map(String::as_str).chain([CITY]) {
        let remark = federation.node(author).remarks(&case).on(root).after(&[root]).at(case.now + MINUTE).entry();
        case.learn(&remark);
        entries.push(remark);
    }
    case.later(2 * MINUTE);
    let accepted = federation.node(PROVINCE).accepts(&case).at_leaf(60).entry();
    let named = case.complaint.ancestors(&accepted.parents);
    let left_out: Vec<&Entry> = entries.iter().filter(|entry| !named.contains(&entry.id)).collect();
    assert_eq!((accepted.parents.len(), left_out.len()), (limits::PARENTS, 41 - limits::PARENTS + 1));
    for left_out in left_out {
        contradicts_nothing(&federation, PROVINCE, leaves_out(&case, &entries, &accepted, left_out));
    }
}

#[test]
fn a_flood_of_heads_by_one_author_excuses_only_what_that_author_wrote() {
    let federation = Federation::new();
    let (mut case, mut entries) = offered(&federation);
    let root = entries[0].id;
    for leaf in 0..40 {
        let remark = federation.node("ksp").remarks(&case).on(root).after(&[root]).at(case.now + MINUTE).at_leaf(leaf);
        case.learn(&remark.entry());
        entries.push(remark.entry());
    }
    let work = federation.node(CITY).responds(&case).after(&[entries[1].id]).entry();
    case.learn(&work);
    entries.push(work.clone());
    case.later(2 * MINUTE);
    let honest = federation.node(PROVINCE).accepts(&case).at_leaf(60).entry();
    let named = case.complaint.ancestors(&honest.parents);
    assert!(named.contains(&work.id));
    let left_out: Vec<&Entry> = entries.iter().filter(|entry| !named.contains(&entry.id)).collect();
    assert!(!left_out.is_empty());
    for left_out in left_out {
        contradicts_nothing(&federation, PROVINCE, leaves_out(&case, &entries, &honest, left_out));
    }
    // It names the flood instead of the holder's work.
    let flood: Vec<EntryId> = entries[2..42].iter().map(|remark| remark.id).collect();
    let parents = [&[entries[1].id], &flood[..limits::PARENTS - 1]].concat();
    let hides = federation.node(PROVINCE).accepts(&case).after(&parents).at_leaf(60).entry();
    proves(&federation, PROVINCE, leaves_out(&case, &entries, &hides, &work), Finding::Concealed);
}

#[test]
fn parents_from_which_others_descend_are_no_excuse() {
    let federation = Federation::new();
    let (mut case, mut entries) = offered(&federation);
    let offer = entries[1].id;
    // Two branches of the city: a chain of work, and an answer beside it.
    let answer = federation.node(CITY).responds(&case).after(&[offer]).entry();
    let mut newest = offer;
    for _ in 0..limits::PARENTS {
        let work = federation.node(CITY).progresses(&case).after(&[newest]).at(case.now + 1000).entry();
        case.later(1000);
        case.learn(&work);
        newest = work.id;
        entries.push(work);
    }
    case.learn(&answer);
    entries.push(answer.clone());
    case.later(MINUTE);
    let chain: Vec<EntryId> = entries[2..2 + limits::PARENTS].iter().map(|work| work.id).collect();
    let padded = federation.node(PROVINCE).accepts(&case).after(&chain).at_leaf(60).entry();
    assert_eq!(padded.parents.len(), limits::PARENTS);
    proves(&federation, PROVINCE, leaves_out(&case, &entries, &padded, &answer), Finding::Concealed);
}

#[test]
fn the_parents_of_a_full_entry_lead_to_the_newest_work_of_every_author_and_none_descends_from_another() {
    let federation = Federation::new();
    let (mut case, mut entries) = offered(&federation);
    let (root, offer) = (entries[0].id, entries[1].id);
    let mut writes = |case: &mut Case<'_>, author: &str, parents: &[EntryId], leaf: u64| {
        let writing =
            federation.node(author).remarks(case).on(root).after(parents).at(case.now + leaf * 1000).at_leaf(leaf);
        case.learn(&writing.entry());
        entries.push(writing.entry());
        writing.entry().id
    };
    // An agency's only entry is behind an old head of a flooder. Another of its heads descends from the offer.
    let only = writes(&mut case, "ombudsman", &[root], 1);
    writes(&mut case, "ksp", &[only], 2);
    for leaf in 3..50 {
        let parent = if leaf == 40 { offer } else { root };
        writes(&mut case, "ksp", &[parent], leaf);
    }
    case.later(2 * MINUTE);
    let parents = case.complaint.parents_of_next();
    assert_eq!(parents.len(), limits::PARENTS);
    for parent in &parents {
        let others: Vec<EntryId> = parents.iter().copied().filter(|other| other != parent).collect();
        assert!(!case.complaint.ancestors(&others).contains(parent), "{parent} takes no room");
    }
    let accepted = federation.node(PROVINCE).accepts(&case).at_leaf(60).entry();
    let named = case.complaint.ancestors(&accepted.parents);
    assert!(named.contains(&only) && named.contains(&offer));
    let left_out: Vec<&Entry> = entries.iter().filter(|entry| !named.contains(&entry.id)).collect();
    assert!(left_out.len() > 10);
    for left_out in left_out {
        contradicts_nothing(&federation, PROVINCE, leaves_out(&case, &entries, &accepted, left_out));
    }
}
