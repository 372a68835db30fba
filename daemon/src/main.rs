//! `sinergid`: runs one agency's node, or rebuilds its store.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sinergi_config::Config;
use sinergi_daemon::base::error_chain::{causes, without_repeats};

/// A node often allocates on one thread and frees on another. With glibc's allocator that costs a fifth of its time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The node of one agency: its ledger, its links with other agencies, its operator API.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The node's folder, or its configuration file
    #[arg(long, value_name = "DIR", default_value = ".", env = "SINERGI_NODE", global = true)]
    node: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the node until SIGTERM (the default)
    Run,
    /// Build the store anew from the ledger; the node must not run
    Rebuild,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match Config::load(&arguments.node) {
        Ok(config) => match arguments.command.unwrap_or(Command::Run) {
            Command::Run => {
                sinergi_daemon::node::run(&config).map_err(|error| Box::new(error) as Box<dyn std::error::Error>)
            }
            Command::Rebuild => sinergi_daemon::node::rebuild(&config).map_err(Into::into).map(|entries| {
                println!("rebuilt the store from {entries} entries");
            }),
        },
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Prints the error and its chain of causes.
fn report(error: &(dyn std::error::Error + 'static)) {
    eprintln!("error: {error}");
    for cause in without_repeats(error.to_string(), causes(error)).iter().skip(1) {
        eprintln!("  because: {cause}");
    }
}
