//! `sinergi ledger …`: the node's own ledger.

mod checkpoint;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// What can be done with the ledger.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the newest signed checkpoint, a C2SP tlog-checkpoint note
    Checkpoint,
    /// Check every record, every hash and every signature of the ledger
    Verify,
}

/// Runs the command.
pub(super) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Checkpoint => checkpoint::run(context).await,
        Command::Verify => verify::run(context).await,
    }
}
