//! Checkpoints of an honest ledger in any order, and of one that was set back, rewritten or begun anew.

use super::*;

const FIRST: Epoch = Epoch(1);

fn noted(epoch: Epoch, size: u64, root: u8, seconds: u64) -> VerifiedCheckpoint {
    let checkpoint = Checkpoint { epoch, size, root: [root; 32], seconds: Some(seconds) };
    VerifiedCheckpoint { checkpoint, note: format!("{epoch} {size} {root} {seconds}").into_bytes() }
}

/// A checkpoint of the honest ledger, whose root is a function of the size.
fn honest(size: u8, seconds: u64) -> VerifiedCheckpoint {
    noted(FIRST, size.into(), size, seconds)
}

fn beginning(size: u8, root: u8) -> Prefix {
    Prefix { size: size.into(), root: [root; 32], proof: vec![[size; 32]] }
}

fn having(all: &[VerifiedCheckpoint]) -> Watched {
    let mut watched = Watched::default();
    for noted in all {
        assert!(!matches!(watched.take(noted.clone()), Taken::Contradicts(_)), "{noted:?}");
    }
    watched
}

fn finding(taken: Taken) -> Finding {
    match taken {
        Taken::Contradicts(finding) => *finding,
        other => panic!("{other:?}"),
    }
}

fn rolled_back(earlier: &VerifiedCheckpoint, later: &VerifiedCheckpoint) -> Finding {
    Finding::RolledBack(wire::RolledBack { earlier: earlier.note.clone(), later: later.note.clone() })
}

/// Whether the newest epoch is contradicted.
fn is_caught(watched: &Watched) -> bool {
    watched.epochs.values().next_back().is_some_and(|newest| newest.is_caught)
}

#[test]
fn checkpoints_that_come_late_or_twice_or_in_any_order_accuse_nobody() {
    let all = [honest(10, 100), honest(10, 160), honest(20, 160), honest(30, 300)];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let mut watched = having(&order.map(|at| all[at].clone()));
        assert_eq!(watched.newest(), Some(&all[3]), "{order:?}");
        for again in &all {
            assert_eq!(watched.take(again.clone()), Taken::Nothing);
        }
    }
}

#[test]
fn more_leaves_are_the_newest_and_a_later_time_of_the_same_tree_is_kept_silently() {
    let mut watched = Watched::default();
    assert_eq!(watched.take(honest(10, 100)), Taken::Newest);
    assert_eq!(watched.take(honest(10, 200)), Taken::Nothing);
    assert_eq!(watched.newest(), Some(&honest(10, 200)));
    assert_eq!(watched.take(honest(9, 50)), Taken::Nothing);
    assert_eq!(watched.newest(), Some(&honest(10, 200)));
    assert_eq!(watched.take(honest(11, 200)), Taken::Newest);
}

#[test]
fn fewer_leaves_at_a_later_time_are_a_roll_back_in_every_order_of_arrival() {
    let (long, short) = (honest(20, 100), honest(10, 701));
    let mut watched = having(std::slice::from_ref(&long));
    assert_eq!(finding(watched.take(short.clone())), rolled_back(&long, &short));
    assert_eq!((watched.newest(), is_caught(&watched)), (Some(&long), true), "it is never the newest");
    let mut watched = having(std::slice::from_ref(&short));
    assert_eq!(finding(watched.take(long.clone())), rolled_back(&long, &short));
    assert_eq!(watched.newest(), Some(&short));
}

#[test]
fn a_clock_that_was_corrected_within_the_margin_is_no_roll_back() {
    let mut watched = having(&[honest(20, 100), honest(10, 700)]);
    assert_eq!(watched.newest(), Some(&honest(20, 100)));
    assert_eq!(watched.take(honest(21, 701)), Taken::Newest);
}

#[test]
fn a_checkpoint_without_a_time_shows_no_roll_back() {
    let mut watched = having(&[honest(20, 100)]);
    let mut short = honest(10, 701);
    short.checkpoint.seconds = None;
    assert_eq!(watched.take(short), Taken::Nothing);
}

#[test]
fn a_checkpoint_without_a_time_shows_that_the_ledger_has_grown_and_that_it_was_forked() {
    let timeless = |size, root| {
        let mut noted = noted(FIRST, size, root, 0);
        noted.checkpoint.seconds = None;
        noted
    };
    let mut watched = having(&[honest(10, 100)]);
    assert_eq!(watched.take(timeless(20, 20)), Taken::Newest);
    assert_eq!((watched.take(honest(20, 300)), watched.newest()), (Taken::Nothing, Some(&honest(20, 300))));
    assert_eq!((watched.take(timeless(20, 20)), watched.newest()), (Taken::Nothing, Some(&honest(20, 300))));
    assert!(matches!(watched.clone().take(honest(15, 901)), Taken::Contradicts(_)), "the time of the larger counts");
    finding(watched.take(timeless(20, 77)));
}

#[test]
fn two_trees_of_one_size_are_a_fork_also_before_the_newest() {
    let mut watched = having(&[honest(10, 100), honest(20, 200)]);
    let other = noted(FIRST, 10, 77, 90);
    let expected = two_trees(&honest(10, 100).note, &other.note, [77; 32], &[]);
    assert_eq!(finding(watched.take(other)), expected);
}

#[test]
fn an_agency_that_was_caught_is_not_accused_again_before_a_new_epoch() {
    let mut watched = having(&[honest(20, 100)]);
    finding(watched.take(honest(10, 701)));
    assert_eq!(watched.take(honest(9, 1400)), Taken::Nothing);
    assert_eq!((watched.take(honest(30, 1500)), watched.newest()), (Taken::Nothing, Some(&honest(20, 100))));
    assert!(watched.to_ask().is_empty());
    let new = noted(Epoch(2), 3, 1, 200);
    assert_eq!((watched.take(new.clone()), is_caught(&watched)), (Taken::Newest, false));
    assert_eq!(watched.newest(), Some(&new));
    assert_eq!(watched.take(honest(9, 801)), Taken::Nothing, "and not in the old one");
    assert_eq!(watched.newest(), Some(&new));
}

#[test]
fn a_new_epoch_ends_the_watch_over_no_earlier_one() {
    let mut watched = having(&[honest(10, 100), noted(Epoch(2), 3, 3, 900)]);
    assert_eq!(watched.take(honest(9, 300)), Taken::Nothing, "it may have been signed before");
    assert_eq!(watched.take(honest(9, 600)), Taken::Nothing);
    assert_eq!(watched.take(noted(Epoch(1), 11, 11, 1501)), Taken::Back, "it signs in an epoch that is over");
    let other = noted(Epoch(1), 10, 77, 120);
    assert_eq!(finding(watched.take(other.clone())), two_trees(&honest(10, 100).note, &other.note, [77; 32], &[]));
    assert_eq!(
        (watched.take(honest(9, 2000)), is_caught(&watched)),
        (Taken::Nothing, false),
        "only that epoch is caught"
    );
    assert_eq!(watched.newest(), Some(&noted(Epoch(2), 3, 3, 900)));
    finding(watched.take(noted(Epoch(2), 3, 78, 900)));
}

#[test]
fn a_few_epochs_are_remembered_and_none_that_is_too_far_ahead() {
    let mut watched = having(&[honest(10, 100)]);
    assert_eq!(watched.take(noted(Epoch(10), 1, 1, 200)), Taken::Nothing);
    assert_eq!(watched.take(noted(Epoch(9), 1, 1, 200)), Taken::Newest);
    for epoch in 10..13 {
        assert_eq!(watched.take(noted(Epoch(epoch), 1, 1, 200)), Taken::Newest);
    }
    assert_eq!(watched.epochs.keys().copied().collect::<Vec<_>>(), [9, 10, 11, 12].map(Epoch));
    assert_eq!(watched.take(noted(Epoch(1), 10, 77, 100)), Taken::Nothing);
    assert_eq!(watched.epochs.len(), 4);
    let mut of_the_last = having(&[noted(Epoch(u32::MAX - 1), 1, 1, 200)]);
    assert_eq!(of_the_last.take(noted(Epoch(u32::MAX - 1), 2, 2, 300)), Taken::Newest);
    assert_eq!(of_the_last.take(noted(Epoch(u32::MAX), 2, 2, 300)), Taken::Newest);
}

#[test]
fn new_epochs_do_not_make_the_watch_forget_what_was_found() {
    let mut watched = having(&[honest(10, 100)]);
    finding(watched.take(noted(Epoch(1), 10, 77, 100)));
    for epoch in 2..9 {
        assert_eq!(watched.take(noted(Epoch(epoch), 1, 1, 200)), Taken::Newest);
    }
    assert_eq!(watched.take(noted(Epoch(1), 10, 78, 100)), Taken::Nothing, "it was found already");
    assert!(watched.epochs[&Epoch(1)].is_caught);
}

#[test]
fn the_first_checkpoint_needs_no_proof_and_every_other_one_needs_one() {
    let mut watched = having(&[honest(10, 100)]);
    assert!(watched.to_ask().is_empty());
    watched.take(honest(20, 200));
    // A third party shows an older one.
    watched.take(honest(5, 50));
    assert_eq!(watched.to_ask(), [10, 5, 20]);
    let all = vec![beginning(10, 10), beginning(5, 5), beginning(20, 20)];
    assert_eq!(watched.answered(honest(25, 250), all), None);
    assert!(watched.to_ask().is_empty());
    assert_eq!(watched.newest(), Some(&honest(25, 250)));
    for again in [honest(5, 50), honest(20, 200), honest(25, 250)] {
        watched.take(again);
    }
    assert!(watched.to_ask().is_empty());
    watched.take(honest(30, 300));
    assert_eq!(watched.to_ask(), [25, 30], "from the last that was shown on");
}

#[test]
fn an_answer_whose_tree_begins_with_other_leaves_is_a_fork_and_the_last_checked_one_is_the_newest() {
    let mut watched = having(&[honest(10, 100), honest(20, 200)]);
    let tree = honest(25, 250);
    let beginnings = vec![beginning(10, 10), beginning(20, 99)];
    let expected = two_trees(&honest(20, 200).note, &tree.note, [99; 32], &[[20; 32]]);
    assert_eq!(watched.answered(tree, beginnings), Some(expected));
    assert_eq!((watched.newest(), is_caught(&watched)), (Some(&honest(10, 100)), true));
}

#[test]
fn an_answer_with_a_rolled_back_tree_is_found_without_its_proofs() {
    let mut watched = having(&[honest(10, 100), honest(20, 200)]);
    let back = honest(15, 801);
    assert_eq!(watched.answered(back.clone(), Vec::new()), Some(rolled_back(&honest(20, 200), &back)));
}

#[test]
fn the_memory_is_bounded_and_keeps_the_last_checked_and_the_newest_size() {
    let mut watched = having(&[honest(1, 1)]);
    for size in 2..=u8::MAX {
        watched.take(honest(size, size.into()));
    }
    let sizes = watched.to_ask();
    assert_eq!(sizes.len(), CHECKPOINTS_WATCHED);
    assert_eq!((sizes[0], sizes.last().copied()), (1, Some(u8::MAX.into())));
    let all = sizes.iter().map(|size| u8::try_from(*size).expect("small")).map(|size| beginning(size, size));
    assert_eq!(watched.answered(honest(u8::MAX, 255), all.collect()), None);
    assert!(watched.to_ask().is_empty());
}

#[test]
fn fewer_leaves_within_the_margin_of_a_corrected_clock_are_asked_about() {
    let mut watched = having(&[honest(20, 1000)]);
    assert_eq!(watched.take(honest(10, 1001)), Taken::Back);
    assert_eq!((watched.newest(), watched.to_ask()), (Some(&honest(20, 1000)), vec![20, 10]));
    let other = vec![beginning(20, 20), beginning(10, 99)];
    assert!(watched.answered(honest(25, 1100), other).is_some(), "it was another ledger");
}

#[test]
fn a_later_epoch_without_leaves_is_ignored() {
    let mut watched = having(&[honest(20, 100)]);
    assert_eq!(watched.take(noted(Epoch(9), 0, 0, 200)), Taken::Nothing);
    assert_eq!(watched.newest(), Some(&honest(20, 100)));
    assert_eq!(having(&[noted(FIRST, 0, 0, 200)]).newest(), Some(&noted(FIRST, 0, 0, 200)));
}
