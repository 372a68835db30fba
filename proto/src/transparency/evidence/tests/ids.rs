//! One dishonest act has one id, by whichever proofs it is shown.

use super::*;

fn id(federation: &Federation, accused: &str, finding: Kind) -> [u8; 32] {
    judged(federation, &against(accused, finding)).expect("it is proven").id
}

#[test]
fn a_replaced_entry_is_one_finding_by_two_entries_and_by_every_later_tree() {
    let federation = Federation::new();
    let mut case = federation.case_held_by(CITY, PROVINCE);
    case.later(MINUTE);
    let one = federation.node(PROVINCE).progresses(&case).at_leaf(7).entry();
    let other = federation.node(PROVINCE).responds(&case).at_leaf(7).entry();
    let next = federation.node(PROVINCE).responds(&case).at_leaf(8).entry();
    let mut ledger = Ledger::filled(8);
    let displaced = |entry: &Entry, ledger: &Ledger, index, at| {
        let leaf = Some(ledger.proves(index, PROVINCE, at));
        id(&federation, PROVINCE, Kind::ForkedLeaf(wire::Displaced { entry: signed(entry), leaf }))
    };
    let first = displaced(&one, &ledger, 7, START);
    ledger.push(b"more");
    assert_eq!(displaced(&one, &ledger, 7, START + DAY), first, "another tree proves it");
    let pair = Kind::ForkedEntries(wire::TwoEntries { one: signed(&one), other: signed(&other) });
    assert_eq!(id(&federation, PROVINCE, pair), first, "two entries of the same place prove it");
    assert_ne!(displaced(&next, &ledger, 8, START + DAY), first, "another place");
}

#[test]
fn two_trees_of_one_epoch_and_two_roll_backs_of_one_epoch_are_one_finding_each() {
    let federation = Federation::new();
    let trees = |size: u64, at| {
        let (mut one, mut other) = (Ledger::filled(size), Ledger::filled(size));
        one.push(b"one");
        other.push(b"other");
        let (smaller, larger) = (one.signed(CITY, at), other.signed(CITY, at));
        let prefix_root = other.root().to_vec();
        id(&federation, CITY, Kind::ForkedTrees(wire::TwoTrees { smaller, larger, prefix_root, consistency: vec![] }))
    };
    assert_eq!(trees(3, START), trees(5, START + DAY));
    let back = |from, to, at| {
        let (earlier, later) =
            (Ledger::filled(from).signed(CITY, at), Ledger::filled(to).signed(CITY, at + 11 * MINUTE));
        id(&federation, CITY, Kind::RolledBack(wire::RolledBack { earlier, later }))
    };
    assert_eq!(back(5, 2, START), back(9, 4, START + DAY));
    assert_ne!(back(5, 2, START), trees(3, START));
}

#[test]
fn an_omitted_entry_is_one_finding_by_every_receipt_and_every_later_tree() {
    let federation = Federation::new();
    let case = federation.case_at(MINISTRY);
    let offer = federation.node(MINISTRY).forwards(&case).to(PROVINCE).entry();
    let mut honest = Ledger::filled(5);
    let index = honest.push_entry(&offer);
    let mut dropped = Ledger::filled(7);
    let omitted = |ledger: &Ledger, at| {
        let receipt = honest.receipts(PROVINCE, &offer, index, at);
        let leaf = Some(ledger.proves(index, PROVINCE, at));
        id(&federation, PROVINCE, Kind::Omitted(wire::Omitted { entry: signed(&offer), receipt, leaf }))
    };
    let first = omitted(&dropped, START);
    dropped.push(b"more");
    assert_eq!(omitted(&dropped, START + DAY), first);
}

#[test]
fn silence_is_one_finding_however_often_it_is_stated() {
    let federation = Federation::new();
    let silence = |asked_at, answer: &str| {
        id(&federation, CITY, Kind::Unresponsive(wire::Unresponsive { asked_at, answer: answer.to_owned() }))
    };
    assert_eq!(silence(START, ""), silence(START + DAY, "no"));
}
