//! `model`: checks all states of the model of one hand-over, within larger bounds than the tests.
//!
//! ```text
//! cargo run --release -p sinergi-tests --bin model -- [--entries 6] [--agencies 3] [--moments 3] [--lost 0] [--repeated 0] [--lies 0] [--free 0]
//! ```
//!
//! `--lost` and `--repeated` are the most messages that may be lost or repeated at a time. Each makes the space several times larger. The
//! program prints one JSON object. If a property is violated, it prints the shortest way to such a state, and ends with exit code 1.

use std::process::ExitCode;

use sinergi_tests::measure::numbers;
use sinergi_tests::model::{Bounds, check};
use tokio::time::Instant;

fn main() -> ExitCode {
    let defaults = [
        ("--entries", 6),
        ("--agencies", 3),
        ("--moments", 3),
        ("--lost", 0),
        ("--repeated", 0),
        ("--lies", 0),
        ("--free", 0),
    ];
    let [entries, agencies, moments, lost, repeated, lies, free] = match numbers(defaults) {
        Ok(numbers) => numbers,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let bounds = Bounds { agencies, entries, moments, lost, repeated, lies, free: free > 0 };
    let began = Instant::now();
    let checked = check(bounds);
    let (entries_made, views) = checked.entries_and_views;
    println!(
        "{{\"entries\": {entries}, \"agencies\": {agencies}, \"moments\": {moments}, \"lost\": {lost}, \"repeated\": {repeated}, \"lies\": {lies}, \"free\": {free}, \"states\": {}, \"depth\": {}, \"different_entries\": {entries_made}, \"views\": {views}, \"seconds\": {:.1}}}",
        checked.states,
        checked.depth,
        began.elapsed().as_secs_f64(),
    );
    for violated in &checked.violated {
        eprintln!("{violated}");
    }
    if checked.violated.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
