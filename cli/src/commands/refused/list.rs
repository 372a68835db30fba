//! `sinergi refused list`: lists entries that one side of a link refused, newest first. With `--deferred` it lists deferred entries instead.

use clap::{Args, ValueEnum};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::ListRefusedRequest;

use crate::client;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::output::columns::rendered;
use crate::safe;
use crate::view::Refused;

/// Options of `refused list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only entries on the link to this agency
    #[arg(long, value_name = "AGENCY")]
    pub peer: Option<AgencyId>,

    /// Only entries that this side refused
    #[arg(long, value_enum, value_name = "SIDE")]
    pub direction: Option<Side>,

    /// List deferred entries instead: those that lack a parent or a charter, or whose time has not come
    #[arg(long)]
    pub deferred: bool,

    /// The maximum number of entries
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// The side of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// This node.
    ByUs,
    /// The peer.
    ByPeer,
}

/// Runs the command.
pub(super) async fn run(args: ListArgs, context: &Context) -> Result<(), Failure> {
    let what = "list refusals";
    let request = ListRefusedRequest {
        peer: args.peer.map_or_else(String::new, String::from),
        direction: match args.direction {
            Some(Side::ByUs) => "by_us".to_owned(),
            Some(Side::ByPeer) => "by_peer".to_owned(),
            None => String::new(),
        },
        deferred: args.deferred,
        limit: args.limit,
    };
    let mut node = context.connect().await?;
    let answer = node.api.list_refused(request).await.map_err(|status| Failure::from_status(what, &status))?;
    let items: Vec<Refused> = client::collect(answer.into_inner(), what).await?.into_iter().map(Into::into).collect();
    let nothing = if args.deferred { "Nothing is deferred." } else { "Nothing was refused." };
    context.output.listing(&items, nothing, table)?;
    context.output.note_if_full(items.len(), args.limit);
    Ok(())
}

fn table(output: &Output, items: &[Refused]) -> String {
    let mut table = output.table(&["NUMBER", "WHEN", "PEER", "BY", "CODE", "REASON"], &["NUMBER", "WHEN", "BY"]);
    for item in items {
        table.add_row([
            safe::line(&item.number),
            output.relative_or_dash(item.at),
            safe::line(&item.peer),
            by(item).to_owned(),
            format!("{} {}", item.code, safe::line(&item.code_name)),
            safe::line(&item.reason),
        ]);
    }
    rendered(&table)
}

/// The side that refused, in a word.
pub(super) fn by(item: &Refused) -> &'static str {
    if item.direction == "by_us" { "us" } else { "peer" }
}

#[cfg(test)]
mod tests {
    use sinergi_proto::operator_api::RefusedItem;

    use super::*;

    #[test]
    fn a_refusal_is_listed_with_its_code_and_reason_in_eighty_columns() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let item = Refused::from(RefusedItem {
            number: "17".to_owned(),
            peer: "prov-jabar".to_owned(),
            direction: "by_us".to_owned(),
            code: 12,
            code_name: "bad_signature".to_owned(),
            reason: "the signature does not verify under entry key 5f00aa17 of prov-jabar".to_owned(),
            at: 1_772_359_200_000,
            ..Default::default()
        });
        let expected = "\
NUMBER  WHEN     PEER        BY  CODE              REASON
17      2 h ago  prov-jabar  us  12 bad_signature  the signature does not verify
                                                   under entry key 5f00aa17 of
                                                   prov-jabar
";
        assert_eq!(table(&output, &[item]), expected);
    }
}
