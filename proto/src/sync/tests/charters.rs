//! Tests of charter sync: passing on and adopting.

use super::*;
use crate::base::refusal::FaultCode;
use crate::charter::MemberStatus;
use crate::fixture::member_of;

fn charter(note: &[u8]) -> Kind {
    Kind::Charter(wire::CharterNote { note: note.to_vec() })
}

fn adopt(job: u64, note: &[u8]) -> Action {
    start(job, Job::Adopt { note: note.to_vec() })
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
    let mut links = side.clone();
    links.hears(ready());
    let actions = links.does(done(3, checked(checkpoint_of_peer(1, 20))));
    let progress = Action::Peer(PeerChange::Progress { sent: cursor(10), acknowledged: cursor(10) });
    assert!(actions.contains(&progress), "it does not wait for a charter: {actions:?}");
    side.hears(ready());
    let unverified = CheckedCheckpoints { news: Vec::new(), own: vec![OwnShown::default()] };
    assert!(ends_with(&side.does(done(3, Done::CheckpointsChecked(unverified))), FaultCode::NoCheckpoint));
}
