//! The rollback guard in tables. Each row is a situation: the sightings, the ledger here, and whether the node may sign.

use std::convert::Infallible;

use data_encoding::BASE64;

use super::*;
use crate::base::ids::{EntryId, LedgerIndex};
use crate::charter::KeyUse;
use crate::fixture::ledger::Ledger;
use crate::fixture::{Federation, MINUTE, START, agency, entry_key, member_key, member_of};

const TIME: HearingTime = HearingTime { all: Duration::from_secs(10), others: Duration::from_secs(2) };

const CITY: &str = "kota-bandung";
const PEERS: [&str; 2] = ["prov-jabar", "kemendagri"];

fn extent(epoch: u32, size: u64) -> Extent {
    Extent { epoch: Epoch(epoch), size }
}

#[test]
fn a_shown_extent_stands_by_epoch_then_size_and_only_within_the_ledger_by_its_leaves() {
    // The ledger has 100 leaves in epoch 2. Each row: the shown extent, whether the leaves are the same (`None`: must not be asked), the relation.
    let rows = [
        (extent(2, 100), Some(true), Relation::Part),
        (extent(2, 0), Some(true), Relation::Part),
        (extent(2, 100), Some(false), Relation::Other),
        (extent(2, 1), Some(false), Relation::Other),
        (extent(2, 101), None, Relation::Longer),
        (extent(3, 0), None, Relation::LaterEpoch),
        (extent(3, 900), None, Relation::LaterEpoch),
        (extent(1, 9_000), None, Relation::EarlierEpoch),
        (extent(1, 0), None, Relation::EarlierEpoch),
    ];
    for (shown, same, expected) in rows {
        let found = Relation::of(extent(2, 100), shown, || same.ok_or("asked")).expect("nothing is asked");
        assert_eq!(found, expected, "{shown:?}");
        let is_conflict = !matches!(expected, Relation::Part | Relation::EarlierEpoch);
        assert_eq!(found.is_conflict(), is_conflict, "{expected:?}");
    }
}

/// The ledger of the city's node: its own `Lodged` at leaf 2, and others' leaves.
struct Here {
    epoch: Epoch,
    ledger: Ledger,
    entries: Vec<EntryId>,
}

impl OwnTree for Here {
    type Error = Infallible;

    fn extent(&self) -> Extent {
        Extent { epoch: self.epoch, size: self.ledger.size() }
    }

    fn end(&self) -> u64 {
        1000 + self.ledger.size()
    }

    fn root_at(&self, size: u64) -> Result<[u8; 32], Infallible> {
        Ok(self.ledger.cut_to(usize::try_from(size).expect("small")).root())
    }

    fn entry_at(&self, leaf: LedgerIndex) -> Result<EntryId, Infallible> {
        Ok(self.entries[usize::try_from(leaf.0).expect("small")])
    }
}

struct Scene {
    federation: Federation,
    own: AgencyId,
    /// The whole ledger of epoch 1, with the entry that each leaf is.
    whole: Ledger,
    entries: Vec<EntryId>,
    /// The node's own entry, its leaf 2.
    lodged: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let federation = Federation::new();
        let lodged = federation.node(CITY).lodges().at_leaf(2).entry();
        let mut whole = Ledger::filled(2);
        whole.push_entry(&lodged);
        whole.push(b"leaf 3");
        whole.push(b"leaf 4");
        let mut entries: Vec<EntryId> = (0..5).map(|number| EntryId([number; 32])).collect();
        entries[2] = lodged.id;
        let (own, lodged) = (agency(CITY), lodged.signed().to_vec());
        Self { federation, own, whole, entries, lodged }
    }

    /// The first leaves of the ledger.
    fn here(&self, epoch: u32, size: usize) -> Here {
        let ledger = self.whole.cut_to(size);
        Here { epoch: Epoch(epoch), ledger, entries: self.entries.clone() }
    }

    fn signer(&self) -> Signer<'_> {
        Signer { agency: &self.own, charters: &self.federation.charters }
    }

    /// The node's checkpoint over the first leaves.
    fn checkpoint(&self, epoch: u32, size: usize) -> Proof {
        let note = self.whole.cut_to(size).signed_in(CITY, Epoch(epoch), START);
        Proof::Checkpoint(String::from_utf8(note).expect("a note is text"))
    }

    fn entry(&self) -> Proof {
        Proof::Entry(BASE64.encode(&self.lodged))
    }

    fn begins(&self, peers: &[&str], stored: Vec<Sighting>, local: Vec<Sighting>, here: &Here) -> Begun {
        let known = Known { stored, local, may_be_old: false };
        let Ok(begun) = RollbackGuard::begin(peers.iter().map(|id| agency(id)), TIME, known, self.signer(), here);
        begun
    }
}

fn by(peer: &str, proof: Proof) -> Sighting {
    Sighting { by: Some(agency(peer)), at: START, proof }
}

fn by_own_files(proof: Proof) -> Sighting {
    Sighting { by: None, at: START, proof }
}

#[test]
fn what_was_seen_stands_as_it_shows_and_only_under_the_own_signature() {
    let scene = Scene::new();
    let another = Ledger::filled(4);
    let note = |ledger: &Ledger, signer: &str| {
        Proof::Checkpoint(String::from_utf8(ledger.signed(signer, START)).expect("a note is text"))
    };
    let signed_by_another = scene.federation.node("prov-jabar").lodges().at_leaf(9).entry();
    let forged = scene.federation.node(CITY).lodges().at_leaf(9).signed_with(entry_key("ksp")).entry();
    let entry = |signed: &[u8]| Proof::Entry(BASE64.encode(signed));
    // Each row: the ledger here, the proof, and the relation (`None`: the proof does not count).
    let rows = [
        ("the same ledger", scene.here(1, 5), scene.checkpoint(1, 5), Some(Relation::Part)),
        ("it grew", scene.here(1, 5), scene.checkpoint(1, 3), Some(Relation::Part)),
        ("nothing was seen yet", scene.here(1, 5), scene.checkpoint(1, 0), Some(Relation::Part)),
        ("set back", scene.here(1, 3), scene.checkpoint(1, 5), Some(Relation::Longer)),
        ("lost", scene.here(1, 0), scene.checkpoint(1, 1), Some(Relation::Longer)),
        ("set back, and then written on", scene.here(1, 5), note(&another, CITY), Some(Relation::Other)),
        ("begun anew", scene.here(2, 1), scene.checkpoint(1, 5), Some(Relation::EarlierEpoch)),
        ("begun anew, and set back", scene.here(1, 5), scene.checkpoint(2, 1), Some(Relation::LaterEpoch)),
        ("the latest epoch to believe", scene.here(1, 5), scene.checkpoint(9, 1), Some(Relation::LaterEpoch)),
        ("an epoch that only a thief signs", scene.here(1, 5), scene.checkpoint(10, 1), None),
        ("an epoch of a ledger that is lost", scene.here(1, 0), scene.checkpoint(10, 1), Some(Relation::LaterEpoch)),
        ("another's checkpoint", scene.here(1, 0), note(&another, "ksp"), None),
        ("no checkpoint", scene.here(1, 0), Proof::Checkpoint("anything".to_owned()), None),
        ("the own entry is here", scene.here(1, 5), scene.entry(), Some(Relation::Part)),
        ("the own entry is the last", scene.here(1, 3), scene.entry(), Some(Relation::Part)),
        ("the own entry is gone", scene.here(1, 2), scene.entry(), Some(Relation::Longer)),
        ("the own entry is of an epoch before", scene.here(2, 1), scene.entry(), Some(Relation::EarlierEpoch)),
        ("another's entry", scene.here(1, 0), entry(&signed_by_another.signed()), None),
        ("an entry under another's key", scene.here(1, 0), entry(&forged.signed()), None),
        ("no entry", scene.here(1, 0), entry(b"anything"), None),
        ("no base64", scene.here(1, 0), Proof::Entry("%".to_owned()), None),
        ("a store as far", scene.here(1, 3), Proof::Applied { epoch: 1, end: 1003 }, Some(Relation::Part)),
        ("a store further", scene.here(1, 3), Proof::Applied { epoch: 1, end: 1004 }, Some(Relation::Longer)),
        ("a store of before", scene.here(2, 3), Proof::Applied { epoch: 1, end: 1004 }, Some(Relation::EarlierEpoch)),
        ("a tree as large", scene.here(1, 3), Proof::Tree { epoch: 1, size: 3 }, Some(Relation::Part)),
        ("a larger tree", scene.here(1, 3), Proof::Tree { epoch: 1, size: 4 }, Some(Relation::Longer)),
        ("a mark as far", scene.here(1, 3), Proof::Mark { epoch: 1, size: 3 }, Some(Relation::Part)),
        ("a mark further", scene.here(1, 3), Proof::Mark { epoch: 1, size: 4 }, Some(Relation::Longer)),
        ("a mark of a later epoch", scene.here(1, 3), Proof::Mark { epoch: 2, size: 1 }, Some(Relation::LaterEpoch)),
        ("a mark of before", scene.here(2, 3), Proof::Mark { epoch: 1, size: 9 }, Some(Relation::EarlierEpoch)),
    ];
    for (row, here, proof, expected) in rows {
        let Ok(compared) = Compared::of(&proof, scene.signer(), &here);
        assert_eq!(compared.map(|compared| compared.relation), expected, "{row}");
    }
    let mut other_leaf = scene.here(1, 5);
    other_leaf.entries[2] = EntryId([9; 32]);
    let Ok(compared) = Compared::of(&scene.entry(), scene.signer(), &other_leaf);
    assert_eq!(compared.map(|compared| compared.relation), Some(Relation::Other), "another entry in its place");
}

#[test]
fn a_checkpoint_counts_under_keys_that_were_replaced_since() {
    let mut scene = Scene::new();
    scene.federation = Federation::changed(|text| {
        let replaced = member_of(text, CITY).key.iter_mut().filter(|key| key.key_use != KeyUse::Entry);
        replaced.for_each(|key| *key = member_key("kota-lain", key.key_use));
    });
    let Ok(compared) = Compared::of(&scene.checkpoint(1, 5), scene.signer(), &scene.here(1, 3));
    assert_eq!(compared.map(|compared| compared.relation), Some(Relation::Longer));
}

#[test]
fn a_start_is_set_back_while_anything_contradicts_the_ledger_and_only_that_is_stored() {
    let scene = Scene::new();
    let longer = || by("prov-jabar", scene.checkpoint(1, 5));
    let part = || by("prov-jabar", scene.checkpoint(1, 3));
    let local = || by_own_files(Proof::Tree { epoch: 1, size: 5 });
    // Stored, local, the ledger here; then: state, how many survive, whether they must be stored, whether the ledger is mended.
    let rows = [
        ("nothing was ever seen", vec![], vec![], scene.here(1, 3), GuardState::Waiting, 0, false, false),
        (
            "a peer saw more before the restart",
            vec![longer()],
            vec![],
            scene.here(1, 3),
            GuardState::SetBack,
            1,
            true,
            false,
        ),
        ("what was seen is here again", vec![longer()], vec![], scene.here(1, 5), GuardState::Waiting, 0, true, true),
        ("a new epoch was begun", vec![longer()], vec![], scene.here(2, 1), GuardState::Waiting, 0, true, true),
        ("one of two is here", vec![longer(), part()], vec![], scene.here(1, 3), GuardState::SetBack, 1, true, false),
        ("own files show more", vec![], vec![local()], scene.here(1, 3), GuardState::SetBack, 1, true, false),
        ("own files show as much", vec![], vec![local()], scene.here(1, 5), GuardState::Waiting, 0, false, false),
    ];
    for (row, stored, local, here, state, survive, must_store, is_mended) in rows {
        let Begun { guard, must_store: stores, is_mended: mended } = scene.begins(&PEERS, stored, local, &here);
        assert_eq!((guard.state(), guard.sightings().len()), (state, survive), "{row}");
        assert_eq!((stores, mended), (must_store, is_mended), "{row}");
    }
    assert_eq!(scene.begins(&[], vec![], vec![], &scene.here(1, 0)).guard.state(), GuardState::Clear, "nobody to hear");
    let without_peers = scene.begins(&[], vec![longer()], vec![], &scene.here(1, 0)).guard;
    assert_eq!((without_peers.state(), without_peers.next_timeout()), (GuardState::SetBack, None));
}

#[test]
fn own_files_show_a_longer_ledger_if_they_are_ahead_of_the_ledger_here() {
    let (applied, tree) = (|end| Proof::Applied { epoch: 2, end }, |size| Proof::Tree { epoch: 2, size });
    // The ledger has 5 leaves and ends at 500. Each row: the end that the store has applied, the leaves of the tree beyond the ledger, the proofs.
    let rows = [
        ("a new store", None, 0, vec![]),
        ("a store that is behind", Some(499), 0, vec![]),
        ("a store as far", Some(500), 0, vec![]),
        ("a store that is ahead", Some(501), 0, vec![applied(501)]),
        ("a longer tree", Some(500), 3, vec![tree(8)]),
        ("both", Some(501), 3, vec![applied(501), tree(8)]),
    ];
    for (row, store, lost_leaves, expected) in rows {
        assert_eq!(Proof::by_own_files(extent(2, 5), 500, store, lost_leaves), expected, "{row}");
    }
}

#[test]
fn the_wait_ends_when_all_were_heard_or_when_it_is_time_and_never_later() {
    let (seconds, most, others) = (Duration::from_secs, TIME.all, TIME.others);
    // Each row: the peers that are heard, each with its time, and the end of the wait.
    let rows = [
        ("nobody", vec![], most),
        ("one", vec![("prov-jabar", seconds(1))], seconds(1) + others),
        ("the same twice", vec![("prov-jabar", seconds(1)), ("prov-jabar", seconds(2))], seconds(1) + others),
        ("one, late", vec![("prov-jabar", most - Duration::from_millis(1))], most),
        ("somebody who is no peer", vec![("ombudsman", seconds(1))], most),
        ("all", vec![("prov-jabar", seconds(1)), ("kemendagri", seconds(2))], Duration::ZERO),
    ];
    for (row, heard, ends) in rows {
        let mut wait = PeerWait::new(PEERS.map(agency), TIME, false);
        heard.iter().for_each(|(peer, at)| wait.heard(&agency(peer), *at));
        assert_eq!(wait.ends(), ends, "{row}");
    }
    assert_eq!(PeerWait::new([], TIME, false).ends(), Duration::ZERO);
}

#[test]
fn a_guard_clears_once_and_tells_whether_all_peers_were_heard() {
    let scene = Scene::new();
    let waiting = scene.begins(&PEERS, vec![], vec![], &scene.here(1, 5)).guard;
    let mut all = waiting.clone();
    assert_eq!(all.heard(&agency("prov-jabar"), Duration::from_secs(1)), None);
    assert_eq!(all.heard(&agency("kemendagri"), Duration::from_secs(2)), Some(Settled::AllHeard));
    assert_eq!((all.state(), all.next_timeout()), (GuardState::Clear, None));
    assert_eq!(all.timeout(TIME.all), None, "it is over");

    let mut some = waiting.clone();
    some.heard(&agency("prov-jabar"), Duration::from_secs(1));
    let ends = Duration::from_secs(1) + TIME.others;
    assert_eq!((some.next_timeout(), some.timeout(ends - Duration::from_millis(1))), (Some(ends), None));
    assert_eq!((some.timeout(ends), some.state()), (Some(Settled::TimeOver), GuardState::Clear));

    let mut none = waiting;
    assert_eq!(none.timeout(TIME.all), Some(Settled::TimeOver));
}

#[test]
fn a_sighting_leads_to_set_back_from_every_state_for_ever() {
    let scene = Scene::new();
    let waiting = scene.begins(&PEERS, vec![], vec![], &scene.here(1, 3)).guard;
    let mut clear = waiting.clone();
    clear.timeout(TIME.all);
    for mut guard in [waiting, clear, RollbackGuard::clear()] {
        assert!(guard.set_back(by("prov-jabar", scene.checkpoint(1, 5))));
        assert_eq!((guard.state(), guard.next_timeout()), (GuardState::SetBack, None));
        let late = PEERS.map(|peer| guard.heard(&agency(peer), Duration::from_secs(1)));
        assert_eq!((late, guard.timeout(TIME.all), guard.state()), ([None, None], None, GuardState::SetBack));
    }
}

#[test]
fn of_each_kind_of_proof_the_newest_by_each_party_is_stored_once() {
    let scene = Scene::new();
    let mut guard = scene.begins(&PEERS, vec![], vec![], &scene.here(1, 0)).guard;
    let four = by("prov-jabar", scene.checkpoint(1, 4));
    let five = by("prov-jabar", scene.checkpoint(1, 5));
    let later = Sighting { at: START + MINUTE, ..five.clone() };
    let entry = by("prov-jabar", scene.entry());
    let other_peer = by("kemendagri", scene.checkpoint(1, 4));
    // Each row: the sighting, and whether the sightings must be stored after it.
    let rows = [(&four, true), (&five, true), (&later, false), (&entry, true), (&entry, false), (&other_peer, true)];
    for (sighting, must_store) in rows {
        assert_eq!(guard.set_back(sighting.clone()), must_store, "{sighting:?}");
    }
    assert_eq!(guard.sightings(), [five, entry, other_peer]);
}

#[test]
fn a_described_sighting_names_peer_proof_and_the_ledger_here() {
    let scene = Scene::new();
    let said = |sighting: Sighting, here: &Here| {
        let Ok(compared) = Compared::of(&sighting.proof, scene.signer(), here);
        sighting.describe(&compared.expect("it is signed"), here.extent())
    };
    let set_back = said(by("prov-jabar", scene.checkpoint(1, 5)), &scene.here(1, 3));
    assert!(set_back.starts_with("prov-jabar holds our checkpoint of 5 leaves in epoch 1, signed "), "{set_back}");
    assert!(set_back.ends_with("this ledger has 3 leaves in epoch 1"), "{set_back}");
    let lost = said(by("prov-jabar", scene.entry()), &scene.here(1, 0));
    assert!(lost.starts_with("prov-jabar holds our entry at leaf 2 of epoch 1"), "{lost}");
    let mut rewritten = scene.here(1, 5);
    rewritten.entries[2] = EntryId([9; 32]);
    assert!(said(by("ksp", scene.entry()), &rewritten).ends_with(", but others"));
    assert!(
        said(by_own_files(Proof::Tree { epoch: 1, size: 5 }), &scene.here(1, 3)).starts_with("the tree had 5 leaves")
    );
}

#[test]
fn a_ledger_that_may_be_old_needs_a_word_before_anything_is_signed() {
    let scene = Scene::new();
    let begins = |peers: &[&str]| {
        let known = Known { may_be_old: true, ..Known::default() };
        let peers = peers.iter().map(|id| agency(id));
        let Ok(begun) = RollbackGuard::begin(peers, TIME, known, scene.signer(), &scene.here(1, 3));
        begun.guard
    };
    let mut alone = begins(&[]);
    assert_eq!((alone.state(), alone.next_timeout()), (GuardState::Unconfirmed, None), "only the operator can tell");
    assert!(alone.confirm() && alone.state() == GuardState::Clear && !alone.confirm());

    let mut guard = begins(&PEERS);
    assert_eq!(guard.timeout(TIME.all), Some(Settled::NobodyHeard));
    assert_eq!((guard.state(), guard.next_timeout()), (GuardState::Unconfirmed, None));
    // A peer comes after an hour. The others get their time as well, because they may know more.
    let hour = Duration::from_secs(3600);
    assert_eq!(guard.heard(&agency(PEERS[0]), hour), None);
    assert_eq!((guard.state(), guard.next_timeout()), (GuardState::Waiting, Some(hour + TIME.others)));
    assert_eq!(guard.timeout(hour + TIME.others), Some(Settled::TimeOver));
    assert_eq!(guard.state(), GuardState::Clear);

    let mut set_back = begins(&PEERS);
    set_back.timeout(TIME.all);
    set_back.set_back(by(PEERS[0], scene.checkpoint(1, 5)));
    assert!(!set_back.confirm() && set_back.state() == GuardState::SetBack, "a proof counts more than a word");
}
