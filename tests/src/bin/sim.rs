//! `sim`: runs the simulation over many seeds. A seed that fails prints the command that repeats it exactly.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sinergi_tests::measure::numbers;
use sinergi_tests::sim::{Plan, Report, run};
use tokio::time::Instant;

/// A run is many small maps and frames.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let [seeds, from, most] = match numbers([("--seeds", 200), ("--from", 0), ("--most", 50)]) {
        Ok(numbers) => numbers,
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
            match run(Plan::of(seed, most)) {
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
        "{seeds} seeds from {from}: {failed} failed; {} events, {} complaints, {} acknowledged entries, {} superseded, {} ledgers recovered, {} findings against who did not declare a loss, {} s",
        total.events,
        total.complaints,
        total.acknowledged,
        total.superseded,
        total.recovered,
        total.undeclared,
        began.elapsed().as_secs()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn add(total: &mut Report, report: &Report) {
    total.events += report.events;
    total.complaints += report.complaints;
    total.acknowledged += report.acknowledged;
    total.superseded += report.superseded;
    total.recovered += report.recovered;
    total.undeclared += report.undeclared;
}
