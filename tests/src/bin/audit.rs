//! `audit`: measures how the cost of proofs and audits grows with the ledger.
//!
//! A city hands complaints over to its province, the province accepts them and works on them, and the Ombudsman observes: three real daemons linked
//! over mutual TLS. At each size of the province's ledger both audit the whole ledger, and once more after some new entries. At the largest size the
//! program stops the city's node, asks for single proofs with the city's keys, and checks them. It prints tables in Markdown. No test passes or fails
//! because of its times.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use sinergi_cli::commands::init::Kind as AgencyKind;
use sinergi_cli::demo::federation::Agency;
use sinergi_proto::base::ids::{ComplaintId, LedgerIndex};
use sinergi_proto::operator_api::{self, act_request::Act};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::tlog::tree::TreeNodes;
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::federation::{NAME, TestFederation, agency, province_and_city};
use sinergi_tests::measure::{CONNECTIONS, Load, arrived, numbers, percentile};
use sinergi_tests::memory;
use sinergi_tests::peer::{Connection, Impostor};
use sinergi_tests::program::{self, run_on};
use tokio::task::JoinSet;
use tokio::time::Instant;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const OMBUDSMAN: &str = "ombudsman";
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// The number of entries of each complaint: lodged, forwarded, accepted, in progress.
const EACH: usize = 4;
/// The number of complaints between two audits of one size.
const NEW: usize = 250;

#[tokio::main]
async fn main() -> ExitCode {
    let names = [("--most", 1_000_000), ("--questions", 200), ("--clients", 64), ("--size", 1024)];
    let [most, questions, clients, size] = match numbers(names) {
        Ok(numbers) => numbers,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    program::folder();
    let mut agencies = vec![Agency::new(agency(OMBUDSMAN), AgencyKind::Institution).oversight()];
    agencies.extend(province_and_city());
    let mut federation = TestFederation::start(agencies).await;
    println!(
        "| entries | audit by the city s | by the Ombudsman s | after {} more entries, by the city s | by the Ombudsman s | RSS before and at most, city / Ombudsman / province MiB |\n|---|---|---|---|---|---|",
        NEW * EACH
    );
    let mut entries = 0;
    for at_least in SIZES.into_iter().filter(|size| *size <= most) {
        let load =
            Load { complaints: 0, size, clients: clients.max(1), connections: CONNECTIONS, to: PROVINCE.to_owned() };
        let first = (at_least - entries) / EACH;
        entries += hands_over(&federation, Load { complaints: first, ..load.clone() }, entries).await;
        let whole = [CITY, OMBUDSMAN].map(|by| audit(&federation, by, &["--whole"]));
        assert!(whole.iter().all(|audit| audit.checked >= entries as u64), "every entry is compared");
        entries += hands_over(&federation, Load { complaints: NEW, ..load }, entries).await;
        let again = [CITY, OMBUDSMAN].map(|by| audit(&federation, by, &[]));
        assert!(again.iter().all(|audit| audit.checked < (2 * NEW * EACH) as u64), "only new entries are compared");
        println!(
            "| {at_least} | {:.2} | {:.2} | {:.2} | {:.2} | {}, {} / {}, {} / {}, {} |",
            whole[0].seconds,
            whole[1].seconds,
            again[0].seconds,
            again[1].seconds,
            whole[0].auditor_mib[0],
            whole[0].auditor_mib[1],
            whole[1].auditor_mib[0],
            whole[1].auditor_mib[1],
            whole[0].audited_mib[0],
            whole[0].audited_mib[1].max(whole[1].audited_mib[1])
        );
    }
    let proofs = proofs(&mut federation, entries as u64, questions.max(1)).await;
    println!(
        "\n| entries | inclusion, p50 / p99 ms | consistency, p50 / p99 ms | ping, p50 ms |\n|---|---|---|---|\n| {entries} | {} | {} | {:.2} |",
        proofs.inclusion, proofs.consistency, proofs.ping
    );
    ExitCode::SUCCESS
}

/// Hands the complaints over, and works on them at the province. `entries` is the number of entries before. Returns the number of new ones.
async fn hands_over(federation: &TestFederation, load: Load, entries: usize) -> usize {
    load.run(federation, CITY).await;
    all_arrived(federation, (entries + load.complaints * 2) as u64).await;
    let province = federation.node(PROVINCE).await;
    let offered = province.lists_newest(u32::try_from(load.complaints).unwrap_or(u32::MAX)).await;
    let offered: Vec<ComplaintId> = offered.iter().filter_map(|row| ComplaintId::from_slice(&row.complaint)).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let offered: Arc<[ComplaintId]> = offered.into();
    let mut running = JoinSet::new();
    for _ in 0..load.clients {
        let (node, offered, next) = (federation.node(PROVINCE).await, Arc::clone(&offered), Arc::clone(&next));
        running.spawn(async move {
            while let Some(complaint) = offered.get(next.fetch_add(1, Ordering::Relaxed)) {
                let progress = operator_api::Progress { state: wire::ProgressState::Investigating.into() };
                for act in [Act::Accept(operator_api::Accept {}), Act::Progress(progress)] {
                    node.acts(*complaint, act, None).await.expect("the province acts");
                }
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.expect("a client is served to its end");
    }
    let new = load.complaints * EACH;
    all_arrived(federation, (entries + new) as u64).await;
    new
}

/// Waits until all three nodes have all entries, and the senders have all receipts.
async fn all_arrived(federation: &TestFederation, entries: u64) {
    let [city, province, ombudsman] = [CITY, PROVINCE, OMBUDSMAN].map(async |id| federation.node(id).await);
    let (city, province, ombudsman) = (city.await, province.await, ombudsman.await);
    arrived(&province, entries, Some(&city)).await;
    arrived(&city, entries, Some(&province)).await;
    arrived(&ombudsman, entries, Some(&province)).await;
    arrived(&province, entries, Some(&ombudsman)).await;
}

/// The cost of an audit of the province.
struct Audit {
    seconds: f64,
    /// Number of leaves that were compared.
    checked: u64,
    /// Resident memory before, and the most.
    auditor_mib: [usize; 2],
    audited_mib: [usize; 2],
}

/// Audits the province, and asserts that there are no findings.
fn audit(federation: &TestFederation, by: &str, options: &[&str]) -> Audit {
    let process = |id: &str| federation.process(id).process_id().expect("it runs");
    let nodes = [by, PROVINCE].map(process);
    for id in nodes {
        memory::reset_peak(id);
    }
    let before = nodes.map(|id| memory::peak(id) >> 20);
    let began = Instant::now();
    let said = run_on(&federation.folder_of(by), &[&["audit", PROVINCE, "--output", "json"], options].concat());
    let seconds = began.elapsed().as_secs_f64();
    let most = nodes.map(|id| memory::peak(id) >> 20);
    let [auditor_mib, audited_mib] = [0, 1].map(|node| [before[node], most[node]]);
    assert_eq!(said.code, 0, "an honest agency is accused: {said:?}");
    let audits: Value = serde_json::from_str(&said.out).expect("JSON");
    let checked = audits[0]["checked"].as_u64().expect("a number");
    Audit { seconds, checked, auditor_mib, audited_mib }
}

/// The times of single questions, in milliseconds.
struct Proofs {
    inclusion: String,
    consistency: String,
    ping: f64,
}

/// Asks about random leaves and random earlier sizes, one at a time. The city's node stays stopped, because this link shows a checkpoint that is not of its ledger.
async fn proofs(federation: &mut TestFederation, entries: u64, questions: usize) -> Proofs {
    federation.stop_node(CITY).await;
    let have_cursor = federation.node(PROVINCE).await.peer(CITY).await.acknowledged;
    let impostor = Impostor::of(&federation.folder_of(CITY));
    let address = federation.address_of(PROVINCE);
    let mut link = impostor.dial(&agency(PROVINCE), &address).await.expect("a member");
    link.greet_with(wire::Hello { have_cursor, ..impostor.hello() }, impostor.checkpoint()).await;
    let mut random = StdRng::seed_from_u64(entries);
    let (mut inclusion, mut consistency, mut ping) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..questions {
        let (leaf, size) = (random.random_range(0..entries), random.random_range(1..entries));
        let (time, nodes, root) =
            ask(&mut link, &impostor, wire::Prove { leaves: vec![leaf], ..Default::default() }).await;
        inclusion.push(time);
        nodes.inclusion(LedgerIndex(leaf), root).expect("the leaf is proved");
        let (time, nodes, root) =
            ask(&mut link, &impostor, wire::Prove { sizes: vec![size], ..Default::default() }).await;
        consistency.push(time);
        nodes.consistency(size, root).expect("the beginning is proved");
        ping.push(time_a_ping(&mut link).await);
    }
    drop(link);
    for times in [&mut inclusion, &mut consistency, &mut ping] {
        times.sort_unstable_by(f64::total_cmp);
    }
    let both = |times: &[f64]| format!("{:.2} / {:.2}", percentile(times, 50), percentile(times, 99));
    Proofs { inclusion: both(&inclusion), consistency: both(&consistency), ping: percentile(&ping, 50) }
}

/// Asks a question. Returns the time of the answer in milliseconds, its tree nodes, and the root of its checkpoint.
async fn ask(link: &mut Connection, asker: &Impostor, prove: wire::Prove) -> (f64, TreeNodes, [u8; 32]) {
    let began = Instant::now();
    link.say(Kind::Prove(prove)).await;
    let proof = loop {
        match link.next().await.expect("the link holds").expect("the link holds") {
            Kind::Proof(proof) => break proof,
            Kind::Fault(fault) => panic!("the province ended the link: {fault:?}"),
            _ => {}
        }
    };
    let millis = began.elapsed().as_secs_f64() * 1000.0;
    let province = agency(PROVINCE);
    let keys = asker.member.charter_store.charters().checkpoint_keys(&province).expect("a member");
    let checkpoint = Checkpoint::open(&proof.checkpoint, NAME, &province, &keys).expect("its checkpoint");
    let nodes = TreeNodes::from_wire(checkpoint.size, &proof.nodes).expect("nodes of its tree");
    (millis, nodes, checkpoint.root)
}

/// Pings the province. Returns the time in milliseconds, which is the link's share of the other times.
async fn time_a_ping(link: &mut Connection) -> f64 {
    let began = Instant::now();
    link.say(Kind::Ping(wire::Ping { reply: false, now: sinergi_daemon::base::time::now_millis(), nonce: 0 })).await;
    loop {
        let frame = link.next_frame().await.expect("the link holds").expect("the link holds");
        if matches!(frame.kind, Some(Kind::Ping(ping)) if ping.reply) {
            return began.elapsed().as_secs_f64() * 1000.0;
        }
    }
}
