//! Wall clocks that are wrong: a year off, stepping back, and set right again.

use std::collections::BTreeSet;

use sinergi_proto::ids::ComplaintId;
use sinergi_proto::refusal::DeferralCode;
use sinergi_tests::clock::Clock;
use sinergi_tests::federation::{TestFederation, TestNode, complaint_about, hierarchy, province_and_city};
use sinergi_tests::program::run_on;
use tonic::Code;

const YEAR: i64 = 365 * 24 * 60 * 60;
const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";

/// Four linked nodes, so that one wrong clock is no majority; the city's is the test's.
async fn four_nodes() -> (TestFederation, Clock) {
    let mut federation = TestFederation::make(hierarchy());
    ["kemendagri", "ombudsman", PROVINCE, CITY].iter().for_each(|id| federation.idle_after(id, 5));
    let clock = Clock::right();
    federation.process_mut(CITY).set_environment(clock.environment());
    federation.start_all().await;
    (federation, clock)
}

async fn hand_over(from: &TestNode, to: &TestNode, title: &str) -> ComplaintId {
    let lodged = from.lodges(title).await;
    from.forwards(lodged.complaint, &to.id).await;
    to.accepts(lodged.complaint).await;
    lodged.complaint
}

/// The clock is found out while the node runs: it authors nothing, says why, still keeps what others write, and goes on when it is right.
async fn is_found_out(seconds: i64) {
    let (federation, clock) = four_nodes().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    hand_over(&city, &province, "Sebelumnya").await;
    clock.set_ahead(seconds);
    city.sees_status(|status| status.alarms.iter().any(|alarm| alarm.contains("clock"))).await;
    let before = city.status().await.ledger_size;
    let refused =
        city.lodges_request(complaint_about("Ditolak")).await.expect_err("nothing is written with a wrong clock");
    assert!(refused.code() == Code::FailedPrecondition && refused.message().contains("clock"), "{refused:?}");
    let folder = federation.folder_of(CITY);
    let arguments = ["complaint", "lodge", "--category", "road", "--title", "Ditolak", "--text", "Ditolak"];
    let said = run_on(&folder, &arguments);
    assert!(said.code == 4 && said.err.contains("clock"), "{said:?}");

    let offered = province.lodges("Dari provinsi").await;
    province.forwards(offered.complaint, CITY).await;
    province.has_an_empty_outbox().await;
    let after = city.status().await;
    // To a clock that is behind, what others write is of the future: it waits.
    let waits = seconds < 0;
    assert_eq!((after.ledger_size > before, after.deferred > 0), (!waits, waits), "what others write is kept");
    assert!(province.status().await.alarms.iter().all(|alarm| !alarm.contains("clock")), "three of four are right");

    clock.set_ahead(0);
    city.sees_status(|status| status.alarms.iter().all(|alarm| !alarm.contains("clock"))).await;
    city.accepts(offered.complaint).await;
    hand_over(&city, &province, "Sesudahnya").await;
    province.has_an_empty_outbox().await;
    city.agrees_with(&province).await;
    assert_eq!((city.status().await.deferred, province.status().await.deferred), (0, 0));
    city.has_a_sound_ledger().await;
}

#[tokio::test]
async fn a_node_whose_clock_jumps_a_year_ahead_authors_nothing_until_it_is_right_again() {
    is_found_out(YEAR).await;
}

#[tokio::test]
async fn a_node_whose_clock_falls_a_year_behind_authors_nothing_until_it_is_right_again() {
    is_found_out(-YEAR).await;
}

#[tokio::test]
async fn a_clock_that_steps_back_within_the_bound_keeps_the_order_of_what_is_written() {
    let (federation, clock) = four_nodes().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    let lodged = city.lodges("Sebelum mundur").await;
    clock.set_ahead(-120);
    city.forwards(lodged.complaint, PROVINCE).await;
    province.accepts(lodged.complaint).await;
    let after = hand_over(&city, &province, "Sesudah mundur").await;
    assert!(after.lodged_millis() >= lodged.complaint.lodged_millis(), "the clock in its id did not go back");
    let seen = province.shows(lodged.complaint).await.expect("it arrived").timeline;
    assert!(seen.iter().map(|row| row.at).is_sorted() && seen.len() == 3, "{seen:#?}");
    province.has_an_empty_outbox().await;
    city.agrees_with(&province).await;
}

#[tokio::test]
async fn what_was_written_while_nobody_could_tell_that_the_clock_was_ahead_waits_and_holds_back_nothing_else() {
    let mut federation = TestFederation::make(province_and_city());
    let clock = Clock::right();
    federation.process_mut(CITY).set_environment(clock.environment());
    // Its peer is away, so that nobody tells it.
    clock.set_ahead(YEAR / 12);
    federation.start_node(CITY).await;
    let city = federation.node(CITY).await;
    let early = city.lodges("Dari masa depan").await;
    city.forwards(early.complaint, PROVINCE).await;
    clock.set_ahead(0);
    federation.start_node(PROVINCE).await;
    federation.linked().await;
    let province = federation.node(PROVINCE).await;
    hand_over(&city, &province, "Tepat waktu").await;
    let waiting = province.deferred().await;
    assert!(waiting.iter().all(|item| item.code == DeferralCode::ClockAhead.number()), "{waiting:#?}");
    let entries: BTreeSet<_> = waiting.into_iter().map(|item| item.entry_id).collect();
    assert_eq!(entries.len(), 2, "both that were written ahead of time, and nothing else");
    city.has_a_sound_ledger().await;
}
