//! The program `sinergi`: parse what was typed, run the command, report a failure.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sinergi_cli::command_line::{self, Cli};

/// A node allocates on one thread what it frees on another, many times an entry: glibc's allocator takes a fifth of its time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout; if nobody reads them there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match command_line::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With stderr closed, the exit code says it alone.
            let _ = std::io::stderr().write_all(failure.report().as_bytes());
            ExitCode::from(&failure)
        }
    }
}
