//! Faults of networks and peers. Both sides notice each fault, show it to the operator, and link again. Nothing is lost or written twice, memory stays
//! bounded, and other links are not affected.
//!
//! The city dials the province through a proxy that this file controls, and the ministry directly.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

use sinergi_cli::commands::init::Kind as AgencyKind;
use sinergi_cli::demo::federation::Agency;
use sinergi_cli::demo::wait;
use sinergi_daemon::base::node_limits;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::operator_api;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::federation::{PATIENCE, TestFederation, TestNode, agency, complaint_about};
use sinergi_tests::memory;
use sinergi_tests::peer::Impostor;
use sinergi_tests::proxy::{Flow, Proxy, Way};
use sinergi_tests::stage::Stage;
use sinergi_tests::workload::{Answers, CLIENTS, Loaders, lodge_and_forward};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const MINISTRY: &str = "kominfo";
/// The idle timeout of the nodes in these tests.
const IDLE_SECONDS: u64 = 6;
/// The `drain_seconds` of the nodes in these tests.
const DRAIN_SECONDS: u64 = 3;
/// The text size of a large complaint.
const LARGE_BYTES: usize = 200 * 1024;
/// The number of complaints that are handed over at a time.
const SOME: usize = 40;

/// A city that dials a province through the proxy, and a ministry directly.
struct Line {
    federation: TestFederation,
    proxy: Proxy,
}

impl Line {
    /// Makes the federation with this idle timeout. No node runs yet.
    async fn make(idle_seconds: u64) -> Self {
        let agencies = vec![
            Agency::new(agency(PROVINCE), AgencyKind::Province),
            Agency::new(agency(MINISTRY), AgencyKind::Ministry),
            Agency::new(agency(CITY), AgencyKind::City),
        ];
        let federation = TestFederation::make_with_links(agencies, &[(CITY, PROVINCE), (CITY, MINISTRY)]);
        for id in [PROVINCE, MINISTRY, CITY] {
            federation.idle_after(id, idle_seconds);
            federation.configure(id, |text| {
                text.replace("# drain_seconds = 10", &format!("drain_seconds = {DRAIN_SECONDS}"))
            });
        }
        let proxy = federation.proxy(CITY, PROVINCE).await;
        Self { federation, proxy }
    }

    /// Starts all three nodes and waits until they are linked.
    async fn set() -> Self {
        Self::set_with_idle(IDLE_SECONDS).await
    }

    async fn set_with_idle(seconds: u64) -> Self {
        let mut line = Self::make(seconds).await;
        line.federation.start_all().await;
        line
    }

    async fn city(&self) -> TestNode {
        self.federation.node(CITY).await
    }

    async fn province(&self) -> TestNode {
        self.federation.node(PROVINCE).await
    }

    /// The city hands complaints over to the province, and waits until its outbox is empty.
    async fn hand_over(&self) {
        let city = self.city().await;
        lodge_and_forward(&city, PROVINCE, SOME).await;
        city.has_an_empty_outbox().await;
    }

    /// Cuts the link to the province, and refuses new connections until the test allows them again.
    async fn is_away(&self) {
        self.proxy.refuse(true);
        self.proxy.cut();
        self.city().await.sees_peer(PROVINCE, is_down).await;
    }

    /// Asserts that a whole hand-over to the ministry works, whatever happens to the link with the province.
    async fn the_other_link_works(&self) {
        let lodged = self.city().await.lodges("Tetap jalan").await;
        self.city().await.forwards(lodged.complaint, MINISTRY).await;
        self.federation.node(MINISTRY).await.accepts(lodged.complaint).await;
        self.city().await.sees(lodged.complaint, |seen| seen.holder == MINISTRY).await;
    }

    /// Asserts that the city has each acknowledged complaint exactly once. [`Self::recovers`] shows that the province has the same.
    async fn city_has_all(&self, told: &Answers) {
        let here: Vec<_> = self.city().await.lists().await.into_iter().map(|row| row.complaint).collect();
        assert_eq!(told.violated_by(&here), [""; 0]);
    }

    /// Waits until a node's log contains these words.
    async fn logs(&self, id: &str, words: &str) {
        let mut log = String::new();
        let logged = wait::until(PATIENCE, async || {
            log = self.federation.log_of(id);
            Ok::<_, ()>(log.contains(words).then_some(()))
        });
        assert!(logged.await == Ok(Some(())), "{id} has not logged {words:?}:\n{log}");
    }

    /// Asserts that both sides link again, that everything has arrived once, that both ledgers are sound, and that no failure is shown any
    /// more.
    async fn recovers(&mut self) {
        self.federation.linked().await;
        let (city, province) = (self.city().await, self.province().await);
        city.has_an_empty_outbox().await;
        let of_province = |rows: Vec<operator_api::ComplaintSummary>| {
            let theirs = rows.into_iter().filter(|row| row.offered_to == PROVINCE || row.holder == PROVINCE);
            let mut theirs: Vec<_> = theirs.map(|row| (row.complaint, row.digest)).collect();
            theirs.sort();
            theirs
        };
        assert_eq!(of_province(city.lists().await), of_province(province.lists().await), "both have the same");
        let status = province.status().await;
        assert_eq!(status.ledger_size, 2 * status.complaints, "an entry was written twice");
        for node in [&city, &province] {
            node.has_a_sound_ledger().await;
            self.federation.is_bounded_in_memory(&node.id);
        }
        for (node, peer) in [(&city, PROVINCE), (&province, CITY)] {
            let settled = |peer: &operator_api::PeerStatus| {
                peer.state == "linked" && peer.last_error.is_empty() && peer.first_failure == 0
            };
            node.sees_peer(peer, settled).await;
        }
        assert_eq!((city.refused().await.len(), province.refused().await.len()), (0, 0));
    }
}

/// Lodges and forwards `count` complaints of 200 KiB each, more than the network's buffers hold.
async fn lodge_large(node: &TestNode, to: &str, count: usize) {
    for number in 0..count {
        let mut request = complaint_about(&format!("Besar {number}"));
        request.text.as_mut().expect("a text").body = "x".repeat(LARGE_BYTES);
        request.forward = Some(operator_api::Forward { to: to.to_owned(), reason: 1, answer_by: 0 });
        node.lodges_request(request).await.expect("lodged");
    }
}

/// Whether an operator sees that a peer cannot be reached.
fn is_down(peer: &operator_api::PeerStatus) -> bool {
    peer.state != "linked" && peer.first_failure > 0 && !peer.last_error.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_under_load_is_made_again_and_nothing_is_missing() {
    let mut line = Line::set().await;
    let (city, province) = (line.city().await, line.province().await);
    let loaders = Loaders::start(&city, PROVINCE, 4, "cut");
    let mut told = Answers::default();
    for _ in 0..4 {
        let until = loaders.acknowledged() + 25;
        wait::until(PATIENCE, async || Ok::<_, ()>((loaders.acknowledged() >= until).then_some(()))).await.ok();
        line.proxy.refuse(true);
        line.proxy.cut();
        let refused = |peer: &operator_api::PeerStatus| is_down(peer) && peer.last_error.contains("refused");
        city.sees_peer(PROVINCE, |peer| refused(peer) && peer.next_retry > 0).await;
        province.sees_peer(CITY, |peer| is_down(peer) && peer.last_error.contains("the connection ended")).await;
        line.proxy.refuse(false);
        line.federation.linked().await;
    }
    told.add(loaders.stop().await);
    line.recovers().await;
    line.city_has_all(&told).await;
    assert!(told.acknowledged.len() >= 100, "the load was too small: {}", told.acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_link_is_noticed_by_both_sides_and_nothing_is_missing() {
    let mut line = Line::set().await;
    line.hand_over().await;
    line.proxy.set_both(Flow::Swallow);
    let city = line.city().await;
    lodge_and_forward(&city, PROVINCE, SOME).await;
    let heard_nothing = format!("nothing heard for {IDLE_SECONDS} s");
    let province = line.province().await;
    province.sees_peer(CITY, |peer| is_down(peer) && peer.last_error.contains(&heard_nothing)).await;
    line.logs(CITY, &heard_nothing).await;
    let waiting = city.sees_peer(PROVINCE, |peer| is_down(peer) && peer.last_error.contains("cannot connect")).await;
    assert_eq!(waiting.queue_depth, SOME as u64, "the operator sees the waiting items");
    line.the_other_link_works().await;
    line.proxy.set_both(Flow::Pass);
    line.recovers().await;
}

/// Stops one direction. Asserts that both sides notice, and that their logs say which side (`deaf`) heard nothing.
async fn one_way_is_noticed_and_repaired(way: Way, deaf: &str, told: &str) {
    let mut line = Line::set().await;
    line.hand_over().await;
    line.proxy.set(way, Flow::Swallow);
    line.logs(deaf, &format!("nothing heard for {IDLE_SECONDS} s")).await;
    line.logs(told, &format!("the peer ended the link: 708 idle: nothing heard for {IDLE_SECONDS} s")).await;
    lodge_and_forward(&line.city().await, PROVINCE, SOME).await;
    line.city().await.sees_peer(PROVINCE, is_down).await;
    line.the_other_link_works().await;
    line.proxy.set(way, Flow::Pass);
    line.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_loses_the_dialler_s_frames_is_noticed_and_repaired() {
    one_way_is_noticed_and_repaired(Way::Out, PROVINCE, CITY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_loses_the_dialled_side_s_frames_is_noticed_and_repaired() {
    one_way_is_noticed_and_repaired(Way::Back, CITY, PROVINCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_one_byte_a_second_slows_nobody_else_and_is_repaired() {
    let mut line = Line::set().await;
    line.hand_over().await;
    line.proxy.set_both(Flow::Throttle(1));
    let city = line.city().await;
    lodge_and_forward(&city, PROVINCE, SOME).await;
    for _ in 0..5 {
        line.the_other_link_works().await;
    }
    let stuck = city.peer(PROVINCE).await;
    assert_eq!(stuck.queue_depth, SOME as u64, "nothing got through meanwhile");
    line.logs(PROVINCE, &format!("nothing heard for {IDLE_SECONDS} s")).await;
    city.sees_peer(PROVINCE, is_down).await;
    line.the_other_link_works().await;
    line.proxy.set_both(Flow::Pass);
    line.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_link_that_carries_a_frame_within_the_idle_timeout_is_kept() {
    let mut line = Line::set_with_idle(2 * IDLE_SECONDS).await;
    let city = line.city().await;
    line.is_away().await;
    lodge_and_forward(&city, PROVINCE, 6 * SOME).await;
    // A frame of 128 KiB takes 3 s. Sent frames lie in the buffers of the network, and later frames wait after them.
    line.proxy.set(Way::Out, Flow::Throttle(42 * 1024));
    line.proxy.refuse(false);
    line.federation.linked().await;
    let links = line.proxy.accepted();
    city.has_an_empty_outbox().await;
    assert_eq!(line.proxy.accepted(), links, "the link was remade:\n{}", line.federation.log_of(CITY));
    line.proxy.set_both(Flow::Pass);
    line.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_reset_in_mid_frame_again_and_again_loses_and_duplicates_nothing() {
    let mut line = Line::set().await;
    let city = line.city().await;
    for round in 0..10 {
        line.federation.linked().await;
        let (way, resets) = (if round % 3 == 2 { Way::Back } else { Way::Out }, line.proxy.resets());
        line.proxy.reset_after(way, 500 + 1777 * round);
        let reset = wait::until(PATIENCE, async || {
            lodge_and_forward(&city, PROVINCE, 4).await;
            Ok::<_, ()>((line.proxy.resets() > resets).then_some(()))
        });
        assert_eq!(reset.await, Ok(Some(())), "round {round} carried too little");
    }
    line.logs(CITY, "the connection ended").await;
    line.logs(PROVINCE, "the connection ended").await;
    line.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_whose_receipt_was_lost_after_they_were_durable_are_receipted_again_and_not_duplicated() {
    let mut line = Line::set().await;
    line.hand_over().await;
    let (city, province) = (line.city().await, line.province().await);
    let (before, sent_before) = (province.status().await.ledger_size, city.peer(PROVINCE).await.sent_entries);
    line.proxy.set(Way::Back, Flow::Hold);
    lodge_and_forward(&city, PROVINCE, SOME).await;
    // Without receipts only a few frames are on their way. All their items become durable.
    let durable = wait::until(PATIENCE, async || {
        let durable = province.status().await.ledger_size - before;
        let sent = city.peer(PROVINCE).await.sent_entries - sent_before;
        Ok::<_, ()>((durable > 0 && durable == sent).then_some(()))
    });
    assert_eq!(durable.await, Ok(Some(())), "the sent items are durable at the province");
    assert_eq!(city.peer(PROVINCE).await.queue_depth, SOME as u64, "no receipt came back");
    let sent = city.peer(PROVINCE).await.sent_entries;
    // The proxy holds the receipts. They are lost with the connection.
    line.proxy.reset();
    line.proxy.set(Way::Back, Flow::Pass);
    line.recovers().await;
    let once = before + 2 * SOME as u64;
    assert_eq!(province.status().await.ledger_size, once, "recognised, and not written again");
    let after = city.peer(PROVINCE).await;
    assert_eq!((after.queue_depth, after.sent_entries), (0, sent + 2 * SOME as u64), "sent again for their receipts");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_peers_restarting_at_once_under_load_link_again_and_agree() {
    let mut line = Line::set().await;
    let mut told = Answers::default();
    for round in 0..2 {
        let loaders = Loaders::start(&line.city().await, PROVINCE, 4, &format!("restart {round}"));
        wait::until(PATIENCE, async || Ok::<_, ()>((loaders.acknowledged() >= SOME).then_some(()))).await.ok();
        line.federation.stop_at_once(&[CITY, PROVINCE]).await;
        told.add(loaders.stop().await);
        for id in [CITY, PROVINCE] {
            line.federation.process_mut(id).start().expect("the program starts");
        }
        for id in [CITY, PROVINCE] {
            line.federation.start_node(id).await;
        }
        line.federation.linked().await;
    }
    line.recovers().await;
    line.city_has_all(&told).await;
    line.the_other_link_works().await;
}

/// A node under load, whose peer does not read, is told to stop. Asserts that it ends in time, and that later everything arrives.
async fn stops_in_time(node: &str, peer: &str, way: Way) {
    // Long enough that nobody ends the link before the node has to stop.
    let mut line = Line::set_with_idle(60).await;
    let stopping = line.federation.node(node).await;
    line.proxy.set(way, Flow::Hold);
    lodge_large(&stopping, peer, 3 * SOME).await;
    let loaders = Loaders::start(&stopping, peer, 2 * CLIENTS, "stop");
    wait::until(PATIENCE, async || Ok::<_, ()>((loaders.acknowledged() >= 5 * SOME).then_some(()))).await.ok();
    assert!(stopping.peer(peer).await.queue_depth >= SOME as u64, "it waits for the peer");
    line.federation.is_bounded_in_memory(node);
    let told_to_stop = Instant::now();
    line.federation.stop_node(node).await;
    let bound = Duration::from_secs(DRAIN_SECONDS + 15);
    assert!(told_to_stop.elapsed() < bound, "it ends within the configured time and a moment: {bound:?}");
    let mut told = loaders.stop().await;
    told.unanswered += 3 * SOME;
    let log = line.federation.log_of(node);
    assert!(log.contains("stopped") && !log.contains("ERROR"), "{log}");

    line.proxy.set(way, Flow::Pass);
    line.federation.start_node(node).await;
    line.federation.linked().await;
    let (stopped, peer) = (line.federation.node(node).await, line.federation.node(peer).await);
    stopped.has_an_empty_outbox().await;
    let complaints = |rows: Vec<operator_api::ComplaintSummary>| rows.into_iter().map(|row| row.complaint);
    assert_eq!(told.violated_by(&complaints(stopped.lists().await).collect::<Vec<_>>()), [""; 0]);
    assert_eq!(told.lacked_by(&complaints(peer.lists().await).collect()), None);
    stopped.has_a_sound_ledger().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialler_told_to_stop_with_full_queues_and_a_peer_that_does_not_read_ends_in_time_and_loses_nothing() {
    stops_in_time(CITY, PROVINCE, Way::Out).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialled_node_told_to_stop_with_full_queues_and_a_peer_that_does_not_read_ends_in_time_and_loses_nothing() {
    stops_in_time(PROVINCE, CITY, Way::Back).await;
}

/// The province is away while `complaints` complaints are lodged for it. Asserts that it catches up when it is back, while new work goes on
/// and the ministry is served.
async fn catches_up(complaints: usize) {
    let mut line = Line::set().await;
    line.federation.stop_node(PROVINCE).await;
    let city = line.city().await;
    lodge_and_forward(&city, PROVINCE, complaints).await;
    let away = city.sees_peer(PROVINCE, is_down).await;
    assert_eq!(away.queue_depth, complaints as u64);
    assert!(away.oldest_queued > 0 && away.last_error.contains("cannot connect"), "{away:?}");

    // So slow that others are served meanwhile, however fast the machine is.
    line.proxy.set(Way::Out, Flow::Throttle(100 * complaints));
    line.federation.start_node(PROVINCE).await;
    let province = line.province().await;
    let loaders = Loaders::start(&city, PROVINCE, 2, "new");
    let (mut served, deadline) = (0, Instant::now() + PATIENCE * (1 + complaints as u32 / 2500));
    loop {
        line.the_other_link_works().await;
        assert!(Instant::now() < deadline, "still catching up: {:?}", city.peer(PROVINCE).await);
        if province.status().await.complaints >= complaints as u64 {
            break;
        }
        served += 1;
    }
    line.proxy.set_both(Flow::Pass);
    let new_work = loaders.acknowledged();
    let told = loaders.stop().await;
    assert!(served >= 2, "the ministry was served {served} times while the province caught up");
    assert!(new_work > 0, "new work went on");
    line.recovers().await;
    let here: HashSet<_> = line.city().await.lists().await.into_iter().map(|row| row.complaint).collect();
    assert!(told.acknowledged.iter().all(|complaint| here.contains(complaint)), "new work is missing");
    // Each client may have been stopped between lodging and forwarding.
    let most = complaints + told.acknowledged.len();
    let arrived = province.status().await.complaints as usize;
    assert!((most - 2..=most).contains(&arrived), "{arrived} of {most} complaints arrived");
    line.federation.is_bounded_in_memory(MINISTRY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_catches_up_while_new_work_goes_on_and_others_are_served() {
    catches_up(2500).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: 100,000 complaints, or as many as SINERGI_CATCH_UP says"]
async fn a_peer_catches_up_with_days_of_work_while_new_work_goes_on_and_others_are_served() {
    let complaints = std::env::var("SINERGI_CATCH_UP").unwrap_or_else(|_| "100000".to_owned());
    catches_up(complaints.parse().expect("SINERGI_CATCH_UP is a number")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_reads_costs_one_window_of_memory_and_delays_nobody_else() {
    const COMPLAINTS: usize = 400;
    /// Long enough for the others to hand over meanwhile.
    const STUCK_SECONDS: u64 = 45;
    let mut stage = Stage::set_with_idle(STUCK_SECONDS).await;
    let city = stage.federation.node(CITY).await;
    lodge_large(&city, MINISTRY, COMPLAINTS).await;
    city.sees_peer(PROVINCE, |peer| peer.queue_depth == 0).await;
    let process = stage.federation.process(CITY).process_id().expect("it runs");
    let before = memory::reset_peak(process);
    let deaf = stage.link().await;
    // The deaf peer sends pings, so that its link does not count as idle.
    let says = deaf.sender();
    let _talking = JoinSet::from_iter([async move {
        let ping = || wire::Frame { kind: Some(Kind::Ping(wire::Ping { reply: true, ..Default::default() })) };
        while says.send(ping()).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }]);
    let index = |cursor: Option<wire::Cursor>| cursor.map_or(0, |cursor| cursor.index as usize);
    let last = Cell::new(0);
    let stands_still = |peer: &operator_api::PeerStatus| {
        let sent = index(peer.sent);
        sent > 2 && last.replace(sent) == sent
    };
    let sent = city.sees_peer(MINISTRY, stands_still).await;
    stage.others_are_unaffected().await;
    assert_eq!(city.peer(MINISTRY).await.state, "linked", "the others waited until the stuck link was given up");
    let dead = format!("708 idle: nothing acknowledged for {STUCK_SECONDS} s");
    let ended = city.sees_peer(MINISTRY, |peer| is_down(peer) && peer.last_error.contains(&dead)).await;
    assert_eq!((index(ended.acknowledged), ended.queue_depth), (0, COMPLAINTS as u64), "{sent:?}");
    let in_flight = index(ended.sent) / 2 * LARGE_BYTES;
    assert!(in_flight <= limits::LINK_WINDOW_BYTES + limits::FRAME_BYTES, "{in_flight} bytes were sent");
    let grown = memory::peak(process).saturating_sub(before);
    assert!(grown <= memory::DIRECTION, "grown by {} MiB, at most {}", grown >> 20, memory::DIRECTION >> 20);
    stage.federation.is_bounded_in_memory(CITY);
    drop(deaf);
    // Nothing is lost: the node delivers again from the beginning.
    let again = stage.link().await.delivery().await;
    assert!(!again.items.is_empty() && index(again.cursor) <= 2, "from the first leaf on: {:?}", again.cursor);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_silent_after_the_handshake_take_only_their_own_peer_s_places_until_the_idle_timeout() {
    let mut stage = Stage::set_with_idle(IDLE_SECONDS).await;
    let address = stage.federation.address_of(CITY);
    let mut silent = Vec::new();
    for _ in 0..node_limits::CONNECTIONS_PER_PEER {
        let mut stream = stage.impostor.shake_hands(&agency(CITY), &address).await.expect("a good certificate");
        // The connection has its place when the city sends the first bytes of HTTP/2.
        stream.read_u8().await.expect("the city speaks first");
        silent.push(stream);
    }
    let refused = wait::until(PATIENCE, async || Ok::<_, ()>(stage.impostor.dial(&agency(CITY), &address).await.err()));
    assert!(refused.await.expect("no error").is_some(), "one more is refused");
    let log = stage.federation.log_of(CITY);
    assert!(
        log.contains(&format!("it has {} connections already", node_limits::CONNECTIONS_PER_PEER))
            && log.contains(MINISTRY),
        "{log}"
    );
    stage.others_are_unaffected().await;
    let again = wait::until(PATIENCE, async || Ok::<_, ()>(stage.impostor.dial(&agency(CITY), &address).await.ok()));
    let mut link = again.await.expect("no error").expect("the silent ones have lost their places");
    link.greet(&stage.impostor).await;
    let honest = stage.impostor.lodge("Akhirnya");
    link.deliver(1, vec![honest.item]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialled_peer_that_is_silent_after_the_handshake_is_given_up_and_dialled_again() {
    let mut line = Line::make(IDLE_SECONDS).await;
    line.federation.start_node(PROVINCE).await;
    let impostor = Impostor::of(&line.federation.folder_of(MINISTRY));
    let listener = TcpListener::bind(line.federation.address_of(MINISTRY)).await.expect("its port");
    line.federation.start_node(CITY).await;
    let mut silent = JoinSet::from_iter([async move {
        let mut kept = Vec::new();
        while let Ok((dialled, _)) = listener.accept().await {
            kept.push(impostor.answer(dialled).await.expect("the city's certificate is good"));
        }
    }]);
    let given_up = |peer: &operator_api::PeerStatus| is_down(peer) && peer.last_error.contains("no answer within 10 s");
    let first = line.city().await.sees_peer(MINISTRY, |peer| given_up(peer) && peer.next_retry > 0).await;
    line.hand_over().await;
    let later = |peer: &operator_api::PeerStatus| given_up(peer) && peer.next_retry > first.next_retry;
    line.city().await.sees_peer(MINISTRY, later).await;
    silent.abort_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_no_hello_or_nothing_after_it_loses_only_its_link() {
    let mut stage = Stage::set_with_idle(IDLE_SECONDS).await;
    let city = stage.federation.node(CITY).await;
    let mut greeted = stage.link().await;
    let (code, reason) = greeted.fault().await;
    assert_eq!((code, reason), (FaultCode::Idle.number(), format!("nothing heard for {IDLE_SECONDS} s")));
    city.sees_peer(MINISTRY, |peer| is_down(peer) && peer.last_error.contains("nothing heard")).await;
    let mut mute = stage.connect().await;
    let (code, reason) = mute.fault().await;
    assert_eq!((code, reason.as_str()), (FaultCode::Idle.number(), "no Hello within 10 s"));
    city.sees_peer(MINISTRY, |peer| is_down(peer) && peer.last_error.contains("no Hello")).await;
    stage.others_are_unaffected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_comes_twice_ends_the_link_and_is_recognised_on_the_next() {
    let mut stage = Stage::set().await;
    let (city, made) = (stage.federation.node(CITY).await, stage.impostor.lodge("Dua kali"));
    let mut link = stage.link().await;
    let first = link.deliver(1, vec![made.item.clone()]).await;
    let size = city.status().await.ledger_size;
    link.send_items(1, vec![made.item.clone()]).await;
    assert_eq!(link.fault().await.0, FaultCode::BadCursor.number());
    city.sees_peer(MINISTRY, |peer| is_down(peer) && peer.last_error.contains("bad-cursor")).await;
    let mut link = stage.link().await;
    let again = link.deliver(1, vec![made.item.clone()]).await;
    assert_eq!(again.results, first.results, "the same leaf");
    assert_eq!(city.status().await.ledger_size, size);
    city.sees_peer(MINISTRY, |peer| peer.last_error.is_empty() && peer.first_failure == 0).await;
    stage.others_are_unaffected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_comes_late_ends_the_link_and_its_items_are_accepted_on_the_next() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    let made = [1, 2, 3].map(|number| stage.impostor.lodge(&format!("Terlambat {number}")));
    let mut link = stage.link().await;
    link.deliver(1, vec![made[0].item.clone()]).await;
    let third = link.deliver(3, vec![made[2].item.clone()]).await;
    link.send_items(2, vec![made[1].item.clone()]).await;
    assert_eq!(link.fault().await.0, FaultCode::BadCursor.number());
    assert!(city.shows(made[1].complaint).await.is_none(), "it came out of order");
    city.sees_peer(MINISTRY, |peer| is_down(peer) && peer.last_error.contains("bad-cursor")).await;
    // A sender begins at the first item without a receipt, even if it has receipts for later items.
    let mut link = stage.link().await;
    let second = link.deliver(2, vec![made[1].item.clone()]).await;
    assert!(matches!(second.results[0].outcome, ItemOutcome::Leaf(_)), "{second:?}");
    assert_eq!(link.deliver(3, vec![made[2].item.clone()]).await.results, third.results);
    assert_eq!(city.lists().await.len(), 3);
    stage.others_are_unaffected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_without_a_receipt_are_sent_again_until_there_is_one() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    let lodged = city.lodges("Tanpa tanda terima").await;
    city.forwards(lodged.complaint, MINISTRY).await;
    let first = stage.link().await.delivery().await;
    let mut frames = Vec::new();
    for _ in 0..2 {
        // The peer has everything and says so. Only the receipt is missing.
        let mut connection = stage.connect().await;
        connection
            .greet_with(
                wire::Hello { have_cursor: first.cursor, ..stage.impostor.hello() },
                stage.impostor.checkpoint(),
            )
            .await;
        frames.push(connection.delivery().await);
    }
    assert!(frames.iter().all(|frame| *frame == first), "{first:?}\n{frames:?}");
    let waiting = city.sees_peer(MINISTRY, |peer| is_down(peer) && peer.queue_depth == 1).await;
    assert!(waiting.last_error.contains("the connection ended"), "{}", waiting.last_error);
    let mut link = stage.link().await;
    let delivered = link.delivery().await;
    link.say(Kind::Ack(stage.impostor.receipt_for(&delivered, CITY))).await;
    city.sees_peer(MINISTRY, |peer| peer.queue_depth == 0 && peer.last_error.is_empty()).await;
    drop(link);
    // The receipt survives a restart of the node.
    stage.federation.stop_node(CITY).await;
    stage.federation.start_node(CITY).await;
    let city = stage.federation.node(CITY).await;
    let mut next = stage.connect().await;
    next.greet_with(
        wire::Hello { have_cursor: delivered.cursor, ..stage.impostor.hello() },
        stage.impostor.checkpoint(),
    )
    .await;
    let second = city.lodges("Berikutnya").await;
    city.forwards(second.complaint, MINISTRY).await;
    let delivered = next.delivery().await;
    assert!(delivered.items.iter().all(|item| !first.items.contains(item)), "a receipted item is sent again");
}
