//! The receipts that a node shows by itself when two acts compete.

use prost::Message;

use super::*;
use crate::fixture::ledger::Ledger;
use crate::fixture::{ANSWER_WITHIN, Case as FixtureCase, MINUTE};

/// `kominfo` has accepted an offer of `kota-bandung`. The withdrawal of that offer is on its way to it.
struct Stage<'f> {
    node: TestNode,
    complaint: ComplaintId,
    accepted: EntryId,
    withdraws: Writing,
    federation: &'f Federation,
}

impl<'f> Stage<'f> {
    fn set(federation: &'f Federation, peers: &[&str]) -> Self {
        let mut node = TestNode::of(federation, "kominfo", peers);
        let lodges = federation.node("kota-bandung").lodges();
        let mut case = FixtureCase::lodged(federation, &lodges.entry());
        let forwards = federation.node("kota-bandung").forwards(&case).to("kominfo").at_leaf(1);
        node.deliver(peers[0], vec![item(&lodges), item(&forwards)]);
        case.take(forwards);
        let withdraws = federation.node("kota-bandung").withdraws(&case).at(START + ANSWER_WITHIN + 11 * MINUTE);
        node.apply();
        let complaint = case.complaint.id();
        let accepted = node.act(complaint, Command::Accept).expect("in time").entry;
        node.apply();
        Self { node, complaint, accepted, withdraws, federation }
    }

    /// The receipt of a peer for the acceptance, the node's leaf 2, with this time, in milliseconds since 1970.
    fn receives_receipt(&mut self, peer: &str, at: u64) {
        let ack = Ledger::filled(8).acknowledges(peer, self.accepted, 7, at, 1);
        let cursor = Cursor::end(Epoch::FIRST, LedgerIndex(3), 0);
        let header = ReceiptHeader { at, peer: agency(peer), cursor, unsettled: Vec::new(), settled: Vec::new() };
        self.node.give(Input::Receipt(header, ack.encode_to_vec()));
        assert_eq!(self.node.apply(), [format!("receipt of {peer}")]);
    }

    /// The withdrawal comes, after the time to answer.
    fn rival_comes(&mut self) {
        self.node.now = START + ANSWER_WITHIN + 11 * MINUTE;
        let outcomes = self.node.deliver("kota-bandung", vec![item(&self.withdraws.clone())]);
        assert_eq!(outcomes, [ItemOutcome::Leaf(LedgerIndex(3))]);
        self.node.apply();
    }

    fn tick(&mut self) -> Vec<String> {
        assert!(matches!(self.node.give(Input::Tick), Answer::Nothing));
        self.node.apply()
    }

    fn is_witnessed(&mut self) -> bool {
        let case = self.node.view.case(&self.complaint).expect("readable").expect("here");
        case.complaint.is_witnessed(&self.accepted)
    }
}

const PEERS: [&str; 3] = ["kota-bandung", "ombudsman", "kemendagri"];

/// The records of a tick in which the receipt is shown.
fn shows(written: &[String]) -> bool {
    written.iter().any(|record| record.starts_with("leaf Proven -> "))
}

#[test]
fn a_receipt_is_shown_when_a_rival_comes_and_only_once() {
    let federation = Federation::new();
    let mut stage = Stage::set(&federation, &PEERS);
    stage.receives_receipt("ombudsman", START);
    assert_eq!(stage.tick(), [""; 0], "nothing competes");
    stage.rival_comes();
    let written = stage.tick();
    assert_eq!(written, ["leaf Proven -> kemendagri,kota-bandung,ombudsman", "signature of 4"]);
    assert!(stage.is_witnessed());
    assert_eq!(stage.tick(), [""; 0]);
}

#[test]
fn a_receipt_that_comes_after_the_rival_is_shown_too() {
    let federation = Federation::new();
    let mut stage = Stage::set(&federation, &PEERS);
    stage.rival_comes();
    assert_eq!(stage.tick(), [""; 0]);
    stage.receives_receipt("ombudsman", START);
    // The acceptance is days old, so no receipt is waited for. The withdrawal is new: the node looks again for its sake.
    assert!(shows(&stage.tick()));
}

#[test]
fn no_receipt_is_waited_for_when_it_would_come_too_late() {
    let federation = Federation::new();
    let mut stage = Stage::set(&federation, &PEERS);
    stage.rival_comes();
    stage.node.now += 121 * MINUTE;
    assert_eq!(stage.tick(), [""; 0]);
    assert!(!stage.node.engine.searches.is_empty(), "every act is looked at twice");
    assert_eq!(stage.tick(), [""; 0]);
    assert!(stage.node.engine.searches.is_empty());
}

#[test]
fn a_receipt_that_decides_nothing_is_not_shown() {
    let federation = Federation::new();
    let hour = 60 * MINUTE;
    for (peer, at, is_shown) in [
        ("kota-bandung", START, true),
        ("ombudsman", START, true),
        ("ombudsman", START + hour, true),
        ("ombudsman", START + hour + 2_000, false),
        ("kemendagri", START, false),
    ] {
        let mut stage = Stage::set(&federation, &PEERS);
        stage.receives_receipt(peer, at);
        stage.rival_comes();
        assert_eq!(shows(&stage.tick()), is_shown, "{peer} at {at}");
        assert_eq!(stage.is_witnessed(), is_shown, "{peer} at {at}");
    }
}

#[test]
fn a_tick_looks_at_few_of_many_competing_acts_and_comes_to_all() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "ksp", &["kominfo", "ombudsman"]);
    let lodges = federation.node("kominfo").lodges();
    let case = FixtureCase::lodged(&federation, &lodges.entry());
    // One hundred offers on one basis. Each was sent to a witness, whose receipt for the last one is here.
    let offers: Vec<Writing> =
        (1..=100).map(|leaf| federation.node("kominfo").forwards(&case).to("kota-bandung").at_leaf(leaf)).collect();
    let items = [vec![item(&lodges)], offers.iter().map(item).collect()].concat();
    assert_eq!(node.deliver("kominfo", items).len(), 101);
    node.apply();
    let last = offers[99].entry().id;
    let ack = Ledger::filled(8).acknowledges("ombudsman", last, 7, START, 1);
    let cursor = Cursor::end(Epoch::FIRST, LedgerIndex(101), 0);
    let header =
        ReceiptHeader { at: START, peer: agency("ombudsman"), cursor, unsettled: Vec::new(), settled: Vec::new() };
    node.give(Input::Receipt(header, ack.encode_to_vec()));
    node.apply();
    let mut reads = Vec::new();
    let shown_after = (1..=8).find(|_| {
        node.view.receipts_asked = 0;
        node.give(Input::Tick);
        reads.push(node.view.receipts_asked);
        shows(&node.apply())
    });
    assert_eq!(shown_after, Some(4), "32 acts a tick");
    assert_eq!(reads, [32, 32, 32, 4], "one agency may be the witness: oversight beside this node");
    let case = node.view.case(&case.complaint.id()).expect("readable").expect("here");
    assert_eq!(case.complaint.tip(), last, "it wins by its witness");
    // The offers before it in the order would win with a witness as well, so they are looked at once more, and then no longer.
    node.now += 121 * MINUTE;
    let ticks = (1..=20).find(|_| {
        node.give(Input::Tick);
        assert!(!shows(&node.apply()));
        node.engine.searches.is_empty()
    });
    assert!(ticks.is_some(), "the search ends");
}

#[test]
fn a_node_that_starts_shows_what_it_had_not_shown() {
    let federation = Federation::new();
    let mut stage = Stage::set(&federation, &PEERS);
    stage.receives_receipt("ombudsman", START);
    stage.rival_comes();
    let mut again = TestNode::starting(stage.federation, "kominfo", &PEERS, stage.node.view.clone());
    again.now = stage.node.now + 400 * 60 * MINUTE;
    again.give(Input::Guard(GuardState::Clear));
    stage.node = again;
    assert!(shows(&stage.tick()), "however much later it starts");
}
