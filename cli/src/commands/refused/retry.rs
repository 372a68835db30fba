//! `sinergi refused retry`: has entries judged again that this node refused or deferred, after a charter was corrected, a clock set, or a link
//! repaired.
//!
//! Entries that a peer refused can be retried only by that peer's operator.

use clap::{ArgGroup, Args};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::{ListRefusedRequest, RetryRefusedRequest};

use crate::client;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::columns::rendered;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Refused, Retried, short_hash};

/// Options of `refused retry`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("which").args(["number", "all"]).required(true))]
pub struct RetryArgs {
    /// The entry's number in the listing
    #[arg(value_name = "NUMBER")]
    pub number: Option<String>,

    /// Judge all entries again that this node deferred or refused
    #[arg(long)]
    pub all: bool,

    /// Only entries from this agency
    #[arg(long, value_name = "AGENCY")]
    pub peer: Option<AgencyId>,
}

/// Runs the command.
pub(super) async fn run(args: RetryArgs, context: &Context) -> Result<(), Failure> {
    let peer = args.peer.map_or_else(String::new, String::from);
    let by_peers = refused_by_peers(&peer, context).await?;
    if let Some(number) = &args.number
        && let Some(item) = by_peers.iter().find(|item| item.number == *number)
    {
        return Err(Failure::refused(format!("{} refused {number}, not this node", safe::line(&item.peer))).help(
            format!(
                "only that agency's operator can have it judged again, with `sinergi refused retry` there; entry {}",
                item.entry_id
            ),
        ));
    }
    let what = "judge the entries again";
    let mut node = context.connect().await?;
    let request = RetryRefusedRequest { number: args.number.unwrap_or_default(), peer };
    let answer = node.api.retry_refused(request).await.map_err(|status| {
        Failure::from_status(what, &status)
            .help("`sinergi refused list` and `sinergi refused list --deferred` show the numbers")
    })?;
    let items: Vec<Retried> = answer.into_inner().items.into_iter().map(Into::into).collect();
    context.output.listing(&items, "Nothing waits, and this node has refused nothing.", table)?;
    if args.all && !by_peers.is_empty() {
        context.output.note(&left_to_others(&by_peers));
    }
    Ok(())
}

/// The entries of this node that peers refused.
async fn refused_by_peers(peer: &str, context: &Context) -> Result<Vec<Refused>, Failure> {
    let what = "list refusals";
    let mut node = context.connect().await?;
    let direction = "by_peer".to_owned();
    let request = ListRefusedRequest { peer: peer.to_owned(), direction, deferred: false, limit: u32::MAX };
    let answer = node.api.list_refused(request).await.map_err(|status| Failure::from_status(what, &status))?;
    Ok(client::collect(answer.into_inner(), what).await?.into_iter().map(Into::into).collect())
}

fn left_to_others(by_peers: &[Refused]) -> String {
    let mut peers: Vec<String> = by_peers.iter().map(|item| safe::line(&item.peer)).collect();
    peers.sort_unstable();
    peers.dedup();
    let count = by_peers.len();
    let items = if count == 1 { "1 item was".to_owned() } else { format!("{count} items were") };
    format!("{items} refused by {}: only the operators there can retry that", peers.join(", "))
}

fn table(output: &Output, items: &[Retried]) -> String {
    let mut table =
        output.table(&["NUMBER", "ENTRY", "OUTCOME", "CODE", "REASON"], &["NUMBER", "ENTRY", "OUTCOME", "CODE"]);
    for item in items {
        let tone = match item.outcome.as_str() {
            "taken" => Tone::Good,
            "waits" => Tone::Warning,
            _ => Tone::Alarm,
        };
        table.add_row([
            safe::line(&item.number).into(),
            output.cell(Tone::Faint, short_hash(&item.entry_id)),
            output.cell(tone, &safe::line(&item.outcome)),
            item.code.map_or_else(|| "-".to_owned(), |code| code.to_string()).into(),
            safe::line(item.reason.as_deref().unwrap_or("-")).into(),
        ]);
    }
    rendered(&table)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use sinergi_proto::operator_api;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RetryArgs,
    }

    #[test]
    fn either_one_entry_or_all_are_retried() {
        for (options, fine) in
            [("", false), ("--peer ksp", false), ("1-2-0 --all", false), ("1-2-0", true), ("--all --peer ksp", true)]
        {
            let line = format!("retry {options}");
            assert_eq!(Line::try_parse_from(line.split_whitespace()).is_ok(), fine, "{options}");
        }
    }

    #[test]
    fn each_entry_is_listed_with_its_outcome() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let item = |number: &str, outcome: &str, code: u32, reason: &str| {
            let (number, outcome, reason) = (number.to_owned(), outcome.to_owned(), reason.to_owned());
            Retried::from(operator_api::RetriedItem { number, entry_id: vec![0xab; 32], outcome, code, reason })
        };
        let items = [item("1-64-0", "taken", 0, ""), item("1-9000-0", "waits", 601, "parent 5f00aa17 is not here")];
        let expected = "\
NUMBER    ENTRY         OUTCOME  CODE  REASON
1-64-0    abababababab  taken    -     -
1-9000-0  abababababab  waits    601   parent 5f00aa17 is not here
";
        assert_eq!(table(&output, &items), expected);
    }

    #[test]
    fn the_peers_that_refused_entries_are_named_once_each() {
        let item =
            |peer: &str| Refused::from(operator_api::RefusedItem { peer: peer.to_owned(), ..Default::default() });
        let said = left_to_others(&[item("ksp"), item("kominfo"), item("ksp")]);
        assert_eq!(said, "3 items were refused by kominfo, ksp: only the operators there can retry that");
    }
}
