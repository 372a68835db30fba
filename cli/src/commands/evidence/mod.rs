//! `sinergi evidence`: the findings of audits, in a form that others can check.

mod export;
mod list;
pub mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Finding, short_id};

/// The commands for evidence.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the evidence from this node's audits
    List,
    /// Write evidence to one file that anybody can check
    Export(export::ExportArgs),
    /// Check an evidence file with only the charter
    Verify(verify::VerifyArgs),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List => list::run(context).await,
        Command::Export(args) => export::run(args, context).await,
        Command::Verify(args) => verify::run(&args, context),
    }
}

/// A finding with all its details.
pub(crate) fn described(output: &Output, finding: &Finding) -> String {
    let basis = if finding.proven { "proven" } else { "stated by the accuser" };
    let complaint =
        finding.complaint.as_ref().map(|id| format!(", complaint {}", short_id(&safe::line(id)))).unwrap_or_default();
    let head = format!("{} by {}{complaint} ({basis})", safe::line(&finding.finding), safe::line(&finding.accused));
    let mut lines = vec![output.paint(if finding.proven { Tone::Alarm } else { Tone::Warning }, &head)];
    lines.push(output.wrapped(&safe::line(&finding.text), "  "));
    lines.extend(finding.evidence.as_ref().map(|id| format!("  evidence: {}", safe::line(id))));
    lines.join("\n")
}
