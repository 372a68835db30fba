//! Tests of own entries: lodge, act, erase, witness.

use super::*;
use crate::base::refusal::RefusalCode;
use crate::complaint::Declined;
use crate::fixture::MINUTE;

fn external(id: &str) -> External {
    External { source: "lapor".to_owned(), id: id.to_owned() }
}

#[test]
fn a_complaint_that_is_lodged_and_forwarded_is_one_batch_in_order() {
    let (_federation, mut node) = TestNode::ready("prov-jabar", &["kemendagri", "kota-bandung"]);
    let lodged = node.lodge("jalan rusak", None, Some("kemendagri")).expect("lodged");
    assert!(!lodged.existed);
    assert_eq!(node.batch.touched, BTreeSet::from([lodged.complaint]));
    let written: Vec<String> = node.batch.records.iter().map(shown).collect();
    assert_eq!(written, ["content of 0", "leaf Lodged -> kemendagri", "leaf Forwarded -> kemendagri"]);
    let case = node.engine.case(&lodged.complaint).expect("in memory");
    assert_eq!(case.complaint.custody().offer.as_ref().map(|offer| offer.to.as_str()), Some("kemendagri"));
}

#[test]
fn a_record_of_another_system_is_lodged_once_even_if_the_first_batch_is_not_applied_yet() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "prov-jabar", &["kemendagri"]);
    let first = node.lodge("a", Some(external("7")), None).expect("lodged");
    let again = node.lodge("a", Some(external("7")), None).expect("known");
    assert!(again.existed && again.complaint == first.complaint, "in the open batch");
    let on_its_way = node.close();
    let again = node.lodge("a", Some(external("7")), None).expect("known");
    assert!(again.existed && again.complaint == first.complaint, "in a batch that is not applied");
    node.apply_batch(on_its_way.0.expect("a batch"), on_its_way.1);
    let again = node.lodge("a", Some(external("7")), None).expect("known");
    assert!(again.existed && node.batch.records.is_empty(), "applied");
}

#[test]
fn nothing_is_decided_while_the_guard_waits_or_the_ledger_was_set_back() {
    let federation = Federation::new();
    for (guard, expected) in [
        (GuardState::Waiting, CommandError::PeersNotHeard),
        (GuardState::Unconfirmed, CommandError::LedgerUnconfirmed),
        (GuardState::SetBack, CommandError::SetBack),
        (GuardState::KeyRevoked, CommandError::KeyRevoked),
    ] {
        let mut node = TestNode::of(&federation, "prov-jabar", &["kemendagri"]);
        node.apply();
        node.give(Input::Guard(guard));
        assert_eq!(node.lodge("a", None, None).map(drop), Err(expected));
        let delivered = node.give(Input::Deliver(delivery("kemendagri", Vec::new())));
        assert!(matches!(delivered, Answer::Delivered(Err(DeliveryError::MayNotSign))));
        node.give(Input::Tick);
        node.give(Input::Work);
        assert!(node.batch.is_empty(), "{guard:?}");
    }
}

#[test]
fn while_the_clock_has_a_problem_nothing_is_signed_and_items_are_still_admitted() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let problem = ClockProblem::PeersDiffer { ahead: 301 };
    node.give(Input::Clock(ClockState { is_confirmed: false, problem: Some(problem) }));
    assert_eq!(node.lodge("a", None, None).map(drop), Err(CommandError::Clock(problem)));
    let taken = node.deliver("kota-bandung", vec![item(&federation.node("kota-bandung").lodges())]);
    assert_eq!(taken, [ItemOutcome::Leaf(LedgerIndex(0))]);
    node.give(Input::Clock(ClockState::default()));
    assert!(node.lodge("a", None, None).is_ok());
}

#[test]
fn clocks_of_own_entries_grow_when_the_wall_clock_goes_back() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "prov-jabar", &["kemendagri"]);
    let mut clocks = Vec::new();
    for now in [START, START - 4 * MINUTE, START] {
        node.now = now;
        let lodged = node.lodge("a", None, None).expect("lodged");
        clocks.push(node.engine.case(&lodged.complaint).expect("in memory").complaint.newest_clock());
    }
    assert!(clocks.is_sorted() && clocks.windows(2).all(|pair| pair[0] < pair[1]), "{clocks:?}");
}

#[test]
fn an_entry_that_peers_would_refuse_is_not_written() {
    let (_federation, mut node) = TestNode::ready("prov-jabar", &["kemendagri"]);
    let body = wire::Lodged { category: "x".repeat(crate::base::limits::ENTRY_BYTES), ..Default::default() };
    let lodge = Lodge { body, contents: Vec::new(), external: None, forward: None };
    let Answer::Lodged(Err(CommandError::Refused(refusal))) = node.give(Input::Lodge(Box::new(lodge))) else {
        panic!("it is too large");
    };
    assert_eq!(refusal.code, RefusalCode::TooLarge);
    assert!(node.batch.is_empty());
}

#[test]
fn nothing_is_lodged_when_the_offer_with_it_is_impossible() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "kemenpanrb", &[]);
    assert_eq!(node.lodge("a", None, Some("ksp")).err(), Some(CommandError::NoRoute(agency("ksp"))));
    for wrong in ["mistyped", "kemenpanrb"] {
        let declined = node.lodge("a", None, Some(wrong));
        assert!(matches!(declined, Err(CommandError::Declined(Declined::NotLodged { .. }))), "{wrong}");
    }
    assert!(node.batch.is_empty());
    assert!(node.lodge("a", None, None).is_ok(), "the leaf is still free");
}

#[test]
fn an_offer_with_the_lodging_is_the_entry_after_it() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "prov-jabar", &["kemendagri"]);
    let lodged = node.lodge("a", None, Some("kemendagri")).expect("lodged");
    let entries: Vec<&Entry> = node.batch.records.iter().filter_map(entry_in).collect();
    let [first, offer] = entries[..] else { panic!("two entries, not {}", entries.len()) };
    assert_eq!((first.complaint, offer.complaint), (Some(lodged.complaint), Some(lodged.complaint)));
    assert_eq!((offer.place.index.0, &offer.parents[..]), (first.place.index.0 + 1, &[first.id][..]));
    assert!(offer.clock > first.clock);
}

/// The own entries of a closed batch, each with the envelope that its signature record gives it.
fn signed_entries(batch: &Batch) -> Vec<Entry> {
    let mut envelopes = BTreeMap::new();
    for record in &batch.records {
        if let Record::Signature { leaves, signed } = record {
            envelopes.extend(leaves.iter().enumerate().map(|(index, leaf)| (*leaf, signed.envelope(index))));
        }
    }
    let sign = |entry: &Entry| Entry { envelope: envelopes.remove(&entry.place.index), ..entry.clone() };
    let signed: Vec<Entry> = batch.records.iter().filter_map(entry_in).map(sign).collect();
    assert!(envelopes.is_empty(), "each is of a leaf of the batch");
    signed
}

fn signatures(batch: &Batch) -> usize {
    batch.records.iter().filter(|record| matches!(record, Record::Signature { .. })).count()
}

#[test]
fn all_own_entries_of_a_batch_get_one_signature_that_verifies_for_each() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kemendagri", "kota-bandung"]);
    let lodged: Vec<Lodged> = ["a", "b"].map(|text| node.lodge(text, None, Some("kemendagri")).expect("lodged")).into();
    let theirs = federation.node("kota-bandung").lodges();
    node.deliver("kota-bandung", vec![item(&theirs)]);
    node.act(lodged[0].complaint, Command::Recall).expect("recalled");
    assert!(matches!(node.give(Input::Witness(Vec::new())), Answer::Witnessed(Ok(()))));
    let is_open = |record: &Record| entry_in(record).is_none_or(|entry| entry.envelope.is_none());
    let own = |record: &&Record| entry_in(record).is_none_or(|entry| entry.author == agency("prov-jabar"));
    assert!(node.batch.records.iter().filter(own).all(is_open), "they are signed when the batch is closed");
    let (_, batch) = node.close();
    assert_eq!(batch.records.last().map(shown).as_deref(), Some("signature of 0,1,2,3,5,6"));
    assert_eq!(signatures(&batch), 1);
    let signed = signed_entries(&batch);
    assert_eq!(signed.len(), 7);
    for entry in signed.iter().filter(|entry| entry.author == agency("prov-jabar")) {
        let envelope = entry.envelope.as_ref().expect("it is signed");
        assert!(envelope.size() == 6 && entry.verify(&entry_key("prov-jabar").verification_key()));
        let item = wire::Item { signed_entry: entry.signed(), ..Default::default() };
        let received = checked_item(item, &federation.charters);
        assert!(matches!(received, Received::Authentic(_)), "as a peer takes it: {received:?}");
    }
    // The next batch begins without unsigned entries.
    node.lodge("c", None, None).expect("lodged");
    assert_eq!(node.close().1.records.last().map(shown).as_deref(), Some("signature of 7"));
}

#[test]
fn a_batch_without_new_own_entries_has_no_signature() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    node.deliver("kota-bandung", vec![item(&federation.node("kota-bandung").lodges())]);
    let (number, batch) = node.close();
    assert!(number.is_some());
    assert_eq!(batch.records.iter().map(shown).collect::<Vec<_>>(), ["leaf Lodged -> ", "cursor of kota-bandung"]);
}

#[test]
fn more_own_entries_than_one_signature_covers_get_two() {
    let (_federation, mut node) = TestNode::ready("prov-jabar", &[]);
    let most = crate::base::limits::SIGNED_BATCH;
    for (count, sizes) in [(most, vec![most]), (most + 1, vec![most, 1])] {
        for _ in 0..count {
            node.lodge("a", None, None).expect("lodged");
        }
        let (_, batch) = node.close();
        let covered = |record: &Record| match record {
            Record::Signature { leaves, .. } => Some(leaves.len()),
            _ => None,
        };
        assert_eq!(batch.records.iter().filter_map(covered).collect::<Vec<_>>(), sizes);
        let signed = signed_entries(&batch);
        assert_eq!(signed.len(), count);
        let key = entry_key("prov-jabar").verification_key();
        // Both ends of both batches, and some between.
        let shown = (0..count).filter(|number| number % 100 == 0 || number + 2 >= count);
        assert!(shown.into_iter().all(|number| signed[number].verify(&key)));
    }
}

fn entry_in(record: &Record) -> Option<&Entry> {
    match record {
        Record::Leaf { entry, .. } => Some(entry),
        _ => None,
    }
}

#[test]
fn a_content_is_disclosed_before_the_batch_that_holds_it_is_applied() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "prov-jabar", &["kemendagri"]);
    let lodged = node.lodge("jalan rusak", None, None).expect("lodged");
    node.close();
    // The view cannot show the content, because the batch is not applied.
    node.view.shows_contents = false;
    let disclose = Command::Disclose { entry: None, commitment: 0, to: agency("kemendagri") };
    node.act(lodged.complaint, disclose.clone()).expect("disclosed");
    let Some(Record::Content { content: copy, .. }) = node.batch.records.first() else { panic!("a content") };
    assert_eq!((&copy.data[..], copy.salt), (&b"jalan rusak"[..], [3; 32]), "under the same commitment");
    let other = Command::Disclose { entry: None, commitment: 0, to: agency("ksp") };
    assert_eq!(node.act(lodged.complaint, other), Err(CommandError::NoDirectLink(agency("ksp"))));
}

#[test]
fn erased_contents_are_destroyed_with_their_batch_and_cannot_be_disclosed_any_more() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "kemendagri", &["prov-jabar"]);
    let (lodged, erased) = node.erased();
    assert!(node.view.contents.contains_key(&LedgerIndex(0)), "one signature destroys nothing");
    node.deliver("prov-jabar", vec![received(erased, Vec::new())]);
    // All entries that the proposer had: Lodged and the proposal itself.
    let all = [0, 1].map(|leaf| Destroy::Contents(LedgerIndex(leaf)));
    let ordered = node.batch.destroy.clone();
    let is_earlier = |what: &Destroy| matches!(what, Destroy::EarlierContents(_));
    let (earlier, here): (BTreeSet<Destroy>, BTreeSet<Destroy>) = ordered.iter().copied().partition(is_earlier);
    assert_eq!(
        (here, earlier.len()),
        (BTreeSet::from(all), 2),
        "in the present ledger, and in those of earlier epochs"
    );
    let disclose = Command::Disclose { entry: None, commitment: 0, to: agency("prov-jabar") };
    assert_eq!(node.act(lodged.complaint, disclose), Err(CommandError::ContentNotHere), "before it is destroyed");
    node.apply();
    assert!(!node.view.contents.contains_key(&LedgerIndex(0)));
    // A crash may have prevented the destruction, so the next start orders it again.
    let mut again = TestNode::starting(&federation, "kemendagri", &["prov-jabar"], node.view.clone());
    assert!(again.engine.has_backlog(), "whatever the guard says");
    again.give(Input::Work);
    assert_eq!(again.batch.destroy, ordered);
}

#[test]
fn newer_checkpoints_of_others_are_stored_and_committed_to() {
    let (_federation, mut node) = TestNode::ready("prov-jabar", &["kemendagri"]);
    let newer = vec![(agency("ksp"), b"one".to_vec()), (agency("kemendagri"), b"two".to_vec())];
    assert!(matches!(node.give(Input::Witness(newer)), Answer::Witnessed(Ok(()))));
    let written: Vec<String> = node.batch.records.iter().map(shown).collect();
    assert_eq!(written, ["seen of ksp", "seen of kemendagri", "leaf Witnessed -> "]);
    let Some(Record::Leaf { entry, .. }) = node.batch.records.last() else { panic!("a leaf") };
    let crate::entry::Body::Node(body) = &entry.body else { panic!("a node body") };
    let root = root_of([b"two".as_slice(), b"one"]).to_vec();
    assert_eq!(**body, Body::Witnessed(wire::Witnessed { root, peers: 2 }), "in the order of ids");
}

/// A clock that peers have confirmed.
const CONFIRMED: ClockState = ClockState { is_confirmed: true, problem: None };

#[test]
fn a_batch_records_a_ceiling_before_its_checkpoint_carries_a_time_and_the_next_ones_stay_below_it() {
    let (_, mut node) = TestNode::ready("prov-jabar", &[]);
    node.lodge("a", None, None).expect("lodged");
    assert_eq!(node.close_at().0, None, "nobody has confirmed the clock");
    node.give(Input::Clock(CONFIRMED));
    node.give(Input::Tick);
    let seconds = START / 1000;
    assert_eq!(node.close_at(), (Some(seconds), vec![seconds + 300]), "the checkpoint without a time is replaced");
    node.give(Input::Tick);
    assert_eq!(node.close_at(), (Some(seconds), vec![]));
    for minute in 1..=5 {
        node.now += MINUTE;
        node.lodge("b", None, None).expect("lodged");
        assert_eq!(node.close_at(), (Some(seconds + 60 * minute), vec![]));
    }
    node.now += 1000;
    node.lodge("c", None, None).expect("lodged");
    assert_eq!(node.close_at(), (Some(seconds + 301), vec![seconds + 601]));
}

#[test]
fn an_idle_node_signs_a_checkpoint_with_a_new_time_every_two_minutes() {
    let (_, mut node) = TestNode::ready("prov-jabar", &[]);
    node.give(Input::Clock(CONFIRMED));
    let mut signed = Vec::new();
    for _ in 0..10 {
        node.give(Input::Tick);
        node.give(Input::Tick);
        let is_written = !node.batch.is_empty();
        let (seconds, ceilings) = node.close_at();
        signed.extend(seconds.filter(|_| is_written).map(|seconds| (seconds - START / 1000, ceilings.len())));
        node.now += MINUTE;
    }
    assert_eq!(signed, [(0, 1), (120, 1), (240, 1), (360, 1), (480, 1)]);
}

#[test]
fn a_node_whose_clock_was_far_ahead_signs_nothing_that_would_look_back_dated() {
    let federation = Federation::new();
    let mut memory = memory::Memory::new(&federation.charters);
    memory.ceiling = START / 1000 + 30 * 24 * 3600;
    let mut node = TestNode::starting(&federation, "prov-jabar", &["kota-bandung"], memory);
    node.give(Input::Guard(GuardState::Clear));
    node.give(Input::Clock(CONFIRMED));
    let refused = node.lodge("a", None, None).map(drop);
    assert!(matches!(refused, Err(CommandError::BeforeCosigned { .. })), "{refused:?}");
    let taken = node.deliver("kota-bandung", vec![item(&federation.node("kota-bandung").lodges())]);
    assert_eq!(taken, [ItemOutcome::Leaf(LedgerIndex(0))], "entries of others are taken");
    assert_eq!(node.close_at(), (None, vec![]));
    node.now += 30 * 24 * 60 * MINUTE;
    assert!(node.lodge("b", None, None).is_ok());
}

#[test]
fn the_time_of_a_checkpoint_is_the_one_at_which_its_batch_was_closed_and_never_goes_back() {
    let (_, mut node) = TestNode::ready("prov-jabar", &[]);
    node.give(Input::Clock(CONFIRMED));
    node.give(Input::Tick);
    assert_eq!(node.close_at().0, Some(START / 1000));
    node.now -= 9 * MINUTE;
    node.lodge("a", None, None).expect("within the margin of back-dating");
    assert_eq!(node.close_at().0, None);
    node.now -= 2 * MINUTE;
    assert!(matches!(node.lodge("b", None, None), Err(CommandError::BeforeCosigned { .. })));
}
