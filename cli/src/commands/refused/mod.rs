//! `sinergi refused …`: what was refused, by whom and why, and what has to wait.

mod list;
mod retry;
mod show;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// What can be done with refusals.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List refusals, newest first
    List(list::ListArgs),
    /// Show one refusal
    Show(show::ShowArgs),
    /// Have it judged again, after its cause was mended
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
