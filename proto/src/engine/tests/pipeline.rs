//! Tests of batches, backlog and takeover.

use super::*;

#[test]
fn an_input_that_changes_nothing_leaves_no_batch() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "prov-jabar", &[]);
    node.give(Input::Tick);
    node.give(Input::Work);
    assert_eq!(node.close().0, None);
    node.lodge("a", None, None).expect("lodged");
    assert_eq!(node.close().0, Some(BatchNumber(1)));
    assert_eq!(node.close().0, None);
}

#[test]
fn a_decision_sees_batches_that_are_not_applied_yet_even_with_a_cache_of_one_complaint() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "prov-jabar", &["kemendagri"]);
    let complaints: Vec<_> = (0..5).map(|_| node.lodge("a", None, None).expect("lodged").complaint).collect();
    let first = node.close();
    for complaint in &complaints {
        let offer = NewOffer { to: agency("kemendagri"), reason: 1, answer_by: None };
        node.act(*complaint, Command::Forward(offer)).expect("forwarded");
    }
    node.apply_batch(first.0.expect("a batch"), first.1);
    node.apply();
    // Now the cache has room for one complaint, and the others are read from the view.
    for complaint in &complaints {
        let again = NewOffer { to: agency("kemendagri"), reason: 1, answer_by: None };
        assert!(
            matches!(node.act(*complaint, Command::Forward(again)), Err(CommandError::Declined(_))),
            "it is offered"
        );
    }
    let in_memory = complaints.iter().filter(|id| node.engine.case(id).is_some()).count();
    assert!(in_memory <= 2, "{in_memory} complaints");
}

#[test]
fn a_new_peer_gets_every_complaint_that_it_should_have_and_after_a_crash_the_backfill_starts_again() {
    let federation = Federation::new();
    let mut before = TestNode::of(&federation, "prov-jabar", &["kota-bandung"]);
    before.apply();
    for _ in 0..100 {
        // Kemendagri is the province's supervisor.
        before.lodge("a", None, None).expect("lodged");
    }
    before.apply();
    let mut node = TestNode::starting(&federation, "prov-jabar", &["kemendagri", "kota-bandung"], before.view.clone());
    node.give(Input::Guard(GuardState::Clear));
    node.give(Input::Work);
    let (number, half) = node.close();
    assert_eq!(half.records.len(), 64, "one slice");
    // A crash after the slice is durable: the peer's backfill is not complete.
    let mut view = before.view;
    view.apply(half.records);
    assert!(number.is_some());
    let mut again = TestNode::starting(&federation, "prov-jabar", &["kemendagri", "kota-bandung"], view);
    again.give(Input::Guard(GuardState::Clear));
    let written = again.apply();
    assert_eq!(written.len(), 101);
    assert_eq!(written.last().map(String::as_str), Some("backfilled kemendagri"));
    assert!(written[..100].iter().all(|record| record.ends_with("again -> kemendagri")), "{written:?}");
    assert!(!again.engine.has_backlog());
}

#[test]
fn the_same_inputs_give_the_same_batches() {
    let run = || {
        let federation = Federation::new();
        let mut node = TestNode::of(&federation, "prov-jabar", &["kemendagri", "kota-bandung"]);
        let lodged = node.lodge("a", None, Some("kemendagri")).expect("lodged");
        node.deliver("kota-bandung", vec![item(&federation.node("kota-bandung").lodges())]);
        node.act(lodged.complaint, Command::Recall).expect("recalled");
        let (_, batch) = node.close();
        format!("{batch:?}")
    };
    assert_eq!(run(), run());
}

#[test]
fn a_new_ledger_takes_over_the_old_one_under_its_own_rules() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kemendagri"]);
    let reset = wire::LedgerReset { old_epoch: 1, ..Default::default() };
    assert!(matches!(node.give(Input::Declare(reset)), Answer::Declared(Ok(()))));
    let header = |from: Option<&str>, external| LeafHeader {
        at: 0,
        from: from.map(agency),
        relays: 0,
        routes: Vec::new(),
        unreachable: Vec::new(),
        external,
    };
    let external = External { source: "lapor".to_owned(), id: "7".to_owned() };
    let own = federation.node("prov-jabar").lodges();
    let theirs = federation.node("kota-bandung").lodges();
    for (header, entry) in [(header(None, Some(external.clone())), &own), (header(Some("kota-bandung"), None), &theirs)]
    {
        node.give(Input::TakeOver(Box::new(OldEntry { header, received: item(entry) })));
    }
    let written: Vec<String> = node.batch.records.iter().map(shown).collect();
    let expected = ["leaf LedgerReset -> kemendagri", "leaf Lodged -> kemendagri", "leaf Lodged -> kemendagri"];
    assert_eq!(written, expected);
    let known = node.lodge("a", Some(external), None).expect("known");
    assert!(known.existed, "it keeps the record of another system that it came from");
}
