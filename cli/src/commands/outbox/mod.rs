//! `sinergi outbox …`: what peers have not acknowledged yet.

mod list;
mod show;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// What can be done with the outbox.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List what waits, oldest first
    List(list::ListArgs),
    /// Show one entry that waits
    Show(show::ShowArgs),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
    }
}
