//! `sinergi ledger …`: shows, checks and exports the node's own ledger.

mod checkpoint;
mod export;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// The commands for the ledger.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the newest signed checkpoint, a C2SP tlog-checkpoint note
    Checkpoint,
    /// Check every record, every hash and every signature of the ledger
    Verify,
    /// Write the ledger in an open format that others can read and check
    Export(export::ExportArgs),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Checkpoint => checkpoint::run(context).await,
        Command::Verify => verify::run(context).await,
        Command::Export(args) => export::run(&args, context).await,
    }
}
