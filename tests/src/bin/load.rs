//! `load`: measures how fast two nodes hand complaints over, and the cost.
//!
//! It runs two real daemons linked over mutual TLS, lodges and forwards at A, and waits until B has everything durably and A has the
//! receipts. It also measures how long the disk alone takes to sync as many bytes as a complaint has, which happens twice on the way to B.
//! It prints one JSON object. No test passes or fails because of its times.

use std::process::ExitCode;
use std::time::Duration;

use sinergi_tests::federation::{TestFederation, TestNode, province_and_city};
use sinergi_tests::measure::{
    ARRIVAL, CONNECTIONS, Load, arrived, disk_bytes, numbers, peak_rss_mib, percentile, processor_micros, syncs,
};
use sinergi_tests::program;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The nodes' allocator, because the clients share the machine with the nodes.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const A: &str = "kota-bandung";
const B: &str = "prov-jabar";
/// The number of complaints of the latency measurement, and their rate a second.
const PACED: usize = 1000;
const PACE: u64 = 200;
/// The bytes of a complaint in A's ledger besides its text.
const ENTRIES_BYTES: usize = 1400;
/// The pause between two questions whether a complaint has arrived. It is short compared with the latency, and leaves the processors to the nodes.
const PAUSE: Duration = Duration::from_micros(100);

#[tokio::main]
async fn main() -> ExitCode {
    let named = [("--complaints", 100_000), ("--size", 1024), ("--clients", 64), ("--connections", CONNECTIONS)];
    match numbers(named) {
        Ok([complaints, size, clients, connections]) => {
            measure(&Load { complaints, size, clients: clients.max(1), connections, to: B.to_owned() }).await;
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

async fn measure(load: &Load) {
    program::folder();
    let (pace, group) = (Duration::from_micros(1_000_000 / PACE), load.size + ENTRIES_BYTES);
    let syncs = tokio::task::spawn_blocking(move || syncs(PACED, group, pace));
    let syncs = syncs.await.expect("no panic").expect("a disk that can be written");
    let mut federation = TestFederation::start(province_and_city()).await;
    let (a, b) = (federation.node(A).await, federation.node(B).await);

    let latencies = paced(&a, &b, load).await;
    let before = b.status().await.ledger_size;

    let processor = |node: &str| processor_micros(federation.process(node).process_id());
    let (used_a, used_b) = (processor(A), processor(B));
    let used_here = processor_micros(Some(std::process::id()));
    let began = Instant::now();
    load.run(&federation, A).await;
    let published = began.elapsed();
    arrived(&b, before + 2 * load.complaints as u64, Some(&a)).await;
    let handed_over = began.elapsed();

    let micros_each = |used: u64, before: u64| used.saturating_sub(before) / load.complaints.max(1) as u64;
    let (cpu_a, cpu_b) = (micros_each(processor(A), used_a), micros_each(processor(B), used_b));
    let cpu_clients = micros_each(processor_micros(Some(std::process::id())), used_here);
    let rss = |node: &str| peak_rss_mib(federation.process(node).process_id());
    let (rss_a, rss_b) = (rss(A), rss(B));
    federation.stop_node(A).await;
    federation.stop_node(B).await;
    let (disk_a, disk_b) = (disk_bytes(&federation.folder_of(A)), disk_bytes(&federation.folder_of(B)));
    let restart = Instant::now();
    federation.start_node(B).await;
    let restart = restart.elapsed();

    let rate = |time: Duration| (load.complaints as f64 / time.as_secs_f64()).round();
    let figures = serde_json::json!({
        "complaints": load.complaints,
        "size": load.size,
        "clients": load.clients,
        "connections": load.connections,
        "publish_rate": rate(published),
        "e2e_rate": rate(handed_over),
        "latency_p50_ms": round(percentile(&latencies, 50)),
        "latency_p99_ms": round(percentile(&latencies, 99)),
        "disk_sync_p50_ms": round(percentile(&syncs, 50)),
        "disk_sync_p99_ms": round(percentile(&syncs, 99)),
        "rss_a_mib": rss_a,
        "rss_b_mib": rss_b,
        "cpu_a_us": cpu_a,
        "cpu_b_us": cpu_b,
        "cpu_clients_us": cpu_clients,
        "disk_a_bytes": disk_a,
        "disk_b_bytes": disk_b,
        "restart_b_ms": restart.as_millis() as u64,
    });
    println!("{figures}");
}

fn round(millis: f64) -> f64 {
    (millis * 100.0).round() / 100.0
}

/// Lodges complaints at a steady rate. Returns the sorted times from lodging at A to reading at B, in milliseconds.
async fn paced(a: &TestNode, b: &TestNode, load: &Load) -> Vec<f64> {
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / PACE));
    let mut running = JoinSet::new();
    for number in 0..PACED {
        tick.tick().await;
        let (a, b, load) = (a.clone(), b.clone(), load.clone());
        running.spawn(async move {
            let began = Instant::now();
            let complaint = load.hand_over(&a, number).await;
            loop {
                let offered =
                    b.shows(complaint).await.and_then(|detail| detail.summary).is_some_and(|s| s.offered_to == B);
                if offered {
                    return began.elapsed().as_secs_f64() * 1000.0;
                }
                assert!(began.elapsed() < ARRIVAL, "{complaint} never arrived at {B}");
                // The runtime's timer ticks in milliseconds, which is too coarse here, so a thread sleeps.
                tokio::task::spawn_blocking(|| std::thread::sleep(PAUSE)).await.expect("a pause ends");
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = running.join_next().await {
        latencies.push(done.expect("a complaint arrives"));
    }
    latencies.sort_unstable_by(f64::total_cmp);
    latencies
}
