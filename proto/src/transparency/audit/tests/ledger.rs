//! Contradictions in the ledger: forked, rolled back, omitted, back-dated.

use super::*;

#[test]
fn two_entries_in_one_place_are_forked_and_the_same_entry_twice_is_not() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let other = federation.node(PROVINCE).responds(&scene.case).at_leaf(PROGRESSED).entry();
    let honest = federation.node(PROVINCE).responds(&scene.case).at_leaf(8).entry();
    scene.has_beside(&honest);
    scene.shown.push_entry(&honest);
    scene.finds(&[]);
    scene.has_beside(&other);
    // The later entry does not descend from the second one, which its author says was in its ledger before.
    scene.finds(&[Finding::Forked, Finding::Concealed]);
    // Both entries, and the leaf that the ledger holds there, are two proofs of one fork; the other finding is that it was left out.
    assert_eq!(scene.audited().findings.len(), 2);
}

#[test]
fn two_trees_of_one_size_are_forked() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let mut other = Ledger::filled(8);
    scene.seen.push(other.signed(PROVINCE, START + 40 * MINUTE));
    scene.finds(&[Finding::Forked]);
    // A ledger that another agency signs says nothing about this one.
    let mut scene = Scene::honest(&federation);
    other.push(b"more");
    scene.seen.push(other.signed(MINISTRY, START + 40 * MINUTE));
    scene.finds(&[]);
}

#[test]
fn a_tree_that_does_not_begin_with_a_signed_one_is_forked() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.shown.push(b"leaf 8");
    scene.finds(&[]);
    scene.rewrites(0, b"another");
    scene.finds(&[Finding::Forked]);
}

#[test]
fn a_ledger_that_shrank_is_rolled_back() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.shown = scene.shown.cut_to(5);
    // It also wrote leaves before the time at which it signed that there are none.
    scene.finds(&[Finding::RolledBack, Finding::BackDated]);
}

#[test]
fn a_new_epoch_is_in_order_if_it_is_declared_and_rolled_back_if_not() {
    let federation = Federation::new();
    let honest = Scene::honest(&federation);
    let declared = begins_anew(&honest, &declaration(&federation).signed());
    declared.finds(&[]);
    let audited = declared.audited();
    assert_eq!((audited.of_earlier_epochs, audited.checked, audited.no_answer), (2, 9, None));
    assert_eq!(audited.lost, [], "it holds again what it acknowledged");
    begins_anew(&Scene::overseen(&federation), &declaration(&federation).signed()).finds(&[]);
    begins_anew(&honest, &signed_bytes(b"anything".as_slice().into(), None)).finds(&[Finding::RolledBack]);
}

#[test]
fn what_an_agency_acknowledged_in_an_earlier_epoch_and_no_longer_holds_is_listed() {
    let federation = Federation::new();
    let mut forgets = begins_anew(&Scene::honest(&federation), &declaration(&federation).signed());
    forgets.shown = forgets.shown.cut_to(1);
    let audited = forgets.audited();
    assert_eq!((audited.of_earlier_epochs, audited.lost.len(), audited.findings.len()), (2, 2, 0));
    let entries: Vec<EntryId> = audited.lost.iter().map(|(entry, _)| *entry).collect();
    assert!(entries.is_sorted(), "{entries:?}");
}

#[test]
fn of_two_receipts_for_one_entry_the_false_one_counts_although_the_other_is_newer() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let other = federation.node(MINISTRY).lodges().at(START + 40 * MINUTE).at_leaf(4).entry();
    scene.has_beside(&other);
    scene.shown.push_entry(&other);
    scene.has_receipt(&other, 7, START + 41 * MINUTE);
    scene.has_receipt(&other, 8, START + 42 * MINUTE);
    scene.finds(&[Finding::Omitted]);
}

#[test]
fn an_acknowledged_entry_that_is_not_at_the_leaf_of_its_receipt_is_omitted() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let other = federation.node(MINISTRY).lodges().at(START + 40 * MINUTE).at_leaf(4).entry();
    scene.has_beside(&other);
    let mut dropped = scene.clone();
    scene.shown.push_entry(&other);
    scene.has_receipt(&other, 8, START + 41 * MINUTE);
    scene.finds(&[]);
    dropped.shown.push(b"something else");
    dropped.own = scene.own;
    // The checkpoint in the receipt shows the old tree.
    dropped.finds(&[Finding::Forked, Finding::Omitted]);
    // A receipt from before the scope of the audit is not checked.
    dropped.scope.since = START + DAY;
    dropped.finds(&[]);
}

#[test]
fn an_own_entry_that_is_not_in_its_place_is_forked() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.seen.clear();
    scene.rewrites(PROGRESSED, b"something milder");
    scene.finds(&[Finding::Forked]);
}

#[test]
fn an_entry_after_a_cosigned_size_is_back_dated_if_it_is_dated_before_the_margin() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.seen.push(scene.shown.signed(PROVINCE, START + DAY));
    let answer = federation.node(PROVINCE).responds(&scene.case).at_leaf(8);
    for (before, expected) in [(9, vec![]), (10, vec![]), (11, vec![Finding::BackDated])] {
        let mut scene = scene.clone();
        let entry = answer.clone().at(START + DAY - before * MINUTE).entry();
        scene.has_beside(&entry);
        scene.shown.push_entry(&entry);
        scene.finds(&expected);
    }
    // A time that was cosigned before the entry's leaf was reached, in another epoch, says nothing.
    scene.seen.push(scene.shown.signed_in(PROVINCE, Epoch(9), START + DAY));
    let entry = answer.at(START + DAY - 5 * MINUTE).entry();
    scene.has_beside(&entry);
    scene.shown.push_entry(&entry);
    scene.finds(&[]);
}

#[test]
fn a_time_line_under_an_unknown_key_hides_no_true_one() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let truly = String::from_utf8(scene.shown.signed(PROVINCE, START + DAY)).expect("a note");
    // Links see the true time, because they skip lines of unknown keys.
    let other = String::from_utf8(scene.shown.signed(MINISTRY, 1000)).expect("a note");
    let time_line = |note: &str| note.lines().last().expect("a time line").to_owned();
    let false_line = time_line(&other).replace(MINISTRY, PROVINCE);
    let note = truly.replace(&time_line(&truly), &format!("{false_line}\n{}", time_line(&truly)));
    let opened = federation.charters.open_checkpoint(note.as_bytes(), &agency(PROVINCE)).expect("it opens");
    assert_eq!(opened.seconds, Some((START + DAY) / 1000));
    scene.seen.push(note.into_bytes());
    let entry = federation.node(PROVINCE).responds(&scene.case).at_leaf(8).at(START + DAY - 11 * MINUTE).entry();
    scene.has_beside(&entry);
    scene.shown.push_entry(&entry);
    scene.finds(&[Finding::BackDated]);
}

#[test]
fn an_entry_in_a_later_epoch_than_the_one_that_is_shown_is_no_problem_of_the_comparison() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.has_beside(&declaration(&federation));
    scene.finds(&[]);
}
