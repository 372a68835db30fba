//! `sinergi complaint …`: lodge complaints, see them, hand them over, answer them.

mod accept;
mod act;
mod close;
mod custody;
mod entry_words;
#[cfg(test)]
mod fixture;
mod forward;
mod history;
mod import;
mod list;
mod lodge;
mod progress;
mod recall;
mod reply;
mod resolve;
mod respond;
mod return_offer;
mod show;
mod timeline;
mod withdraw;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Context;

/// What can be done with complaints.
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
    /// Show the way of a complaint: who held it, and everything that happened, in order
    Timeline(timeline::TimelineArgs),
    /// Offer custody of a complaint to another agency
    Forward(forward::ForwardArgs),
    /// Ask for an offer back before it is answered
    Recall(recall::RecallArgs),
    /// Take back an offer that was not answered in time
    Withdraw(withdraw::WithdrawArgs),
    /// Take custody of a complaint that was offered to us
    Accept(accept::AcceptArgs),
    /// Decline a complaint that was offered to us
    Return(return_offer::ReturnArgs),
    /// Say what is being done
    Progress(progress::ProgressArgs),
    /// Answer the citizen
    Respond(respond::RespondArgs),
    /// Say how the work ended
    Resolve(resolve::ResolveArgs),
    /// Record what the citizen says to it
    Reply(reply::ReplyArgs),
    /// End a complaint
    Close(close::CloseArgs),
}

/// Runs the command.
pub(super) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Lodge(args) => lodge::run(args, context).await,
        Command::Import(args) => import::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Timeline(args) => timeline::run(args, context).await,
        Command::Forward(args) => forward::run(args, context).await,
        Command::Recall(args) => recall::run(args, context).await,
        Command::Withdraw(args) => withdraw::run(args, context).await,
        Command::Accept(args) => accept::run(args, context).await,
        Command::Return(args) => return_offer::run(args, context).await,
        Command::Progress(args) => progress::run(args, context).await,
        Command::Respond(args) => respond::run(args, context).await,
        Command::Resolve(args) => resolve::run(args, context).await,
        Command::Reply(args) => reply::run(args, context).await,
        Command::Close(args) => close::run(args, context).await,
    }
}
