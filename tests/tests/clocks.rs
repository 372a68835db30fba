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
    city.sees_status(|status| status.alarms.iter().any(|alarm| alarm.text.contains("clock"))).await;
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
    // Entries of others are kept. Those that wait stay in the sender's outbox until they are taken.
    let after = match waits {
        true => city.sees_status(|status| status.deferred >= 2).await,
        false => {
            province.has_an_empty_outbox().await;
            city.status().await
        }
    };
    assert_eq!((after.ledger_size > before, after.deferred > 0), (!waits, waits), "entries of others are kept");
    province.sees_status(|status| (status.outbox > 0) == waits).await;
    assert!(
        province.status().await.alarms.iter().all(|alarm| !alarm.text.contains("clock")),
        "three of four are right"
    );

    clock.set_ahead(0);
    city.sees_status(|status| status.alarms.iter().all(|alarm| !alarm.text.contains("clock"))).await;
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
        clock.set_passed(day * DAY);
        let lodged = city.lodges(&format!("Hari {day}")).await.complaint;
        city.forwards(lodged, PROVINCE).await;
        meanwhile.push(lodged);
    }
    let away = city.peer(PROVINCE).await;
    let days = |from: u64, until: u64| (until - from) as i64 / 1000 / DAY;
    let newest = city.shows(meanwhile[6]).await.expect("it is here").timeline.last().expect("entries").at;
    assert!(away.linked_since == 0 && away.queue_depth == 14, "{away:?}");
    assert_eq!(days(away.oldest_queued, newest + 60_000), 6, "the operator sees how long the oldest item has waited");

    clock.set_passed(7 * DAY + 3600);
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

/// RFC 3339 for a time so many seconds from now.
fn time_in(seconds: i64) -> String {
    let now = jiff::Timestamp::now();
    (now + jiff::SignedDuration::from_secs(seconds)).to_string()
}

/// Asserts that an audit of all linked agencies by `auditor` finds nothing.
fn audits_find_nothing(federation: &TestFederation, auditor: &str) {
    let said = run_on(&federation.folder_of(auditor), &["audit", "--all", "--output", "json"]);
    assert_eq!(said.code, 0, "{auditor}: {said:?}");
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_for_seconds_under_load_convicts_nobody_and_delays_nothing() {
    let (federation, clock) = four_nodes().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    let (mut lodged, mut declined) = (Vec::new(), 0);
    // The clock jumps while calls are under way, is ahead for some rounds, and goes back while calls are under way.
    for round in 0..30 {
        let calls = futures_util::future::join_all((0..16).map(|_| city.lodges_request(complaint_about("Beban"))));
        let turn = async {
            match round {
                10 => clock.set_ahead(30 * DAY),
                20 => clock.set_ahead(0),
                _ => {}
            }
        };
        for answer in tokio::join!(calls, turn).0 {
            match answer {
                Ok(one) => lodged.push(one.complaint),
                Err(refused) => {
                    assert!(refused.message().contains("clock"), "{refused:?}");
                    declined += 1;
                }
            }
        }
    }
    assert!(declined > 0 && lodged.len() > 200, "{declined} declined, {} lodged", lodged.len());
    for complaint in lodged.iter().take(20) {
        city.forwards(*complaint, PROVINCE).await;
    }
    hand_over(&city, &province, "Sesudahnya").await;
    province.has_an_empty_outbox().await;
    city.has_an_empty_outbox().await;
    assert_eq!(province.deferred().await, [], "nothing is dated ahead");
    assert!(city.lists().await.len() >= lodged.len());
    for auditor in ["kemendagri", "ombudsman", PROVINCE] {
        audits_find_nothing(&federation, auditor);
    }
    city.agrees_with(&province).await;
}

#[tokio::test]
async fn a_node_that_is_alone_after_a_jump_waits_for_its_operator_whose_own_clock_must_agree() {
    let mut federation = TestFederation::make(province_and_city());
    let clock = Clock::right();
    federation.process_mut(CITY).set_environment(clock.environment());
    federation.start_node(CITY).await;
    let (city, folder) = (federation.node(CITY).await, federation.folder_of(CITY));
    let lodged = city.lodges("Sendiri").await.complaint.to_string();
    assert!(!city.status().await.clock_confirmed, "nobody agrees with it");
    let receipt = folder.join("receipt");
    let charter = federation.folder().join("charter.note");
    std::fs::write(&charter, federation.charter()).expect("written");
    let shown = |lodged: &str| {
        std::fs::remove_file(&receipt).ok();
        let path = receipt.to_str().expect("a path");
        let made = run_on(&folder, &["receipt", lodged, "--to", path]);
        assert_eq!(made.code, 0, "{made:?}");
        let charter = charter.to_str().expect("a path");
        run_on(&folder, &["receipt", "--verify", path, "--charter", charter]).out
    };
    assert!(shown(&lodged).contains("at a time that is not proven"), "{}", shown(&lodged));

    let said = run_on(&folder, &["confirm", "clock", &time_in(DAY)]);
    assert!(said.code == 4 && said.err.contains("more than 300 s apart"), "{said:?}");
    let said = run_on(&folder, &["confirm", "clock", &time_in(0)]);
    assert!(said.code == 0 && said.out.contains("is confirmed"), "{said:?}");
    assert!(city.status().await.clock_confirmed);
    let lodged = city.lodges("Dengan waktu").await.complaint.to_string();
    assert!(shown(&lodged).contains("at the latest"), "{}", shown(&lodged));

    clock.set_ahead(30 * DAY);
    let refused = city.lodges_request(complaint_about("Ditolak")).await.expect_err("it jumped");
    let message = refused.message();
    assert!(["2591999", "2592000"].iter().any(|by| message.contains(&format!("jumped by {by} s"))), "{refused:?}");
    // A month that passes is no jump.
    clock.set_ahead(0);
    clock.set_passed(30 * DAY);
    city.lodges("Sebulan kemudian").await;
    assert!(city.status().await.clock_confirmed, "both clocks have advanced together");
}

#[tokio::test]
async fn a_clock_that_was_confirmed_wrongly_stops_the_node_and_a_new_epoch_keeps_every_text() {
    let mut federation = TestFederation::make(province_and_city());
    let clock = Clock::right();
    federation.process_mut(CITY).set_environment(clock.environment());
    let province_clock = Clock::right();
    federation.process_mut(PROVINCE).set_environment(province_clock.environment());
    clock.set_ahead(DAY);
    federation.start_node(CITY).await;
    let (city, folder) = (federation.node(CITY).await, federation.folder_of(CITY));
    let said = run_on(&folder, &["confirm", "clock", &time_in(DAY)]);
    assert_eq!(said.code, 0, "{said:?}");
    let ahead = city.lodges("Dari besok").await.complaint;
    clock.set_ahead(0);
    let said = run_on(&folder, &["confirm", "clock", &time_in(0)]);
    assert_eq!(said.code, 0, "{said:?}");
    let refused = city.lodges_request(complaint_about("Ditolak")).await.expect_err("it would look back-dated");
    assert!(refused.message().contains("would look back-dated"), "{refused:?}");
    city.sees_status(|status| status.alarms.iter().any(|alarm| alarm.text.contains("back-dated"))).await;

    federation.stop_node(CITY).await;
    let said = run_on(&folder, &["recover", "--epoch", "2", "--yes"]);
    assert!(said.code == 4 && said.err.contains("--time"), "{said:?}");
    let said = run_on(&folder, &["recover", "--epoch", "2", "--yes", "--time", &time_in(DAY)]);
    assert!(said.code == 4 && said.err.contains("more than 300 s apart"), "{said:?}");
    let said = run_on(&folder, &["recover", "--epoch", "2", "--yes", "--time", &time_in(0)]);
    assert_eq!(said.code, 0, "{said:?}");
    federation.start_all().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    hand_over(&city, &province, "Tepat waktu").await;
    city.has_an_empty_outbox().await;
    audits_find_nothing(&federation, PROVINCE);
    assert_eq!(city.status().await.deferred, 1, "what is dated ahead waits until then");
    federation.stop_node(CITY).await;
    federation.stop_node(PROVINCE).await;
    [&clock, &province_clock].iter().for_each(|clock| clock.set_passed(DAY));
    federation.start_all().await;
    let city = federation.node(CITY).await;
    city.sees_status(|status| status.deferred == 0).await;
    let detail = city.shows(ahead).await.expect("it is kept");
    assert!(detail.timeline[0].content.iter().any(|content| content.text.is_some()), "with its text");
    audits_find_nothing(&federation, PROVINCE);
}
