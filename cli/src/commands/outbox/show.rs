//! `sinergi outbox show`: shows one entry that a peer has not taken yet.

use clap::Args;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::ListOutboxRequest;

use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::safe;
use crate::view::Outgoing;

/// Options of `outbox show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The entry's number in the listing: PEER/LEAF
    #[arg(value_name = "NUMBER")]
    pub number: OutboxNumber,
}

/// An entry's number in the outbox: the peer that has not taken it, and its leaf in this node's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxNumber {
    /// The peer.
    pub peer: AgencyId,
    /// The leaf.
    pub leaf: u64,
}

impl std::str::FromStr for OutboxNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .and_then(|(peer, leaf)| Some(Self { peer: peer.parse().ok()?, leaf: leaf.parse().ok()? }))
            .ok_or_else(|| {
                format!("{text:?} is not PEER/LEAF as in \"prov-jabar/1042\"; `sinergi outbox list` shows them")
            })
    }
}

/// Runs the command.
pub(super) async fn run(args: ShowArgs, context: &Context) -> Result<(), Failure> {
    let what = "list the outbox";
    let request = ListOutboxRequest { peer: args.number.peer.to_string(), complaint: String::new(), limit: u32::MAX };
    let mut node = context.connect().await?;
    let answer = node.api.list_outbox(request).await.map_err(|status| Failure::from_status(what, &status))?;
    let mut items = answer.into_inner();
    while let Some(item) = items.message().await.map_err(|status| Failure::from_status(what, &status))? {
        if item.leaf_index == args.number.leaf {
            return context.output.document(&Outgoing::from(item), page);
        }
    }
    Err(Failure::refused(format!("leaf {} is not in the outbox of {}", args.number.leaf, args.number.peer))
        .help("the peer may have acknowledged it; `sinergi outbox list` shows all entries"))
}

fn page(output: &Output, item: &Outgoing) -> String {
    let time = item.at.map_or_else(|| "-".to_owned(), |at| format!("{} ({})", output.clock(at), output.relative(at)));
    output.facts(&[
        ("peer", safe::line(&item.peer)),
        ("state", safe::line(&item.state).replace('_', " ")),
        ("leaf", item.leaf_index.to_string()),
        ("entry", format!("{} by {}", safe::line(&item.body), safe::line(&item.author))),
        ("made", time),
        ("bytes", item.bytes.to_string()),
        ("complaint", item.complaint.clone().unwrap_or_default()),
        ("entry id", item.entry_id.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_by_peer_and_leaf() {
        let number: OutboxNumber = "prov-jabar/1042".parse().expect("a number");
        assert_eq!((number.peer.as_str(), number.leaf), ("prov-jabar", 1042));
        for bad in ["1042", "prov-jabar", "prov-jabar/", "prov-jabar/-1", "Prov/1"] {
            assert!(bad.parse::<OutboxNumber>().is_err(), "{bad}");
        }
    }
}
