//! `sinergi complaint …`: lodges, shows, hands over, answers and archives complaints.

mod act;
mod approve;
mod custody;
mod disclose;
mod entry_name;
mod entry_words;
#[cfg(test)]
mod fixture;
mod hand_over;
mod history;
mod import;
mod list;
mod lodge;
mod offer;
mod proposal;
mod reply;
mod show;
mod timeline;
mod verify;
mod work;

use clap::Subcommand;
use sinergi_proto::operator_api::Remark;
use sinergi_proto::operator_api::act_request::Act;

use crate::failure::Failure;
use crate::options::Context;

/// The commands for complaints.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Lodge a complaint of a citizen
    Lodge(lodge::LodgeArgs),
    /// Lodge complaints from a file of another system
    Import(import::ImportArgs),
    /// List complaints, newest first
    List(list::ListArgs),
    /// Show a complaint
    Show(show::ShowArgs),
    /// Show the history of a complaint: its holders, and all entries in order
    Timeline(timeline::TimelineArgs),
    /// Check all entries of a complaint: signatures, parents, authority, contents
    Verify(verify::VerifyArgs),
    /// Move custody.
    #[command(flatten)]
    HandOver(hand_over::HandOver),
    /// Move the case.
    #[command(flatten)]
    Work(work::Work),
    /// Record the citizen's word on an answer
    Reply(reply::ReplyArgs),
    /// Archive or erase, on two signatures.
    #[command(flatten)]
    Proposal(proposal::Proposal),
    /// Give a text, or the reporter's identity, to one more agency, on the record
    Disclose(disclose::DiscloseArgs),
    /// Write a remark, as a supervisor or oversight agency
    Remark(act::OnComplaint),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Lodge(args) => lodge::run(args, context).await,
        Command::Import(args) => import::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Timeline(args) => timeline::run(args, context).await,
        Command::Verify(args) => verify::run(args, context).await,
        Command::HandOver(command) => command.deed(&context.output)?.carry_out(context).await,
        Command::Work(command) => command.deed()?.carry_out(context).await,
        Command::Reply(args) => reply::run(args, context).await,
        Command::Proposal(command) => proposal::run(command, context).await,
        Command::Disclose(args) => disclose::run(args, context).await,
        Command::Remark(on) => {
            on.deed_in_words("remark on the complaint", "remarked", Act::Remark(Remark {}))?.carry_out(context).await
        }
    }
}
