//! The store by itself: what is written is found, and what a crash leaves half done is healed by doing it again.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use sinergi_proto::complaint::Phase;
use sinergi_proto::engine::Duties;
use sinergi_proto::entry::ContentClass;

use super::{Changes, Counts, OpenOffer, Placed, Row, Store, Summary, open};
use crate::storage::ledger::Position;

const END: Position = Position { segment: 1, offset: 100 };

fn agency(id: &str) -> AgencyId {
    id.parse().expect("an agency id")
}

fn complaint(number: u8) -> ComplaintId {
    ComplaintId([number; 32])
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = open(folder.path(), 1 << 20).expect("a store");
    (folder, store)
}

/// A complaint that `holder` holds, with an offer that must be answered by `answer_by`, if any.
fn summary(holder: &str, answer_by: Option<u64>) -> Summary {
    Summary {
        intake: agency("kota-bandung"),
        holder: agency(holder),
        offer: answer_by.map(|answer_by| OpenOffer { to: agency("prov-jabar"), answer_by }),
        phase: Phase::Received,
        kind: 1,
        category: "road".to_owned(),
        area: "32.73".to_owned(),
        class: ContentClass::Public,
        entries: 1,
        changed_at: 1,
        self_closed: false,
        lodged: LedgerIndex(0),
        external: None,
        content_shared: false,
        duties: Duties::default(),
    }
}

fn placed(number: u8) -> Placed {
    Placed::new(HybridClock::from_bits(u64::from(number) << 16), &EntryId([number; 32]), LedgerIndex(number.into()))
}

fn write(store: &Store, counts: &mut Counts, number: u8, old: Option<Summary>, new: Summary) {
    let mut changes = Changes::default();
    changes.complaint(complaint(number), old, Row { summary: new, recent: vec![placed(number)] });
    store.write(changes, END, &agency("kota-bandung"), counts).expect("a write");
}

#[test]
fn an_entry_is_found_by_its_key_in_the_row_and_in_the_timeline() {
    let (_folder, store) = store();
    let mut changes = Changes::default();
    changes.no_longer_recent(complaint(1), [placed(1)]);
    changes.complaint(complaint(1), None, Row { summary: summary("ksp", None), recent: vec![placed(2)] });
    store.write(changes, END, &agency("kota-bandung"), &mut Counts::default()).expect("a write");
    let found = |of: u8, entry: u8| {
        let clock = HybridClock::from_bits(u64::from(entry) << 16);
        store.leaf_of(&complaint(of), clock, &EntryId([entry; 32])).expect("readable")
    };
    assert_eq!([found(1, 1), found(1, 2)], [Some(LedgerIndex(1)), Some(LedgerIndex(2))]);
    assert_eq!([found(1, 3), found(2, 1)], [None, None]);
}

#[test]
fn offers_without_an_answer_in_time_are_counted_for_every_holder_and_phase() {
    let (_folder, store) = store();
    let mut counts = Counts::default();
    let closed = Summary { phase: Phase::Resolved, ..summary("kota-bandung", Some(50)) };
    let others = [
        summary("kota-bandung", Some(10)),
        summary("kota-bandung", Some(20)),
        summary("kota-bandung", None),
        summary("kota", Some(10)),
        summary("zz", Some(u64::MAX)),
        closed,
    ];
    for (number, summary) in (0..).zip(others) {
        write(&store, &mut counts, number, None, summary);
    }
    let overdue = |now| store.overdue(now).expect("a count");
    assert_eq!([0, 10, 11, 20, 21, 51, u64::MAX].map(overdue), [0, 0, 2, 2, 3, 4, 4]);
    // Answered: no longer open.
    write(&store, &mut counts, 0, Some(summary("kota-bandung", Some(10))), summary("prov-jabar", None));
    assert_eq!(overdue(51), 3);
    assert_eq!(store.held_by(&agency("prov-jabar")).expect("a list").len(), 1);
    assert_eq!(store.held_by(&agency("kota-bandung")).expect("a list").len(), 3);
}

#[test]
fn entries_that_left_their_row_are_still_in_the_timeline_and_never_twice() {
    let (_folder, store) = store();
    let id = complaint(1);
    let mut changes = Changes::default();
    changes.no_longer_recent(id, (0..40).map(placed));
    // As a crash may leave it: the last ten are in the row as well.
    let row = Row {
        summary: Summary { entries: 45, ..summary("kota-bandung", None) },
        recent: (30..45).map(placed).collect(),
    };
    changes.complaint(id, None, row);
    store.write(changes, END, &agency("kota-bandung"), &mut Counts::default()).expect("a write");
    assert_eq!(store.timeline(&id).expect("a timeline"), (0..45).map(placed).collect::<Vec<_>>());
}

#[test]
fn figures_are_remembered_until_something_is_applied() {
    let (folder, store) = store();
    let mut counts = Counts::default();
    write(&store, &mut counts, 1, None, summary("kota-bandung", None));
    assert_eq!(store.remembered_counts().expect("readable"), None);
    store.remember_counts(&counts).expect("a write");
    store.flush().expect("a flush");
    drop(store);
    let (store, _) = open(folder.path(), 1 << 20).expect("a store");
    assert_eq!(store.remembered_counts().expect("readable"), Some(counts));
    assert_eq!(Counts::of(&store, &agency("kota-bandung")).expect("a count"), counts);
    let later = Position { offset: END.offset + 1, ..END };
    store.write(Changes::default(), later, &agency("kota-bandung"), &mut counts).expect("a write");
    assert_eq!(store.remembered_counts().expect("readable"), None);
}

#[test]
fn what_this_node_has_to_do_is_listed_until_it_was_done() {
    let (_folder, store) = store();
    let mut counts = Counts::default();
    let (offered, waits) = (
        summary("kota-bandung", Some(9)),
        Summary { duties: Duties { recall: true, ..Duties::default() }, ..summary("kota-bandung", Some(9)) },
    );
    write(&store, &mut counts, 1, Some(offered), waits.clone());
    assert_eq!(store.duties().expect("a list"), [complaint(1)].into());
    write(&store, &mut counts, 1, Some(waits), summary("kota-bandung", None));
    assert!(store.duties().expect("a list").is_empty());
}
