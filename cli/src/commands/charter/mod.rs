//! `sinergi charter …`: the federation's directory of members, from the managers' keys to the signed note, in files.
//!
//! ```text
//! key (each manager) ── new ── add member.toml … ── sign (each manager, on the same file) ── verify, show ── adopt (each node)
//! ```
//!
//! Invariants: a file is replaced as a whole or not at all; a new file never takes the place of another one.

mod add;
mod adopt;
pub(super) mod files;
mod key;
mod new;
mod show;
mod sign;
mod validity;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// What can be done with charters.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make the key with which a manager signs charters
    Key(key::KeyArgs),
    /// Begin a charter, or the successor of one
    New(new::NewArgs),
    /// Add agencies to a draft, from the member.toml that `init` made for each
    Add(add::AddArgs),
    /// Sign a charter as one of its managers
    Sign(sign::SignArgs),
    /// Check who signed a charter, and whether they are enough
    Verify(verify::VerifyArgs),
    /// Show what stands in a charter: members, managers, validity, hash
    Show(show::ShowArgs),
    /// Give a new node the federation's first charter, and pin its hash
    Adopt(adopt::AdoptArgs),
}

/// Runs the command.
pub fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Key(args) => key::run(&args, context),
        Command::New(args) => new::run(args, context),
        Command::Add(args) => add::run(&args, context),
        Command::Sign(args) => sign::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Adopt(args) => adopt::run(&args, context),
    }
}

#[cfg(test)]
mod tests;
