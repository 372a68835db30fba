//! `scale`: measures how the cost of a node grows with its ledger and with its peers.
//!
//! For each size, a city of a new federation hands complaints over to its province. Then the province is queried and restarted, and its
//! store is rebuilt. After that, many cities link with one hub. The program prints tables in Markdown. No test passes or fails because of
//! its times.

use std::process::{Command, ExitCode, Stdio};

use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_tests::federation::{TestFederation, agency, province_and_city};
use sinergi_tests::measure::{CONNECTIONS, Load, arrived, disk_bytes, numbers, peak_rss_mib, percentile};
use sinergi_tests::program;
use tokio::task::JoinSet;
use tokio::time::Instant;

const A: &str = "kota-bandung";
const B: &str = "prov-jabar";
const HUB: &str = "prov-jabar";
/// The number of calls whose median time is taken.
const QUESTIONS: usize = 51;

#[tokio::main]
async fn main() -> ExitCode {
    let most = match numbers([("--most", 1_000_000), ("--peers", 50), ("--clients", 64), ("--size", 1024)]) {
        Ok(numbers) => numbers,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let [most, peers, clients, size] = most;
    program::folder();
    println!(
        "| complaints | end to end /s | RSS A / B MiB | disk A MB | restart of B ms | rebuild of B s | list of 50, p50 ms | show, p50 ms | status, p50 ms |\n|---|---|---|---|---|---|---|---|---|"
    );
    for complaints in [10_000, 100_000, 1_000_000].into_iter().filter(|complaints| *complaints <= most) {
        grow(&Load { complaints, size, clients: clients.max(1), connections: CONNECTIONS, to: B.to_owned() }).await;
    }
    println!(
        "\n| linked peers | all linked after s | end to end at the hub /s | RSS of the hub MiB | RSS of a city MiB |\n|---|---|---|---|---|"
    );
    if peers > 0 {
        hub(peers, size).await;
    }
    ExitCode::SUCCESS
}

/// Prints the row for a ledger of this size.
async fn grow(load: &Load) {
    let mut federation = TestFederation::start(province_and_city()).await;
    let (a, b) = (federation.node(A).await, federation.node(B).await);
    let began = Instant::now();
    load.run(&federation, A).await;
    arrived(&b, 2 * load.complaints as u64, Some(&a)).await;
    let rate = load.complaints as f64 / began.elapsed().as_secs_f64();

    let listed = b.lists_newest(50).await;
    let oldest = listed.last().expect("a complaint").complaint.clone();
    let id = sinergi_proto::base::ids::ComplaintId::from_slice(&oldest).expect("an id");
    let list = median(async || drop(b.lists_newest(50).await)).await;
    let show = median(async || drop(b.shows(id).await)).await;
    let status = median(async || drop(b.status().await)).await;
    let rss = |node: &str| peak_rss_mib(federation.process(node).process_id());
    let (rss_a, rss_b) = (rss(A), rss(B));

    federation.stop_node(A).await;
    federation.stop_node(B).await;
    let disk = disk_bytes(&federation.folder_of(A)) / 1_000_000;
    let restart = Instant::now();
    federation.start_node(B).await;
    let restart = restart.elapsed().as_millis();
    federation.stop_node(B).await;
    let rebuild = Instant::now();
    let folder = federation.folder_of(B);
    let mut command = Command::new(program::sinergid());
    command.arg("rebuild").arg("--node").arg(&folder).stdout(Stdio::null()).stderr(Stdio::null());
    let rebuilt = command.status().expect("sinergid runs");
    assert!(rebuilt.success(), "the store of {} is rebuilt", folder.display());
    let rebuild = rebuild.elapsed().as_secs_f64();
    println!(
        "| {} | {rate:.0} | {rss_a} / {rss_b} | {disk} | {restart} | {rebuild:.1} | {list:.1} | {show:.1} | {status:.1} |",
        load.complaints
    );
}

/// One hub and `peers` cities, each of which hands some complaints over to it at the same time.
async fn hub(peers: usize, size: usize) {
    const EACH: usize = 200;
    let city = |number: usize| format!("kota-{number:03}");
    let mut agencies = vec![Agency::new(agency(HUB), Kind::Province)];
    agencies.extend(
        (0..peers).map(|number| Agency::new(agency(&city(number)), Kind::City).under(agency(HUB)).dials_only()),
    );
    let links: Vec<(String, &str)> = (0..peers).map(|number| (city(number), HUB)).collect();
    let links: Vec<(&str, &str)> = links.iter().map(|(from, to)| (from.as_str(), *to)).collect();
    let mut federation = TestFederation::make_with_links(agencies, &links);
    let began = Instant::now();
    federation.start_all().await;
    let linked = began.elapsed().as_secs_f64();

    let hub = federation.node(HUB).await;
    let before = hub.status().await.ledger_size;
    let began = Instant::now();
    let mut cities = JoinSet::new();
    for number in 0..peers {
        let node = federation.node(&city(number)).await;
        let load = Load { complaints: EACH, size, clients: 1, connections: 1, to: HUB.to_owned() };
        cities.spawn(async move {
            for number in 0..load.complaints {
                load.hand_over(&node, number).await;
            }
        });
    }
    while let Some(done) = cities.join_next().await {
        done.expect("a city hands over");
    }
    arrived(&hub, before + 2 * (EACH * peers) as u64, None).await;
    let rate = (EACH * peers) as f64 / began.elapsed().as_secs_f64();
    let rss = |node: &str| peak_rss_mib(federation.process(node).process_id());
    println!("| {peers} | {linked:.1} | {rate:.0} | {} | {} |", rss(HUB), rss(&city(0)));
}

/// The median time of a call, in milliseconds.
async fn median(question: impl AsyncFn()) -> f64 {
    let mut times = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let began = Instant::now();
        question().await;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_unstable_by(f64::total_cmp);
    percentile(&times, 50)
}
