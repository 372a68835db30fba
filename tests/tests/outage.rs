//! Outages: nodes are stopped or killed, and stores are deleted. No acknowledged entry is lost or written twice.

use std::time::Duration;

use sinergi_cli::demo::wait;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_tests::disk::reopen::Reopened;
use sinergi_tests::federation::{PATIENCE, TestFederation, province_and_city};
use sinergi_tests::workload::{Answers, CLIENTS, Loaders, lodge_and_forward};

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_was_down_while_5000_complaints_were_lodged_gets_them_all_in_order() {
    const COMPLAINTS: usize = 5000;
    let mut federation = TestFederation::start(province_and_city()).await;
    federation.stop_node("prov-jabar").await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", COMPLAINTS).await;
    let status = city.status().await;
    assert_eq!((status.outbox, status.complaints), (2 * COMPLAINTS as u64, COMPLAINTS as u64));
    assert_eq!(status.content_only_here, COMPLAINTS as u64, "no other node has the texts yet");

    federation.start_node("prov-jabar").await;
    let province = federation.node("prov-jabar").await;
    province.has_complaints(COMPLAINTS).await;
    city.has_an_empty_outbox().await;
    city.agrees_with(&province).await;
    assert_eq!(city.status().await.content_only_here, 0);

    // In order: an entry that is later in the city's ledger is later in the province's, too.
    let mut leaves = Vec::new();
    for row in city.lists().await.into_iter().step_by(25) {
        let complaint = ComplaintId::from_slice(&row.complaint).expect("an id");
        let (sent, received) = (city.shows(complaint).await, province.shows(complaint).await);
        let (sent, received) = (sent.expect("lodged").timeline, received.expect("arrived").timeline);
        leaves.extend(sent.iter().zip(&received).map(|(sent, received)| (sent.leaf_index, received.leaf_index)));
    }
    leaves.sort_unstable();
    assert_eq!(leaves.len(), 2 * COMPLAINTS / 25);
    assert!(leaves.is_sorted_by_key(|(_, received)| *received), "the province's ledger has another order");
    province.has_a_sound_ledger().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_told_to_stop_has_recorded_the_largest_size_that_it_signed() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", 10).await;
    city.has_an_empty_outbox().await;
    let size = city.status().await.ledger_size;
    federation.stop_node("kota-bandung").await;
    let node = Reopened::open(&federation.folder_of("kota-bandung")).expect("a whole folder");
    assert_eq!((node.data.ledger.size(), node.data.ledger.signed_size()), (size, size));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_killed_under_load_agree_again_with_nothing_missing_or_duplicated() {
    const ROUNDS: usize = 6;
    const LOADERS: usize = 4;
    let mut federation = TestFederation::start(province_and_city()).await;
    let mut told = Answers::default();
    for round in 0..ROUNDS {
        let city = federation.node("kota-bandung").await;
        let loaders = Loaders::start(&city, "prov-jabar", LOADERS, &round.to_string());
        // The kill comes at another point of the work in every round.
        let until = city.status().await.complaints + 40 + 37 * round as u64;
        wait::until(PATIENCE, async || Ok::<_, ()>((city.status().await.complaints >= until).then_some(()))).await.ok();
        if round % 2 == 0 {
            federation.process_mut("prov-jabar").kill().await;
            federation.process_mut("kota-bandung").kill().await;
        } else {
            federation.process_mut("kota-bandung").kill().await;
        }
        told.add(loaders.stop().await);
        federation.start_node("prov-jabar").await;
        federation.start_node("kota-bandung").await;
    }
    federation.linked().await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    city.has_an_empty_outbox().await;

    let here: Vec<Vec<u8>> = city.lists().await.into_iter().map(|row| row.complaint).collect();
    assert!(told.acknowledged.len() > ROUNDS * 40, "the load was too small: {}", told.acknowledged.len());
    assert_eq!(told.violated_by(&here), [""; 0]);

    city.agrees_with(&province).await;
    city.has_a_sound_ledger().await;
    province.has_a_sound_ledger().await;
}

#[test]
#[ignore = "slow: some minutes"]
fn a_hundred_kills_in_a_row_lose_nothing() {
    let crash = std::process::Command::new(env!("CARGO_BIN_EXE_crash")).args(["--rounds", "100"]).status();
    assert!(
        crash.expect("the program runs").success(),
        "the program's output names the seed, the round and the missing entries"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_store_of_a_stopped_node_loses_nothing() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", 300).await;
    city.has_an_empty_outbox().await;
    let (before, figures) = (city.lists().await, city.status().await);
    federation.stop_node("kota-bandung").await;
    std::fs::remove_dir_all(federation.folder_of("kota-bandung").join("store")).expect("the store is a folder");
    federation.start_node("kota-bandung").await;

    let city = federation.node("kota-bandung").await;
    assert_eq!(city.lists().await, before, "the rebuilt store has the same contents");
    let rebuilt = city.status().await;
    assert_eq!(
        (rebuilt.complaints, rebuilt.held, rebuilt.ledger_root, rebuilt.content_only_here),
        (figures.complaints, figures.held, figures.ledger_root, figures.content_only_here)
    );
    federation.linked().await;
    let lodged = city.lodges("Sesudahnya").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    federation.node("prov-jabar").await.accepts(lodged.complaint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_open_is_moved_aside_and_rebuilt() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", 50).await;
    city.has_an_empty_outbox().await;
    let before = city.lists().await;
    federation.stop_node("kota-bandung").await;
    let store = federation.folder_of("kota-bandung").join("store");
    std::fs::write(store.join("conf"), b"no configuration of sled").expect("the store's file");
    federation.start_node("kota-bandung").await;
    assert_eq!(federation.node("kota-bandung").await.lists().await, before);
    assert!(store.with_extension("damaged-1").exists(), "the damaged store is kept");
    let log = federation.log_of("kota-bandung");
    assert!(log.contains("moved a damaged store aside"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_store_that_the_node_had() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", 100).await;
    city.has_an_empty_outbox().await;
    let before = city.lists().await;
    federation.stop_node("kota-bandung").await;
    let mut rebuild = std::process::Command::new(sinergi_tests::program::sinergid());
    rebuild.arg("rebuild").arg("--node").arg(federation.folder_of("kota-bandung"));
    let said = sinergi_tests::program::said(&mut rebuild);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("from 200 entries"), "{}", said.out);
    federation.start_node("kota-bandung").await;
    assert_eq!(federation.node("kota-bandung").await.lists().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_told_to_stop_under_load_finishes_accepted_work_and_ends_in_time() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    let loaders = Loaders::start(&city, "prov-jabar", CLIENTS, "0");
    wait::until(PATIENCE, async || Ok::<_, ()>((city.status().await.complaints >= 500).then_some(()))).await.ok();
    let told_to_stop = tokio::time::Instant::now();
    federation.stop_node("kota-bandung").await;
    assert!(told_to_stop.elapsed() < Duration::from_secs(19), "it ends within the configured 10 s and a moment");
    let told = loaders.stop().await;
    federation.start_node("kota-bandung").await;
    let here: Vec<_> = federation.node("kota-bandung").await.lists().await.into_iter().map(|r| r.complaint).collect();
    assert_eq!(told.violated_by(&here), [""; 0]);
    let log = federation.log_of("kota-bandung");
    assert!(log.contains("stopped"), "{log}");
}
