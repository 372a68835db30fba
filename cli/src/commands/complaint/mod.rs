//! `sinergi complaint …`: lodge complaints, see them, hand them over, answer them, put them away.

mod accept;
mod act;
mod approve;
mod archive;
mod classify;
mod close;
mod custody;
mod disclose;
mod entry_name;
mod entry_words;
mod erase;
#[cfg(test)]
mod fixture;
mod forward;
mod history;
mod import;
mod link;
mod list;
mod lodge;
mod offer;
mod progress;
mod proposal;
mod reassign;
mod recall;
mod refuse_archive;
mod remark;
mod reply;
mod resolve;
mod respond;
mod return_offer;
mod show;
mod timeline;
mod verify;
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
    /// Check a complaint anew: signatures, parents, authority, contents
    Verify(verify::VerifyArgs),
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
    /// Offer custody to another agency in the holder's place, as its supervisor
    Reassign(reassign::ReassignArgs),
    /// Decide category, priority and handling
    Classify(classify::ClassifyArgs),
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
    /// Say that a complaint is handled with another one
    Link(link::LinkArgs),
    /// Propose to put a complaint away without an answer
    Archive(archive::ArchiveArgs),
    /// Propose to destroy texts on every node
    Erase(erase::EraseArgs),
    /// Give the second signature to an archiving or an erasure
    Approve(approve::ApproveArgs),
    /// Refuse that a complaint is put away
    Refuse(refuse_archive::RefuseArgs),
    /// Hand a text, or who reported, to one more agency, on the record
    Disclose(disclose::DiscloseArgs),
    /// Leave a note that stays, as a supervisor or oversight agency
    Remark(remark::RemarkArgs),
}

/// Runs the command.
pub(super) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Lodge(args) => lodge::run(args, context).await,
        Command::Import(args) => import::run(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Timeline(args) => timeline::run(args, context).await,
        Command::Verify(args) => verify::run(args, context).await,
        Command::Forward(args) => forward::run(args, context).await,
        Command::Recall(args) => recall::run(args, context).await,
        Command::Withdraw(args) => withdraw::run(args, context).await,
        Command::Accept(args) => accept::run(args, context).await,
        Command::Return(args) => return_offer::run(args, context).await,
        Command::Reassign(args) => reassign::run(args, context).await,
        Command::Classify(args) => classify::run(args, context).await,
        Command::Progress(args) => progress::run(args, context).await,
        Command::Respond(args) => respond::run(args, context).await,
        Command::Resolve(args) => resolve::run(args, context).await,
        Command::Reply(args) => reply::run(args, context).await,
        Command::Close(args) => close::run(args, context).await,
        Command::Link(args) => link::run(args, context).await,
        Command::Archive(args) => archive::run(args, context).await,
        Command::Erase(args) => erase::run(args, context).await,
        Command::Approve(args) => approve::run(args, context).await,
        Command::Refuse(args) => refuse_archive::run(args, context).await,
        Command::Disclose(args) => disclose::run(args, context).await,
        Command::Remark(args) => remark::run(args, context).await,
    }
}
