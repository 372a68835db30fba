//! `load`: how fast two nodes hand complaints over, and what it costs.
//!
//! Runs two real daemons linked over mutual TLS, lodges and forwards at A, and waits until B has everything durably and A holds the receipts.
//! Prints one JSON object. Times are of this machine and never decide whether anything passes.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sinergi_proto::wire;
use sinergi_tests::federation::{TestFederation, TestNode, province_and_city};
use sinergi_tests::program;
use tokio::task::JoinSet;
use tokio::time::Instant;

const A: &str = "kota-bandung";
const B: &str = "prov-jabar";
/// Complaints of the latency measurement, and how many a second.
const PACED: usize = 1000;
const PACE: u64 = 200;

/// What to do.
struct Options {
    complaints: usize,
    size: usize,
    clients: usize,
}

fn options() -> Result<Options, String> {
    let mut options = Options { complaints: 100_000, size: 1024, clients: 64 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number: usize = value.parse().map_err(|_| format!("{name} {value:?} is no number"))?;
        match name.as_str() {
            "--complaints" => options.complaints = number,
            "--size" => options.size = number,
            "--clients" => options.clients = number.max(1),
            _ => return Err(format!("{name} is unknown: --complaints N, --size BYTES, --clients N")),
        }
    }
    Ok(options)
}

#[tokio::main]
async fn main() -> ExitCode {
    match options() {
        Ok(options) => {
            measure(&options).await;
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

async fn measure(options: &Options) {
    program::sinergi();
    let mut federation = TestFederation::start(province_and_city()).await;
    let (a, b) = (federation.node(A).await, federation.node(B).await);

    let latencies = paced(&a, &b, options).await;
    let before = b.status().await.ledger_size;

    let processor = |node: &str| processor_micros(federation.process(node).process_id());
    let (used_a, used_b) = (processor(A), processor(B));
    let began = Instant::now();
    lodge_all(&federation, options).await;
    let published = began.elapsed();
    let expected = before + 2 * options.complaints as u64;
    loop {
        let (size, waiting) = (b.status().await.ledger_size, a.status().await.outbox);
        if size >= expected && waiting == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let handed_over = began.elapsed();

    let micros_each = |used: u64, before: u64| used.saturating_sub(before) / options.complaints.max(1) as u64;
    let (cpu_a, cpu_b) = (micros_each(processor(A), used_a), micros_each(processor(B), used_b));
    let rss = |node: &str| peak_rss_mib(federation.process(node).process_id());
    let (rss_a, rss_b) = (rss(A), rss(B));
    federation.stop_node(A).await;
    federation.stop_node(B).await;
    let (disk_a, disk_b) = (disk_bytes(&federation.folder_of(A)), disk_bytes(&federation.folder_of(B)));
    let restart = Instant::now();
    federation.start_node(B).await;
    let restart = restart.elapsed();

    let rate = |time: Duration| (options.complaints as f64 / time.as_secs_f64()).round();
    println!(
        "{{\"complaints\": {}, \"size\": {}, \"clients\": {}, \"publish_rate\": {}, \"e2e_rate\": {}, \"latency_p50_ms\": {:.2}, \"latency_p99_ms\": {:.2}, \"rss_a_mib\": {rss_a}, \"rss_b_mib\": {rss_b}, \"cpu_a_us\": {cpu_a}, \"cpu_b_us\": {cpu_b}, \"disk_a_bytes\": {disk_a}, \"disk_b_bytes\": {disk_b}, \"restart_b_ms\": {}}}",
        options.complaints,
        options.size,
        options.clients,
        rate(published),
        rate(handed_over),
        percentile(&latencies, 50),
        percentile(&latencies, 99),
        restart.as_millis(),
    );
}

fn request(options: &Options, number: usize) -> wire::LodgeRequest {
    let mut body = format!("Laporan {number} ");
    body.extend(std::iter::repeat_n('x', options.size.saturating_sub(body.len())));
    wire::LodgeRequest {
        kind: wire::ComplaintKind::Complaint.into(),
        category: "road".to_owned(),
        area: "32.73".to_owned(),
        class: wire::ContentClass::Public.into(),
        text: Some(wire::Text { title: format!("Laporan {number}"), body, ..Default::default() }),
        external: None,
        forward: Some(wire::Forward { to: B.to_owned(), reason: 1, answer_by: 0 }),
    }
}

/// Lodges one complaint and forwards it to B: one call, two entries.
async fn hand_over(node: &TestNode, options: &Options, number: usize) -> sinergi_proto::ids::ComplaintId {
    loop {
        match node.lodges_request(request(options, number)).await {
            Ok(lodged) => return lodged.complaint,
            Err(status) if status.code() == tonic::Code::ResourceExhausted => tokio::task::yield_now().await,
            Err(status) => panic!("A refuses a complaint: {status}"),
        }
    }
}

/// All clients at once, each with one call at a time, over a few connections.
async fn lodge_all(federation: &TestFederation, options: &Options) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(federation.node(A).await);
    }
    let mut clients = JoinSet::new();
    for client in 0..options.clients {
        let (node, next) = (connections[client % connections.len()].clone(), Arc::clone(&next));
        let options = Options { ..*options };
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= options.complaints {
                    return;
                }
                hand_over(&node, &options, number).await;
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("a client is served to its end");
    }
}

/// The time from lodging at A to readable at B, at a steady pace; sorted, in milliseconds.
async fn paced(a: &TestNode, b: &TestNode, options: &Options) -> Vec<f64> {
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / PACE));
    let mut running = JoinSet::new();
    for number in 0..PACED {
        tick.tick().await;
        let (a, b, options) = (a.clone(), b.clone(), Options { ..*options });
        running.spawn(async move {
            let began = Instant::now();
            let complaint = hand_over(&a, &options, number).await;
            loop {
                let offered =
                    b.shows(complaint).await.and_then(|detail| detail.summary).is_some_and(|s| s.offered_to == B);
                if offered {
                    return began.elapsed().as_secs_f64() * 1000.0;
                }
                // No sleep: the timer ticks in milliseconds, as long as what is measured.
                tokio::task::yield_now().await;
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

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// The largest resident size that a process had, in MiB.
fn peak_rss_mib(process: Option<u32>) -> u64 {
    let status = process.and_then(|id| std::fs::read_to_string(format!("/proc/{id}/status")).ok()).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
    kib / 1024
}

/// The processor time that a process has used, in microseconds (`/proc/PID/stat` counts in hundredths of a second).
fn processor_micros(process: Option<u32>) -> u64 {
    let stat = process.and_then(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok()).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |field: usize| after_name.split(' ').nth(field).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000
}

fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
