//! `sinergi charter …`: makes, signs, checks and adopts charters, in files.
//!
//! ```text
//! key (each manager) ── new ── add member.toml … ── sign (each manager, on the same file) ── verify, show ── adopt (each node)
//!                              └─ revoke, with the list that `trusted make` wrote
//! ```
//!
//! Invariants: a file is replaced completely or not at all; a new file never overwrites another one.

mod add;
mod adopt;
pub(super) mod files;
mod key;
mod new;
mod revoke;
mod show;
mod sign;
pub(super) mod trusted;
mod validity;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// The commands for charters.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a manager's key for signing charters
    Key(key::KeyArgs),
    /// Draft a first charter, or the successor of a signed one
    New(new::NewArgs),
    /// Add agencies to a draft, from their member.toml files
    Add(add::AddArgs),
    /// Make or check the list of what stays trusted when keys are revoked
    #[command(subcommand)]
    Trusted(trusted::Command),
    /// Revoke the keys that a list names, in a draft
    Revoke(revoke::RevokeArgs),
    /// Sign a charter as one of its managers
    Sign(sign::SignArgs),
    /// Check the signatures, the chain and the validity of a charter
    Verify(verify::VerifyArgs),
    /// Show the content of a charter: members, managers, validity, hash
    Show(show::ShowArgs),
    /// Store the first charter in a new node's folder, and pin its hash; or the successor of its newest one
    Adopt(adopt::AdoptArgs),
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Key(args) => key::run(&args, context),
        Command::New(args) => new::run(args, context),
        Command::Add(args) => add::run(&args, context),
        Command::Trusted(command) => trusted::run(command, context).await,
        Command::Revoke(args) => revoke::run(&args, context),
        Command::Sign(args) => sign::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Adopt(args) => adopt::run(&args, context),
    }
}

#[cfg(test)]
mod tests;
