//! `sinergi outbox …`: shows entries that peers have not taken yet.

mod list;
mod show;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// The commands for the outbox.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the entries, oldest first
    List(list::ListArgs),
    /// Show one entry
    Show(show::ShowArgs),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
    }
}
