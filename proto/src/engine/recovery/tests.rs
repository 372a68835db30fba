//! Recovery, as tables with one row per situation.

use bytes::Bytes;
use data_encoding::BASE64;

use super::*;
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, LedgerIndex};
use crate::base::limits;
use crate::fixture::ledger::Ledger;
use crate::fixture::{Federation, START, agency};

/// Bytes of a full group: more than a frame of the small entries here has.
const GROUP_BYTES: usize = 1 << 20;

const CITY: &str = "kota-bandung";

fn extent(epoch: u32, size: u64) -> Extent {
    Extent { epoch: Epoch(epoch), size }
}

fn note(epoch: u32, size: u64) -> Vec<u8> {
    Ledger::filled(size).signed_in(CITY, Epoch(epoch), START)
}

fn by(peer: Option<&str>, proof: Proof) -> Sighting {
    Sighting { by: peer.map(agency), at: START, proof }
}

/// A peer has this checkpoint of the node.
fn seen(epoch: u32, size: u64) -> Sighting {
    by(Some("prov-jabar"), Proof::Checkpoint(String::from_utf8(note(epoch, size)).expect("a note is text")))
}

fn whole(epoch: u32, size: u64) -> OldLedger {
    OldLedger::Whole(extent(epoch, size))
}

fn damaged(epoch: u32) -> OldLedger {
    OldLedger::Damaged { epoch: Epoch(epoch), problem: "bad".to_owned() }
}

fn unreadable() -> OldLedger {
    OldLedger::Unreadable { problem: "bad".to_owned() }
}

fn plan(old: &OldLedger, recorded: Vec<u8>, sightings: &[Sighting], named: Option<u32>) -> Result<Plan, PlanError> {
    let (federation, own) = (Federation::new(), agency(CITY));
    let signer = Signer { agency: &own, charters: &federation.charters };
    Plan::new(old, recorded, sightings, signer, named.map(Epoch))
}

#[test]
fn the_epoch_that_begins_is_later_than_all_that_are_known_or_the_operator_names_it() {
    let not_new = |given, known| Err(PlanError::NotNew { given: Epoch(given), known: Epoch(known) });
    let too_far = |given, known| Err(PlanError::TooFarAhead { given: Epoch(given), known: Epoch(known) });
    let own_files = || by(None, Proof::Tree { epoch: 1, size: 9 });
    let by_another = || by(Some("ksp"), Proof::Checkpoint("signed by nobody".to_owned()));
    let nothing_readable = || Err(PlanError::NothingReadable("bad".to_owned()));
    // The present ledger, the sightings, the named epoch; and the expected old and new epoch.
    let rows = [
        ("set back", whole(1, 5), vec![seen(1, 9)], None, Ok((1, 2))),
        ("set back over an epoch", whole(1, 5), vec![seen(3, 2)], None, Ok((3, 4))),
        ("several peers saw it", whole(1, 5), vec![seen(2, 2), seen(3, 1), seen(1, 9)], None, Ok((3, 4))),
        ("own files alone show it", whole(1, 5), vec![own_files()], None, Ok((1, 2))),
        ("lost, and a peer saw it", whole(1, 0), vec![seen(2, 9)], None, Ok((2, 3))),
        ("lost, and nobody saw it", whole(1, 0), vec![], None, Err(PlanError::NothingKnown)),
        ("lost, and own files alone show it", whole(1, 0), vec![own_files()], None, Err(PlanError::NothingKnown)),
        ("lost, and what is shown is not signed", whole(1, 0), vec![by_another()], None, Err(PlanError::NothingKnown)),
        ("perhaps a copy", whole(2, 5), vec![], None, Err(PlanError::NothingSeen(extent(2, 5)))),
        ("damaged, and nobody saw it", damaged(2), vec![], None, Ok((2, 3))),
        ("damaged, and peers saw a later one", damaged(2), vec![seen(4, 1)], None, Ok((4, 5))),
        ("unreadable, and nobody saw it", unreadable(), vec![], None, nothing_readable()),
        ("unreadable, and own files show it", unreadable(), vec![own_files()], None, nothing_readable()),
        ("unreadable, and a peer saw it", unreadable(), vec![seen(2, 1)], None, Ok((2, 3))),
        ("perhaps a copy, named", whole(2, 5), vec![], Some(3), Ok((2, 3))),
        ("perhaps a copy, named later", whole(2, 5), vec![], Some(7), Ok((2, 7))),
        ("perhaps a copy, named as late as others believe", whole(2, 5), vec![], Some(10), Ok((2, 10))),
        ("perhaps a copy, named too late", whole(2, 5), vec![], Some(11), too_far(11, 2)),
        ("perhaps a copy, named as it is", whole(2, 5), vec![], Some(2), not_new(2, 2)),
        ("lost, named", whole(1, 0), vec![], Some(4), Ok((3, 4))),
        ("lost, and a peer saw a later one than was named", whole(1, 0), vec![seen(4, 1)], Some(4), not_new(4, 4)),
        ("unreadable, named", unreadable(), vec![], Some(2), Ok((1, 2))),
        ("damaged, named as it is", damaged(2), vec![], Some(2), not_new(2, 2)),
    ];
    for (row, old, sightings, named, expected) in rows {
        let found = plan(&old, Vec::new(), &sightings, named).map(|plan| (plan.old_epoch.0, plan.epoch.0));
        assert_eq!(found, expected, "{row}");
    }
}

#[test]
fn the_declaration_shows_the_newest_own_checkpoint_that_is_known() {
    let entry = Federation::new().node(CITY).lodges().at_leaf(8).entry();
    let by_entry = by(Some("kemendagri"), Proof::Entry(BASE64.encode(&entry.signed())));
    // The checkpoint in the old ledger, the sightings; and the expected declared checkpoint and largest extent that peers saw.
    let rows = [
        ("nothing", vec![], vec![], vec![], None),
        ("the ledger's own", note(1, 5), vec![], note(1, 5), None),
        ("peers have a newer one", note(1, 5), vec![seen(1, 9)], note(1, 9), Some(extent(1, 9))),
        ("the ledger's is of a later epoch", note(2, 1), vec![seen(1, 9)], note(2, 1), Some(extent(1, 9))),
        ("the newest of several", vec![], vec![seen(1, 9), seen(2, 1), seen(1, 5)], note(2, 1), Some(extent(2, 1))),
        ("an entry reaches further", note(1, 5), vec![by_entry], note(1, 5), Some(extent(1, 9))),
    ];
    for (row, recorded, sightings, declared, furthest) in rows {
        let plan = plan(&whole(1, 5), recorded, &sightings, Some(9)).expect("it is named");
        assert_eq!((&plan.checkpoint, plan.seen, plan.here), (&declared, furthest, Some(extent(1, 5))), "{row}");
        let declaration = plan.declaration(wire::ResetReason::Restored);
        assert_eq!(declaration.newest_checkpoint, declared, "{row}");
        assert_eq!((declaration.old_epoch, declaration.reason()), (plan.old_epoch.0, wire::ResetReason::Restored));
    }
    let damaged = plan(&damaged(1), Vec::new(), &[], None).expect("its epoch is known");
    assert_eq!((damaged.here, damaged.unreadable), (Some(extent(1, 0)), Some("bad".to_owned())));
}

#[test]
fn an_interrupted_recovery_is_finished_if_the_old_ledger_was_moved_aside_and_forgotten_if_not() {
    use Part::{Ledger, Store};
    let (none, old) = (Found { in_place: false, made: false }, Found { in_place: true, made: false });
    let (new, both) = (Found { in_place: false, made: true }, Found { in_place: true, made: true });
    let rows: [(&str, Found, Found, &[Part]); 9] = [
        ("a new node", none, none, &[]),
        ("an ordinary start", old, old, &[]),
        ("while the new ledger was filled", both, both, &[]),
        ("before the store was moved aside", both, old, &[]),
        ("after the store was moved aside", both, new, &[]),
        ("after both were moved aside", new, new, &[Ledger, Store]),
        ("after the ledger was put in place", old, new, &[]),
        ("after the ledger was moved aside, and somebody made a store", new, both, &[Ledger]),
        ("after the ledger was moved aside, and the new store is gone", new, none, &[Ledger]),
    ];
    for (row, ledger, store, expected) in rows {
        assert_eq!(to_put_in_place(ledger, store), expected, "{row}");
    }
}

#[test]
fn wherever_moving_the_parts_is_interrupted_a_whole_ledger_is_left() {
    for interrupted_after in 0..=MOVED_ASIDE.len() {
        let part = |part| Found { in_place: !MOVED_ASIDE[..interrupted_after].contains(&part), made: true };
        let put = to_put_in_place(part(Part::Ledger), part(Part::Store));
        let has_ledger = part(Part::Ledger).in_place || put.contains(&Part::Ledger);
        assert!(has_ledger, "after {interrupted_after} steps");
        // The new store belongs to the new ledger, and must never be used with the old one.
        assert!(!put.contains(&Part::Store) || put.contains(&Part::Ledger), "after {interrupted_after} steps");
    }
}

/// A record whose note beside a leaf is the leaf's number.
type Record = OldRecord<u64, u64>;
/// A leaf with the data of its contents.
type Texts = (u64, Vec<&'static [u8]>);
/// The row's name, whether the ledger is whole, its records; and the expected leaves, and number of unreadable records.
type Row = (&'static str, bool, Vec<Record>, Vec<Texts>, u64);

fn content(commitment: u32, data: &'static [u8]) -> OldContent {
    let content = wire::Content { commitment, salt: vec![0; 32], data: Bytes::from_static(data) };
    OldContent { content, is_erased: false }
}

fn erased(commitment: u32) -> OldContent {
    OldContent { is_erased: true, ..content(commitment, b"") }
}

fn leaf(index: u64, contents: LeafContents) -> Record {
    let signed_entry = Bytes::from(format!("entry {index}"));
    OldRecord::Leaf { leaf: LedgerIndex(index), signed_entry, relays: 3, contents, note: index }
}

fn cursor(epoch: u32, index: u64) -> Cursor {
    Cursor::end(Epoch(epoch), LedgerIndex(index), 0)
}

fn deferred(item: u8, peer: &str, at: u64) -> Record {
    OldRecord::Deferred { item: [item; 32], peer: agency(peer), at }
}

/// The leaves of the old ledger, with the texts that come with each.
fn texts(group: &[OldEntry<u64>]) -> Vec<(u64, Vec<&[u8]>)> {
    group
        .iter()
        .map(|entry| (entry.note, entry.item.content.iter().map(|content| &content.data[..]).collect()))
        .collect()
}

#[test]
fn each_entry_is_taken_over_with_its_readable_contents() {
    let found = |contents| LeafContents::Found(contents);
    let before = || LeafContents::CameBefore;
    let text = |leaf: u64, content| OldRecord::Content(LedgerIndex(leaf), content);
    let rows: [Row; 9] = [
        ("no texts", true, vec![leaf(1, found(vec![]))], vec![(1, vec![])], 0),
        (
            "two texts",
            true,
            vec![leaf(1, found(vec![content(0, b"a"), content(1, b"b")]))],
            vec![(1, vec![b"a", b"b"])],
            0,
        ),
        ("one of them erased", true, vec![leaf(1, found(vec![erased(0), content(1, b"b")]))], vec![(1, vec![b"b"])], 0),
        ("one twice", true, vec![leaf(1, found(vec![content(0, b"a"), content(0, b"a")]))], vec![(1, vec![b"a"])], 0),
        ("unreadable texts", true, vec![leaf(1, LeafContents::Unreadable)], vec![(1, vec![])], 1),
        (
            "a whole ledger looks them up",
            true,
            vec![text(1, content(0, b"a")), leaf(1, found(vec![]))],
            vec![(1, vec![])],
            0,
        ),
        (
            "a damaged ledger has them before the leaf",
            false,
            vec![text(1, content(0, b"a")), text(2, content(0, b"b")), leaf(1, before()), leaf(2, before())],
            vec![(1, vec![b"a"]), (2, vec![b"b"])],
            0,
        ),
        (
            "texts are not kept for leaves that were passed over",
            false,
            vec![text(1, content(0, b"a")), leaf(2, before()), leaf(1, before())],
            vec![(2, vec![]), (1, vec![])],
            0,
        ),
        (
            "a damaged leaf costs itself alone",
            false,
            vec![text(1, content(0, b"a")), OldRecord::Unreadable, text(2, content(0, b"b")), leaf(2, before())],
            vec![(2, vec![b"b"])],
            1,
        ),
    ];
    for (row, is_whole, records, expected, unread) in rows {
        let mut take_over = TakeOver::new(is_whole, GROUP_BYTES);
        records.into_iter().for_each(|record| take_over.read(record));
        let group = take_over.take_group();
        assert_eq!(texts(&group), expected, "{row}");
        assert!(group.iter().all(|entry| entry.item.relays == 2), "the node itself is not counted twice");
        take_over.became_leaves(group.len() as u64);
        let end = take_over.end();
        assert_eq!((end.entries, end.left_behind), (expected.len() as u64, unread), "{row}");
    }
}

#[test]
fn deferred_items_are_taken_over_after_the_entries_unless_they_were_settled() {
    let mut take_over = TakeOver::<u64, u64>::new(true, GROUP_BYTES);
    for record in [
        deferred(2, "ksp", 20),
        deferred(1, "kominfo", 10),
        leaf(1, LeafContents::Found(vec![])),
        deferred(3, "ksp", 30),
        OldRecord::Settled([1; 32]),
        OldRecord::Settled([9; 32]),
        // The same item came again.
        deferred(2, "ksp", 40),
    ] {
        take_over.read(record);
    }
    assert_eq!(take_over.take_group().len(), 1);
    assert_eq!(take_over.take_deferred(), [(agency("ksp"), 40), (agency("ksp"), 30)]);
    assert_eq!(take_over.take_deferred(), []);
}

#[test]
fn cursors_are_taken_over_only_if_nothing_was_lost() {
    let cursors = || {
        [("ksp", 1, 5), ("kominfo", 1, 9), ("ksp", 2, 1), ("ksp", 1, 7)]
            .map(|(peer, epoch, index)| Record::Cursor(agency(peer), cursor(epoch, index)))
    };
    let newest: Vec<(AgencyId, Cursor)> = vec![(agency("kominfo"), cursor(1, 9)), (agency("ksp"), cursor(2, 1))];
    let rows = [
        ("a whole ledger", true, None, newest.clone()),
        ("a ledger with other records", true, Some(OldRecord::Other), newest),
        ("a ledger that does not open", false, None, Vec::new()),
        ("a ledger with a record that cannot be read", true, Some(OldRecord::Unreadable), Vec::new()),
    ];
    for (row, is_whole, more, expected) in rows {
        let mut take_over = TakeOver::new(is_whole, GROUP_BYTES);
        cursors().into_iter().chain(more).for_each(|record| take_over.read(record));
        assert_eq!(take_over.end().cursors, expected, "{row}");
    }
}

#[test]
fn a_group_is_full_by_its_entries_or_by_its_bytes_and_entries_that_are_not_taken_are_counted() {
    let mut take_over = TakeOver::<u64, u64>::new(true, GROUP_BYTES);
    let mut number = 0;
    while !take_over.is_full() {
        take_over.read(leaf(number, LeafContents::Found(vec![])));
        number += 1;
    }
    assert_eq!((number, take_over.take_group().len()), (limits::FRAME_ITEMS as u64, limits::FRAME_ITEMS));
    take_over.became_leaves(number - 6);
    assert!(!take_over.is_full());
    let large = vec![0; GROUP_BYTES];
    let content = wire::Content { commitment: 0, salt: vec![0; 32], data: Bytes::from(large) };
    take_over.read(leaf(number, LeafContents::Found(vec![OldContent { content, is_erased: false }])));
    assert!(take_over.is_full());
    assert_eq!((take_over.take_group().len(), take_over.given()), (1, number + 1));
    take_over.became_leaves(1);
    let end = take_over.end();
    assert_eq!((end.entries, end.left_behind), (number - 5, 6));
}
