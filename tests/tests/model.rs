//! Checks one hand-over in every order of events within some bounds: custody stays accountable whatever the network does, even if an agency
//! lies.
//!
//! `cargo run --release -p sinergi-tests --bin model` checks larger spaces.

use sinergi_tests::model::{Bounds, check};
use tokio::time::Instant;

/// The city offers the complaint to its province and a ministry. The moments are before `answer_by`, after it, and after its margin.
const SMALL: Bounds = Bounds { agencies: 3, entries: 4, moments: 3, lost: 0, repeated: 0, lies: 0, free: false };

/// Checks the whole space. It must have at least `states` states, because a space that shrank unnoticed would prove nothing.
fn holds_in(bounds: Bounds, states: usize) {
    let began = Instant::now();
    let checked = check(bounds);
    println!("{bounds:?}: {} states, depth {}, {:?}", checked.states, checked.depth, began.elapsed());
    assert!(checked.violated.is_empty(), "{}", checked.violated.join("\n"));
    assert!(checked.states >= states, "{} states, expected at least {states}", checked.states);
}

#[test]
fn custody_is_accountable_in_every_order_of_events() {
    holds_in(Bounds { entries: 5, ..SMALL }, 140_000);
}

#[test]
fn a_network_that_loses_and_repeats_changes_nothing() {
    holds_in(Bounds { lost: 1, repeated: 1, ..SMALL }, 200_000);
}

#[test]
fn an_agency_that_acts_on_a_replaced_custody_entry_wins_nothing() {
    holds_in(Bounds { lies: 1, ..SMALL }, 75_000);
}
