//! Tests of charter sync: passing on and adopting.

use super::*;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::charter::{ListName, MemberStatus};
use crate::fixture::member_of;

fn charter(note: &[u8]) -> Kind {
    Kind::Charter(wire::CharterNote { note: note.to_vec() })
}

fn adopt(job: u64, note: &[u8]) -> Action {
    start(job, Job::Adopt { note: note.to_vec(), list: None })
}

fn adopted(job: u64, adoption: Adoption) -> Event {
    done(job, Done::Adopted(adoption))
}

/// The frames that a node with two charters passes on to a peer with this Hello, and the facts that it records about that.
fn passes_on(passed_on: Option<([u8; 32], u64)>, change: impl FnOnce(&mut wire::Hello)) -> (Vec<Kind>, Vec<Action>) {
    let federation = Federation::changed(|_| {});
    let mut hello = hello(&federation.charters);
    change(&mut hello);
    let (mut side, _) = Side::open(config(&federation.charters));
    side.does(done(1, Done::PeerLoaded(Box::new(StoredPeer { passed_on, ..stored_peer() }))));
    side.says();
    let actions = side.hears(Kind::Hello(hello));
    let notes = |action: &Action| matches!(action, Action::Peer(PeerChange::PassedOn(_)));
    (side.says(), actions.into_iter().filter(notes).collect())
}

fn second() -> Vec<u8> {
    Federation::changed(|_| {}).charter().note().to_vec()
}

#[test]
fn a_peer_that_goes_by_an_older_charter_is_passed_on_the_newer_ones() {
    let first = Federation::new().charter().hash.to_vec();
    let (said, noted) = passes_on(None, |hello| (hello.charter_version, hello.charter_hash) = (1, first));
    assert_eq!((said, noted), (vec![charter(&second())], vec![]));
    assert_eq!(passes_on(None, |_| {}), (vec![], vec![]));
}

#[test]
fn a_peer_that_goes_by_another_charter_is_passed_on_ours_once() {
    let hash = [7; 32];
    let goes_by = |hello: &mut wire::Hello| hello.charter_hash = hash.to_vec();
    let noted = vec![Action::Peer(PeerChange::PassedOn(Some((hash, 2))))];
    assert_eq!(passes_on(None, goes_by), (vec![charter(&second())], noted.clone()));
    assert_eq!(passes_on(Some((hash, 2)), goes_by), (vec![], noted.clone()));
    assert_eq!(passes_on(Some(([8; 32], 2)), goes_by), (vec![charter(&second())], noted), "it was another one");
}

#[test]
fn charters_are_adopted_one_after_the_other_and_nothing_else_waits_for_them() {
    let mut side = Side::linked();
    assert_eq!(side.hears(charter(b"two")), [adopt(5, b"two")]);
    assert!(side.session.reads(), "pings are still answered");
    assert_eq!(side.hears(charter(b"three")), []);
    assert!(!side.session.reads(), "no more than one waits");
    assert_eq!(side.waits(Duration::from_secs(20)).1.len(), 1, "this side still says pings");
    assert_eq!(side.does(adopted(5, Adoption::InForce)), [adopt(6, b"three")]);
    assert!(side.session.reads());
    assert_eq!(side.does(adopted(6, Adoption::InForce)), []);
}

#[test]
fn after_a_charter_that_is_not_adopted_all_others_are_ignored() {
    let mut side = Side::linked();
    side.hears(charter(b"false"));
    side.hears(charter(b"next"));
    assert_eq!(side.does(adopted(5, Adoption::Not)), []);
    assert_eq!((side.hears(charter(b"another")), side.session.reads()), (vec![], true));
}

#[test]
fn a_peer_that_passes_on_a_rival_charter_gets_the_one_in_force_here() {
    let federation = Federation::changed(|_| {});
    let mut side = Side::linked_with(config(&federation.charters), stored_peer(), hello(&federation.charters));
    side.hears(charter(b"rival"));
    side.does(adopted(5, Adoption::Rival(2)));
    assert_eq!(side.says(), [charter(federation.charter().note())]);
}

#[test]
fn a_new_charter_ends_the_link_and_an_active_member_may_link_again() {
    let mut side = Side::linked();
    let changed = Federation::changed(|_| {});
    let actions = side.does(Event::Charters(Arc::new(changed.charters)));
    assert!(ends_with(&actions, FaultCode::Superseded), "{actions:?}");
    let mut side = Side::linked();
    let retired = Federation::changed(|text| member_of(text, PEER).status = MemberStatus::Retired);
    let actions = side.does(Event::Charters(Arc::new(retired.charters)));
    assert!(ends_with(&actions, FaultCode::NotPermitted), "{actions:?}");
}

#[test]
fn a_charter_that_is_in_force_here_is_ignored_and_excuses_nobody() {
    let federation = Federation::new();
    let (mut side, _) = Side::open(config(&federation.charters));
    side.does(done(1, Done::PeerLoaded(Box::new(stored_peer()))));
    side.hears(Kind::Hello(wire::Hello { charter_version: 2, ..hello(&federation.charters) }));
    side.does(done(2, Done::Compared(None)));
    assert_eq!(side.hears(charter(federation.charter().note())), []);
    side.waits(CHARTERS_WITHIN);
    let mut links = side.clone();
    links.hears(ready());
    let actions = links.does(done(3, checked(checkpoint_of_peer(1, 20))));
    let progress = Action::Peer(PeerChange::Progress { sent: cursor(10), acknowledged: cursor(10) });
    assert!(actions.contains(&progress), "it does not wait for a charter: {actions:?}");
    side.hears(ready());
    let unverified = CheckedCheckpoints { news: Vec::new(), own: vec![OwnShown::default()] };
    assert!(ends_with(&side.does(done(3, Done::CheckpointsChecked(unverified))), FaultCode::NoCheckpoint));
}

/// A list of 300 KiB, which takes two parts.
fn list() -> (ListName, Vec<u8>) {
    let text = vec![b'x'; 300 * 1024];
    (ListName { hash: [9; 32], bytes: text.len() }, text)
}

fn request(offset: usize) -> Kind {
    Kind::ListRequest(wire::ListRequest { hash: vec![9; 32], offset: offset as u64 })
}

fn part(offset: usize, data: &[u8]) -> Kind {
    Kind::ListPart(wire::ListPart { hash: vec![9; 32], offset: offset as u64, data: data.to_vec() })
}

const PART: usize = limits::TRUSTED_LIST_PART_BYTES;

/// A side that was passed on a charter and fetches the list that it names.
fn fetching() -> Side {
    let mut side = Side::linked();
    side.hears(charter(b"two"));
    assert_eq!(side.does(adopted(5, Adoption::Lacks(list().0))), []);
    assert_eq!(side.says(), [request(0)]);
    side
}

#[test]
fn a_list_that_a_charter_names_is_fetched_in_parts_and_adopted_with_it() {
    let (_, text) = list();
    let mut side = fetching();
    assert_eq!(side.hears(charter(b"three")), []);
    assert!(side.session.reads(), "the parts must be read while another charter waits");
    assert_eq!(side.hears(part(0, &text[..PART])), []);
    assert_eq!(side.says(), [request(PART)]);
    let adopts = start(6, Job::Adopt { note: b"two".to_vec(), list: Some(text.clone()) });
    assert_eq!(side.hears(part(PART, &text[PART..])), [adopts, Action::Release(JobId(5))]);
    assert!(!side.session.reads(), "the other charter waits for this one");
    assert_eq!(side.does(adopted(6, Adoption::InForce)), [Action::Release(JobId(6)), adopt(7, b"three")]);
}

#[test]
fn a_list_that_the_peer_spoils_or_withholds_ends_the_charter_and_not_the_link() {
    let (name, text) = list();
    let mut side = fetching();
    side.hears(part(0, &text[..PART]));
    side.says();
    side.hears(part(PART, &text[PART..]));
    assert_eq!(side.does(adopted(6, Adoption::Lacks(name))), [Action::Release(JobId(6))], "it is not the list");
    assert_eq!(side.hears(charter(b"three")), [], "no other charter can follow");
    assert_eq!(fetching().hears(part(0, &[])), [Action::Release(JobId(5))], "the peer does not have it");
    let mut side = fetching();
    let mut actions = Vec::new();
    for _ in 0..=limits::TRUSTED_LIST_PART_WITHIN.as_secs() / 30 {
        side.hears(ping(0, false));
        actions.extend(side.waits(Duration::from_secs(30)).0);
    }
    assert!(actions.contains(&Action::Release(JobId(5))), "the part came too late: {actions:?}");
}

#[test]
fn parts_that_were_not_asked_for_or_are_too_many_end_the_link() {
    let (_, text) = list();
    assert!(ends_with(&Side::linked().hears(part(0, b"x")), FaultCode::UnexpectedFrame));
    assert!(ends_with(&fetching().hears(part(1, b"x")), FaultCode::UnexpectedFrame));
    assert!(ends_with(&fetching().hears(part(0, &text[..=PART])), FaultCode::LimitExceeded));
    let mut side = fetching();
    side.hears(part(0, &text[..PART]));
    assert!(ends_with(
        &side.hears(part(PART, &[text[PART..].to_vec(), b"x".to_vec()].concat())),
        FaultCode::LimitExceeded
    ));
}

#[test]
fn a_list_is_served_part_by_part_and_an_unknown_one_is_empty() {
    let federation = Federation::after_theft("kota-bandung", |list| {
        list.entries.extend((0..=u8::MAX).flat_map(|a| {
            (0..20).map(move |b| crate::base::ids::EntryId([[a; 16], [b; 16]].concat().try_into().expect("32")))
        }));
    });
    let list = federation.charters.lists().next().expect("its list").clone();
    assert!(list.text().len() > PART);
    let mut side = Side::linked_with(config(&federation.charters), stored_peer(), hello(&federation.charters));
    let ask = |offset: usize, hash: [u8; 32]| {
        Kind::ListRequest(wire::ListRequest { hash: hash.to_vec(), offset: offset as u64 })
    };
    let answer = |side: &mut Side| match &side.says()[..] {
        [Kind::ListPart(part)] => part.data.clone(),
        other => panic!("{other:?}"),
    };
    let (mut fetched, mut offset) = (Vec::new(), 0);
    while offset < list.text().len() {
        side.hears(ask(offset, list.hash()));
        let data = answer(&mut side);
        assert!((1..=PART).contains(&data.len()));
        offset += data.len();
        fetched.extend(data);
    }
    assert_eq!(fetched, list.text().to_vec());
    side.hears(ask(0, [1; 32]));
    assert_eq!(answer(&mut side), b"");
    side.hears(ask(usize::MAX, list.hash()));
    assert_eq!(answer(&mut side), b"");
    side.hears(ask(0, list.hash()));
    assert!(ends_with(&side.hears(ask(0, list.hash())), FaultCode::LimitExceeded), "one part waits at a time");
}
