//! `sinergi refused …`: shows refused and deferred entries, and has them judged again.

mod list;
mod retry;
mod show;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// The commands for refusals.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List refused or deferred entries, newest first
    List(list::ListArgs),
    /// Show one refused or deferred entry
    Show(show::ShowArgs),
    /// Have entries judged again, after their cause was removed
    Retry(retry::RetryArgs),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Retry(args) => retry::run(args, context).await,
    }
}
