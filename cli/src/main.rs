//! The program `sinergi`: parses the command line, runs the command and reports a failure.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sinergi_cli::command_line::{self, Cli};

/// A node frees memory on another thread than it was allocated on, many times per entry. With glibc's allocator that takes a fifth of its time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout. If stdout is closed, the error cannot be reported anyway.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match command_line::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If stderr is closed, the exit code still reports the failure.
            let _ = std::io::stderr().write_all(failure.report().as_bytes());
            ExitCode::from(&failure)
        }
    }
}
