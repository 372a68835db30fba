//! `sim`: runs the simulation over many seeds. A seed that fails prints the command that repeats it exactly.
//!
//! `--scenario NAME` adds what protocol 1 cannot withstand; an unknown name lists all.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sinergi_tests::measure::numbers_in;
use sinergi_tests::sim::{Plan, Report, Scenario, run};
use tokio::time::Instant;

fn main() -> ExitCode {
    let (scenario, [seeds, from, most]) = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) => {
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
            match run(Plan { scenario, ..Plan::of(seed, most) }) {
                Ok(report) => add(&mut total.lock().unwrap_or_else(PoisonError::into_inner), &report),
                Err(failure) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    println!("{failure}");
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let (failed, total) = (failed.load(Ordering::Relaxed), total.into_inner().unwrap_or_else(PoisonError::into_inner));
    println!(
        "{seeds} seeds from {from}: {failed} failed; {} events, {} complaints, {} acknowledged entries, {} superseded, {} charters, {} ledgers recovered, {} findings against who did not declare a loss, {} s",
        total.events,
        total.complaints,
        total.acknowledged,
        total.superseded,
        total.charters,
        total.recovered,
        total.undeclared,
        began.elapsed().as_secs()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The scenario, and seeds, first seed and the most agencies of a run.
fn arguments() -> Result<(Option<Scenario>, [usize; 3]), String> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut scenario = None;
    if let Some(at) = arguments.iter().position(|argument| argument == "--scenario") {
        let name = arguments.drain(at..arguments.len().min(at + 2)).nth(1).unwrap_or_default();
        let names = || Scenario::ALL.map(Scenario::name).join(", ");
        scenario = Some(Scenario::named(&name).ok_or_else(|| format!("no scenario {name:?}; there are {}", names()))?);
    }
    let numbers = numbers_in(arguments.into_iter(), [("--seeds", 200), ("--from", 0), ("--most", 50)])?;
    Ok((scenario, numbers))
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
