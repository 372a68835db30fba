//! `sim`: runs the simulation over many seeds. A seed that fails prints the command that repeats it exactly.
//!
//! `--scenario NAME` adds a trouble that protocol 1 cannot withstand. With `--liar NAME` the liar of every seed tells that lie, and the
//! outcome is printed. With `--liar none` nobody lies.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sinergi_tests::measure::numbers_in;
use sinergi_tests::sim::{LieKind, LieOutcome, Plan, Report, Scenario, run};
use tokio::time::Instant;

/// A run allocates many small maps and frames, for which this allocator is fast.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = liar(&mut arguments).and_then(|liar| Ok((liar, scenario(&mut arguments)?)));
    let numbers = numbers_in(arguments.into_iter(), [("--seeds", 200), ("--from", 0), ("--most", 50)]);
    let ((liar, scenario), [seeds, from, most]) = match (asked, numbers) {
        (Ok(asked), Ok(numbers)) => (asked, numbers),
        (Err(problem), _) | (_, Err(problem)) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let (next, end) = (AtomicU64::new(from as u64), (from + seeds) as u64);
    let (failed, total) = (AtomicU64::new(0), Mutex::new(Report::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            let plan = Plan::of(seed, most);
            match run(Plan { lie: liar.unwrap_or(plan.lie), scenario, ..plan }) {
                Ok(report) => {
                    if let (Some(outcome), Some(_)) = (&report.lie, liar) {
                        say(&describe(seed, outcome));
                    }
                    add(&mut total.lock(), &report);
                }
                Err(failure) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    say(&failure.to_string());
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let (failed, total) = (failed.load(Ordering::Relaxed), total.into_inner());
    say(&format!(
        "{seeds} seeds from {from}: {failed} failed; {} events, {} complaints, {} acknowledged entries, {} superseded, {} charters, {} ledgers recovered, {} findings against agencies that did not declare a loss, {} s",
        total.events,
        total.complaints,
        total.acknowledged,
        total.superseded,
        total.charters,
        total.recovered,
        total.undeclared,
        began.elapsed().as_secs()
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes a line to the standard output. Nothing is wrong if nobody reads it any more, for example behind `head`.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Removes `--liar NAME` from the arguments. Returns the lie that every seed tells, if any, or `None` if each plan draws its own.
fn liar(arguments: &mut Vec<String>) -> Result<Option<Option<&'static LieKind>>, String> {
    let Some(at) = arguments.iter().position(|argument| argument == "--liar") else { return Ok(None) };
    let names = || LieKind::all().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let name = arguments.get(at + 1).cloned().ok_or_else(|| format!("--liar needs a name: none, {}", names()))?;
    arguments.drain(at..at + 2);
    match name.as_str() {
        "none" => Ok(Some(None)),
        name => match LieKind::named(name) {
            Some(kind) => Ok(Some(Some(kind))),
            None => Err(format!("there is no lie {name:?}; there are none, {}", names())),
        },
    }
}

/// Removes `--scenario NAME` from the arguments.
fn scenario(arguments: &mut Vec<String>) -> Result<Option<Scenario>, String> {
    let Some(at) = arguments.iter().position(|argument| argument == "--scenario") else { return Ok(None) };
    let names = || Scenario::ALL.map(Scenario::name).join(", ");
    let name = arguments.drain(at..arguments.len().min(at + 2)).nth(1).unwrap_or_default();
    Scenario::named(&name).map(Some).ok_or_else(|| format!("no scenario {name:?}; there are {}", names()))
}

fn describe(seed: u64, outcome: &LieOutcome) -> String {
    let LieOutcome { name, is_detectable, findings, faults } = outcome;
    let findings: Vec<&str> = findings.iter().map(|finding| finding.name()).collect();
    let reached = if *is_detectable { "reached a node that must find it" } else { "reached no node that must find it" };
    format!("seed {seed}: {name} {reached}; findings [{}], faults {faults:?}", findings.join(", "))
}

fn add(total: &mut Report, report: &Report) {
    total.events += report.events;
    total.complaints += report.complaints;
    total.acknowledged += report.acknowledged;
    total.superseded += report.superseded;
    total.charters += report.charters;
    total.recovered += report.recovered;
    total.undeclared += report.undeclared;
}
