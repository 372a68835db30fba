//! `crash`: kills two nodes at random moments under load, again and again. Each time they must agree, with nothing missing or duplicated.
//!
//! ```text
//! cargo run --release -p sinergi-tests --bin crash -- [--rounds 100] [--seed N]
//! ```
//!
//! Each round loads both nodes, kills one of them or both (SIGKILL) after a random time, and starts them again. Then it waits until both
//! nodes have each acknowledged complaint exactly once and no operator has anything to do. Every tenth round, and at the end, both ledgers
//! are verified. The program prints a line for each round and one JSON object at the end. If a claim is violated, it names the claim and
//! ends with exit code 1.
//!
//! The seed determines which nodes are killed and after what time. The work that the nodes do at that moment depends on the machine.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sinergi_cli::demo::wait;
use sinergi_tests::federation::{PATIENCE, TestFederation, TestNode, province_and_city};
use sinergi_tests::program;
use sinergi_tests::workload::{Answers, Loaders};
use tokio::time::Instant;

const A: &str = "kota-bandung";
const B: &str = "prov-jabar";
/// The number of clients of each node.
const LOADERS: usize = 8;
/// The time from the first call of a round to the kill, in milliseconds.
const UNTIL_KILL: std::ops::Range<u64> = 1..1500;
/// The time between the kills of two nodes, in milliseconds.
const BETWEEN_KILLS: std::ops::Range<u64> = 0..50;
/// The number of rounds between two verifications of the ledgers.
const VERIFY_EVERY: usize = 10;

struct Options {
    rounds: usize,
    seed: u64,
}

/// The results so far.
#[derive(Default)]
struct Report {
    rounds: usize,
    kills: [usize; 2],
    answers: [Answers; 2],
    slowest_recovery: Duration,
}

fn options() -> Result<Options, String> {
    let mut options = Options { rounds: 100, seed: rand::random() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number: u64 = value.parse().map_err(|_| format!("{name} {value:?} is no number"))?;
        match name.as_str() {
            "--rounds" => options.rounds = usize::try_from(number).map_err(|error| error.to_string())?,
            "--seed" => options.seed = number,
            _ => return Err(format!("{name} is unknown: --rounds N, --seed N")),
        }
    }
    Ok(options)
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    println!("{} rounds, seed {}", options.rounds, options.seed);
    program::folder();
    let mut report = Report::default();
    let violated = run(&options, &mut report).await.err();
    let acknowledged: usize = report.answers.iter().map(|answers| answers.acknowledged.len()).sum();
    let unanswered: usize = report.answers.iter().map(|answers| answers.unanswered).sum();
    println!(
        "{{\"seed\": {}, \"rounds\": {}, \"kills_a\": {}, \"kills_b\": {}, \"acknowledged\": {acknowledged}, \"unanswered\": {unanswered}, \"slowest_recovery_ms\": {}, \"violated\": {}}}",
        options.seed,
        report.rounds,
        report.kills[0],
        report.kills[1],
        report.slowest_recovery.as_millis(),
        violated.as_ref().map_or("null".to_owned(), |text| format!("{text:?}")),
    );
    match violated {
        None => ExitCode::SUCCESS,
        Some(violated) => {
            eprintln!("round {} of seed {}: {violated}", report.rounds, options.seed);
            ExitCode::from(1)
        }
    }
}

async fn run(options: &Options, report: &mut Report) -> Result<(), String> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut federation = TestFederation::start(province_and_city()).await;
    for round in 1..=options.rounds {
        report.rounds = round;
        let (a, b) = (federation.node(A).await, federation.node(B).await);
        let loaders = [(&a, B), (&b, A)].map(|(node, to)| Loaders::start(node, to, LOADERS, &round.to_string()));
        tokio::time::sleep(Duration::from_millis(random.random_range(UNTIL_KILL))).await;
        let killed = kill(&mut federation, &mut random, report).await;
        for (answers, loaders) in report.answers.iter_mut().zip(loaders) {
            answers.add(loaders.stop().await);
        }
        let began = Instant::now();
        for id in killed {
            federation.process_mut(id).start().map_err(|failure| failure.report())?;
        }
        for id in killed {
            federation.process_mut(id).up().await.map_err(|not_up| format!("{id} does not come up: {not_up:?}"))?;
        }
        let (a, b) = (federation.node(A).await, federation.node(B).await);
        check(report, &a, &b).await?;
        looks_sound(&a, B).await?;
        looks_sound(&b, A).await?;
        for id in [A, B] {
            federation.is_bounded_in_memory(id);
        }
        report.slowest_recovery = report.slowest_recovery.max(began.elapsed());
        if round % VERIFY_EVERY == 0 || round == options.rounds {
            a.verifies_its_ledger().await?;
            b.verifies_its_ledger().await?;
        }
        let acknowledged: usize = report.answers.iter().map(|answers| answers.acknowledged.len()).sum();
        println!("round {round}: killed {}, {acknowledged} acknowledged, all there", killed.join(" and "));
    }
    Ok(())
}

/// Kills one node or both, and returns their ids.
async fn kill(federation: &mut TestFederation, random: &mut StdRng, report: &mut Report) -> &'static [&'static str] {
    let victims: &[&str] = [&[A][..], &[B], &[A, B], &[B, A]][random.random_range(0..4)];
    for (number, id) in victims.iter().enumerate() {
        if number > 0 {
            tokio::time::sleep(Duration::from_millis(random.random_range(BETWEEN_KILLS))).await;
        }
        federation.process_mut(id).kill().await;
        report.kills[usize::from(*id == B)] += 1;
    }
    victims
}

/// Checks the status that the operator of a recovered node sees: it must be linked, without alarms, refused or deferred items.
async fn looks_sound(node: &TestNode, peer: &str) -> Result<(), String> {
    let mut last = node.peer(peer).await;
    let linked = wait::until(PATIENCE, async || {
        last = node.peer(peer).await;
        Ok::<_, String>((last.state == "linked").then_some(()))
    });
    if linked.await?.is_none() {
        return Err(format!("{} shows its link to {peer} as {:?}: {}", node.id, last.state, last.last_error));
    }
    let status = node.status().await;
    match (status.alarms.as_slice(), status.refused_by_us + status.refused_by_peers, status.deferred) {
        ([], 0, 0) => Ok(()),
        (alarms, refused, deferred) => {
            Err(format!("{} shows the alarms {alarms:?}, {refused} refused and {deferred} deferred", node.id))
        }
    }
}

/// Waits until both have receipts for everything, then compares their complaints with each other and with the answers that clients got.
async fn check(report: &Report, a: &TestNode, b: &TestNode) -> Result<(), String> {
    a.empties_its_outbox().await?;
    b.empties_its_outbox().await?;
    let here = [a.lists().await, b.lists().await];
    // A complaint that was not forwarded is at its intake agency only.
    let shared = here.each_ref().map(|rows| {
        let offered = rows.iter().filter(|row| !row.offered_to.is_empty());
        offered.map(|row| (row.complaint.clone(), row.digest.clone())).collect::<BTreeSet<_>>()
    });
    let differing = shared[0].symmetric_difference(&shared[1]).count();
    if differing > 0 {
        return Err(format!("{A} and {B} differ in {differing} complaints"));
    }
    let arrived: BTreeSet<_> = shared[0].iter().map(|(complaint, _)| complaint.clone()).collect();
    for ((intake, rows), answers) in [A, B].into_iter().zip(&here).zip(&report.answers) {
        let own = rows.iter().filter(|row| row.intake == intake).map(|row| row.complaint.clone());
        let mut violations = answers.violated_by(&own.collect::<Vec<_>>());
        violations.extend(answers.lacked_by(&arrived));
        if !violations.is_empty() {
            return Err(format!("of those lodged at {intake}: {}", violations.join(", ")));
        }
    }
    Ok(())
}
