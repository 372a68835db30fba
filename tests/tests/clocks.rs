//! Wall clocks that are wrong at the start, or become wrong while a node runs, or are set right again. Also peers that are away for days.

use std::collections::BTreeSet;

use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::base::refusal::DeferralCode;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_tests::clock::Clock;
use sinergi_tests::federation::{TestFederation, TestNode, complaint_about, hierarchy, province_and_city};
use sinergi_tests::program::run_on;
use tonic::Code;

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;
const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";

/// Four linked nodes, so that one wrong clock is no majority. The test controls the city's clock.
async fn four_nodes() -> (TestFederation, Clock) {
    let mut federation = TestFederation::make(hierarchy());
    ["kemendagri", "ombudsman", PROVINCE, CITY].iter().for_each(|id| federation.idle_after(id, 15));
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

/// Asserts that peers notice a clock that becomes wrong while the node runs.
async fn is_noticed(seconds: i64) {
    let (federation, clock) = four_nodes().await;
    let province = federation.node(PROVINCE).await;
    hand_over(&federation.node(CITY).await, &province, "Sebelumnya").await;
    province.has_an_empty_outbox().await;
    clock.set_ahead(seconds);
    authors_nothing_until_it_is_right(&federation, &clock, seconds < 0).await;
}

/// Asserts that the node authors nothing and says why. It still accepts entries of others; they wait if its clock is behind (`waits`). When
/// its clock is right again, it continues.
async fn authors_nothing_until_it_is_right(federation: &TestFederation, clock: &Clock, waits: bool) {
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
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
    assert_eq!((after.ledger_size > before, after.deferred > 0), (!waits, waits), "entries of others are kept");
    assert!(province.status().await.alarms.iter().all(|alarm| !alarm.contains("clock")), "three of four are right");

    clock.set_ahead(0);
    city.sees_status(|status| status.alarms.iter().all(|alarm| !alarm.contains("clock"))).await;
    city.accepts(offered.complaint).await;
    hand_over(&city, &province, "Sesudahnya").await;
    province.has_an_empty_outbox().await;
    city.agrees_with(&province).await;
    assert_eq!((city.status().await.deferred, province.status().await.deferred), (0, 0));
    city.has_a_sound_ledger().await;
    federation.is_bounded_in_memory(CITY);
}

/// Asserts that a node does not start if its own certificate is not valid by its clock, and says that the clock may be wrong.
async fn does_not_start_until_it_is_right(seconds: i64, says: &str) {
    let (mut federation, clock) = four_nodes().await;
    hand_over(&federation.node(CITY).await, &federation.node(PROVINCE).await, "Sebelumnya").await;
    federation.stop_node(CITY).await;
    clock.set_ahead(seconds);
    let said = federation.does_not_start(CITY).await;
    for word in ["keys/tls.crt", says, "clock"] {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    clock.set_ahead(0);
    federation.start_node(CITY).await;
    federation.linked().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    hand_over(&city, &province, "Sesudahnya").await;
    province.has_an_empty_outbox().await;
    city.agrees_with(&province).await;
    city.has_a_sound_ledger().await;
}

#[tokio::test]
async fn a_node_whose_clock_is_a_year_ahead_at_its_start_does_not_start_and_says_why() {
    does_not_start_until_it_is_right(YEAR + DAY, "expired").await;
}

#[tokio::test]
async fn a_node_whose_clock_is_a_year_behind_at_its_start_does_not_start_and_says_why() {
    does_not_start_until_it_is_right(-YEAR, "valid from").await;
}

#[tokio::test]
async fn a_node_whose_clock_is_a_month_ahead_at_its_start_learns_that_from_its_peers_before_it_authors_anything() {
    let (mut federation, clock) = four_nodes().await;
    hand_over(&federation.node(CITY).await, &federation.node(PROVINCE).await, "Sebelumnya").await;
    federation.stop_node(CITY).await;
    clock.set_ahead(30 * DAY);
    federation.start_node(CITY).await;
    let city = federation.node(CITY).await;
    // Called at once: the node holds the call until it has heard its peers' times.
    let refused = city.lodges_request(complaint_about("Ditolak")).await.expect_err("nothing is dated by such a clock");
    assert!(refused.message().contains("clock"), "{refused:?}");
    authors_nothing_until_it_is_right(&federation, &clock, false).await;
    assert!(city.lists().await.iter().all(|row| row.title != "Ditolak"), "nothing was written");
}

#[tokio::test]
async fn a_peer_that_was_away_for_seven_days_gets_everything_that_was_done_meanwhile() {
    let mut federation = TestFederation::make(province_and_city());
    let clock = Clock::right();
    [PROVINCE, CITY].iter().for_each(|id| federation.process_mut(id).set_environment(clock.environment()));
    federation.start_all().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    hand_over(&city, &province, "Sebelumnya").await;
    city.has_an_empty_outbox().await;
    federation.stop_node(PROVINCE).await;
    let mut meanwhile = Vec::new();
    for day in 1..=7 {
        clock.set_ahead(day * DAY);
        let lodged = city.lodges(&format!("Hari {day}")).await.complaint;
        city.forwards(lodged, PROVINCE).await;
        meanwhile.push(lodged);
    }
    let away = city.peer(PROVINCE).await;
    let days = |from: u64, until: u64| (until - from) as i64 / 1000 / DAY;
    let newest = city.shows(meanwhile[6]).await.expect("it is here").timeline.last().expect("entries").at;
    assert!(away.linked_since == 0 && away.queue_depth == 14, "{away:?}");
    assert_eq!(days(away.oldest_queued, newest + 60_000), 6, "the operator sees how long the oldest item has waited");

    clock.set_ahead(7 * DAY + 3600);
    federation.start_node(PROVINCE).await;
    federation.linked().await;
    let province = federation.node(PROVINCE).await;
    for complaint in &meanwhile {
        province.has_acts(*complaint, 2).await;
    }
    // The time to answer did not stop meanwhile: both nodes show the same offers as overdue, and the holder makes them again.
    let overdue = province.status().await.offers_overdue;
    assert_eq!(
        (overdue, city.status().await.offers_overdue),
        (4, 4),
        "the offers of the first four days, for 72 hours have passed"
    );
    let mut offered_again = 0;
    for complaint in meanwhile {
        if let Err(late) = province.acts(complaint, Act::Accept(operator_api::Accept {}), None).await {
            assert!(late.message().contains("the time to answer ended at"), "{late:?}");
            offered_again += 1;
            city.acts(complaint, Act::Withdraw(operator_api::Withdraw {}), None).await.expect("the holder withdraws");
            city.forwards(complaint, PROVINCE).await;
            province.has_acts(complaint, 4).await;
            province.accepts(complaint).await;
        }
        city.sees(complaint, |seen| seen.holder == PROVINCE).await;
    }
    assert_eq!(offered_again, overdue);
    province.has_an_empty_outbox().await;
    for node in [&city, &province] {
        let status = node.status().await;
        assert_eq!((status.alarms, status.deferred, status.offers_overdue), (Vec::new(), 0, 0));
        node.has_a_sound_ledger().await;
        federation.is_bounded_in_memory(&node.id);
    }
    city.agrees_with(&province).await;
}

#[tokio::test]
async fn a_node_whose_clock_jumps_a_year_ahead_authors_nothing_until_it_is_right_again() {
    is_noticed(YEAR).await;
}

#[tokio::test]
async fn a_node_whose_clock_falls_a_year_behind_authors_nothing_until_it_is_right_again() {
    is_noticed(-YEAR).await;
}

#[tokio::test]
async fn entries_from_a_clock_that_was_ahead_wait_and_delay_nothing_else() {
    let mut federation = TestFederation::make(province_and_city());
    let clock = Clock::right();
    federation.process_mut(CITY).set_environment(clock.environment());
    // The peer is away, so that nobody tells the city of its wrong clock.
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
