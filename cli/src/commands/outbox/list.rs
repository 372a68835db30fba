//! `sinergi outbox list`: lists entries that peers have not taken yet, oldest first.

use clap::Args;
use sinergi_proto::base::ids::{AgencyId, ComplaintName};
use sinergi_proto::operator_api::ListOutboxRequest;

use crate::client;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::output::columns::rendered;
use crate::safe;
use crate::view::{Outgoing, short_id};

/// Options of `outbox list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only entries for this agency
    #[arg(long, value_name = "AGENCY")]
    pub peer: Option<AgencyId>,

    /// Only entries of this complaint
    #[arg(long, value_name = "ID")]
    pub complaint: Option<ComplaintName>,

    /// The maximum number of entries
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Runs the command.
pub(super) async fn run(args: ListArgs, context: &Context) -> Result<(), Failure> {
    let what = "list the outbox";
    let request = ListOutboxRequest {
        peer: args.peer.map_or_else(String::new, String::from),
        complaint: args.complaint.map_or_else(String::new, |name| name.as_str().to_owned()),
        limit: args.limit,
    };
    let mut node = context.connect().await?;
    let answer = node.api.list_outbox(request).await.map_err(|status| Failure::from_status(what, &status))?;
    let items: Vec<Outgoing> = client::collect(answer.into_inner(), what).await?.into_iter().map(Into::into).collect();
    context.output.listing(&items, "Nothing waits: peers have acknowledged everything.", table)?;
    context.output.note_if_full(items.len(), args.limit);
    Ok(())
}

fn table(output: &Output, items: &[Outgoing]) -> String {
    let mut table =
        output.table(&["NUMBER", "STATE", "MADE", "COMPLAINT", "ENTRY", "AUTHOR"], &["STATE", "MADE", "COMPLAINT"]);
    for item in items {
        table.add_row([
            safe::line(&item.number),
            safe::line(&item.state).replace('_', " "),
            output.relative_or_dash(item.at),
            item.complaint.as_deref().map_or("-", short_id).to_owned(),
            safe::line(&item.body),
            safe::line(&item.author),
        ]);
    }
    rendered(&table)
}

#[cfg(test)]
mod tests {
    use sinergi_proto::operator_api::OutboxItem;

    use super::*;

    #[test]
    fn a_listing_names_each_entry_so_that_it_can_be_shown() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let item = Outgoing::from(OutboxItem {
            peer: "prov-jabar".to_owned(),
            leaf_index: 1042,
            entry_id: vec![7; 32],
            complaint: vec![0x5a; 32],
            body: "Forwarded".to_owned(),
            author: "kemenpanrb".to_owned(),
            at: 1_772_359_200_000,
            bytes: 700,
            state: "in_flight".to_owned(),
        });
        let expected = "\
NUMBER           STATE      MADE     COMPLAINT   ENTRY      AUTHOR
prov-jabar/1042  in flight  2 h ago  d5mpjtb9d0  Forwarded  kemenpanrb
";
        assert_eq!(table(&output, &[item]), expected);
    }
}
