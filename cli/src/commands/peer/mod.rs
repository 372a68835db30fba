//! `sinergi peer …`: the links to the other agencies.

mod list;
mod ping;
mod show;

use clap::Subcommand;
use sinergi_proto::operator_api::ListPeersRequest;

use crate::failure::Failure;
use crate::options::Context;
use crate::view::Peer;

/// What can be done with peers.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the links and their state
    List(list::ListArgs),
    /// Show everything about one link
    Show(show::ShowArgs),
    /// Ask a peer for an answer and measure the time
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

/// The links, or the one to `agency`.
async fn fetch(agency: String, context: &Context) -> Result<Vec<Peer>, Failure> {
    let mut node = context.connect().await?;
    let answer = node.api.list_peers(ListPeersRequest { agency }).await;
    let peers = answer.map_err(|status| Failure::from_status("list its peers", &status))?.into_inner().peers;
    Ok(peers.into_iter().map(Into::into).collect())
}
