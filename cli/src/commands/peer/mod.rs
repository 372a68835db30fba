//! `sinergi peer …`: shows the links to other agencies.

mod list;
mod ping;
mod show;

use clap::Subcommand;
use sinergi_proto::operator_api::ListPeersRequest;

use crate::failure::Failure;
use crate::options::Context;
use crate::view::Peer;

/// The commands for peers.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the links and their state
    List(list::ListArgs),
    /// Show all details of one link
    Show(show::ShowArgs),
    /// Ping a peer and measure the time of its answer
    Ping(ping::PingArgs),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Ping(args) => ping::run(args, context).await,
    }
}

/// Asks the node for the link to `agency`, or for all links if it is empty.
async fn fetch(agency: String, context: &Context) -> Result<Vec<Peer>, Failure> {
    let mut node = context.connect().await?;
    let answer = node.api.list_peers(ListPeersRequest { agency }).await;
    let peers = answer.map_err(|status| Failure::from_status("list its peers", &status))?.into_inner().peers;
    Ok(peers.into_iter().map(Into::into).collect())
}
