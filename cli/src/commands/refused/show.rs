//! `sinergi refused show`: shows one refused or deferred entry.

use clap::Args;
use sinergi_proto::operator_api::ListRefusedRequest;

use super::list::by;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::safe;
use crate::view::Refused;

/// Options of `refused show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The entry's number in the listing
    #[arg(value_name = "NUMBER")]
    pub number: String,
}

/// Runs the command.
pub(super) async fn run(args: ShowArgs, context: &Context) -> Result<(), Failure> {
    let what = "list refusals";
    let mut node = context.connect().await?;
    for deferred in [false, true] {
        let request = ListRefusedRequest { deferred, limit: u32::MAX, ..Default::default() };
        let answer = node.api.list_refused(request).await.map_err(|status| Failure::from_status(what, &status))?;
        let mut items = answer.into_inner();
        while let Some(item) = items.message().await.map_err(|status| Failure::from_status(what, &status))? {
            if item.number == args.number {
                return context.output.document(&Refused::from(item), page);
            }
        }
    }
    Err(Failure::refused(format!("nothing refused or deferred has the number {:?}", args.number))
        .help("`sinergi refused list` and `sinergi refused list --deferred` show the numbers"))
}

fn page(output: &Output, item: &Refused) -> String {
    let time = item.at.map_or_else(|| "-".to_owned(), |at| format!("{} ({})", output.clock(at), output.relative(at)));
    let text = |value: &Option<String>| value.as_deref().map(safe::line).unwrap_or_default();
    output.facts(&[
        ("number", safe::line(&item.number)),
        ("refused by", by(item).to_owned()),
        ("peer", safe::line(&item.peer)),
        ("when", time),
        ("code", format!("{} {}", item.code, safe::line(&item.code_name))),
        ("reason", safe::line(&item.reason)),
        ("entry", text(&item.body)),
        ("author", text(&item.author)),
        ("complaint", text(&item.complaint)),
        ("entry id", item.entry_id.clone()),
    ])
}
