//! The whole command line, and the dispatch to the commands.
//!
//! This module is above the commands and the demo, because the demo uses some commands.

use clap::{Parser, Subcommand};

use crate::commands::{
    audit, charter, citizen, complaint, config, confirm, evidence, init, ledger, outbox, peer, pki, receipt, recover,
    refused, run, status,
};
use crate::demo::{self, DemoArgs};
use crate::failure::Failure;
use crate::options::{Context, GlobalOptions};

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 node unreachable, 4 refused (authority or state), 5 a check found a problem.
Name a complaint by any unambiguous part of its id of 6 characters or more.";

/// Inspect and control a node of the federation.
#[derive(Parser, Debug)]
#[command(name = "sinergi", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Options of the whole program.
    #[command(flatten)]
    pub options: GlobalOptions,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a whole federation on this machine, from complaints to verified ledgers
    Demo(DemoArgs),
    /// Create a node's folder: keys, certificate, configuration
    Init(init::InitArgs),
    /// Check the node's configuration and its files
    #[command(subcommand)]
    Config(config::Command),
    /// Run the node until SIGTERM or Ctrl-C
    Run(run::RunArgs),
    /// Begin a new epoch of a ledger that was set back or lost (stop the node first)
    Recover(recover::RecoverArgs),
    /// Manage certificates for a pilot
    #[command(subcommand)]
    Pki(pki::Command),
    /// Write, sign and check the charter, the federation's directory
    #[command(subcommand)]
    Charter(charter::Command),
    /// Lodge, show, hand over and answer complaints
    #[command(subcommand)]
    Complaint(complaint::Command),
    /// Show the node on one screen, alarms first
    Status(status::StatusArgs),
    /// Vouch for something that the node cannot know by itself, or confirm that you have seen an alarm
    #[command(subcommand)]
    Confirm(confirm::Command),
    /// Show the links to other agencies
    #[command(subcommand)]
    Peer(peer::Command),
    /// Show entries that peers have not acknowledged yet
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Show refused and deferred entries
    #[command(subcommand)]
    Refused(refused::Command),
    /// Show, check and export the node's ledger
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Check other agencies' ledgers against this node's ledger
    Audit(audit::AuditArgs),
    /// List, export and check the evidence of audits
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Print or check a citizen's receipt: the proof that a complaint was lodged
    Receipt(receipt::ReceiptArgs),
    /// Draw a citizen's key and sign words with it, without a node
    #[command(subcommand)]
    Citizen(citizen::Command),
}

/// Runs a command.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let context = Context::of_process(&cli.options)?;
    match cli.command {
        Command::Demo(args) => block_on(demo::run(args, &context)),
        Command::Init(args) => init::run(&args, &context),
        Command::Config(command) => config::run(&command, &context),
        Command::Run(args) => run::run(&args, &context),
        Command::Recover(args) => recover::run(&args, &context),
        Command::Pki(command) => pki::run(command, &context),
        Command::Charter(command) => block_on(charter::run(command, &context)),
        Command::Complaint(command) => block_on(complaint::run(command, &context)),
        Command::Status(args) => block_on(status::run(&args, &context)),
        Command::Confirm(command) => block_on(confirm::run(command, &context)),
        Command::Peer(command) => block_on(peer::run(command, &context)),
        Command::Outbox(command) => block_on(outbox::run(command, &context)),
        Command::Refused(command) => block_on(refused::run(command, &context)),
        Command::Ledger(command) => block_on(ledger::run(command, &context)),
        Command::Audit(args) => block_on(audit::run(args, &context)),
        Command::Evidence(command) => block_on(evidence::run(command, &context)),
        Command::Citizen(command) => citizen::run(command, &context),
        Command::Receipt(args) => block_on(receipt::run(&args, &context)),
    }
}

/// Runs a command that waits for a node. One thread is enough, because the command only waits.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("cannot start the runtime").because(error))?;
    runtime.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;
    use crate::output::Format;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("sinergi").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_are_allowed_anywhere() {
        for line in [
            "--node /n --output json peer list",
            "peer --node /n list --output json",
            "peer list --output json --node /n",
        ] {
            let cli = parse(line).expect(line);
            assert_eq!(cli.options.node, Some("/n".into()), "{line}");
            assert_eq!(cli.options.output, Format::Json, "{line}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_part_of_an_id_is_wrong_usage() {
        for line in ["complaint show abc", "complaint accept abc/def", "complaint forward 0123456789 --to Kota_Bandung"]
        {
            let error = parse(line).expect_err(line);
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::ValueValidation, 2), "{line}");
        }
    }
}
