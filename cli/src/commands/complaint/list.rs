//! `sinergi complaint list`: lists the complaints that this node knows, newest first.

use clap::Args;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::ListComplaintsRequest;

use crate::client;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::columns::{rendered, shortened};
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Complaint, short_id};
use crate::when::{self, Moment};
use crate::words::Phase;

/// Options of `complaint list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only complaints that this agency holds
    #[arg(long, value_name = "AGENCY")]
    pub holder: Option<AgencyId>,

    /// Only complaints that are offered to this agency
    #[arg(long, value_name = "AGENCY")]
    pub offered_to: Option<AgencyId>,

    /// Only complaints that were lodged at this agency
    #[arg(long, value_name = "AGENCY")]
    pub intake: Option<AgencyId>,

    /// Only complaints in this phase
    #[arg(long, value_enum, value_name = "PHASE")]
    pub phase: Option<Phase>,

    /// Only complaints of this category
    #[arg(long, value_name = "CODE")]
    pub category: Option<String>,

    /// Only complaints lodged at or after this time: RFC 3339, or a date
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,

    /// Only complaints with an offer that was not answered in time
    #[arg(long)]
    pub overdue: bool,

    /// The maximum number of complaints
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Runs the command.
pub(super) async fn run(args: ListArgs, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let since = args.since.map(|moment| moment.start(&output.zone)).transpose();
    let since = since.map_err(|error| Failure::usage(error.to_string()))?;
    let name = |agency: Option<AgencyId>| agency.map_or_else(String::new, String::from);
    let request = ListComplaintsRequest {
        holder: name(args.holder),
        offered_to: name(args.offered_to),
        intake: name(args.intake),
        phase: args.phase.map_or_else(String::new, Phase::wire_name),
        category: args.category.unwrap_or_default(),
        since: since.map_or(0, |time| when::milliseconds(time.timestamp())),
        overdue: args.overdue,
        limit: args.limit,
    };
    let mut node = context.connect().await?;
    let what = "list complaints";
    let answer = node.api.list_complaints(request).await.map_err(|status| Failure::from_status(what, &status))?;
    let complaints: Vec<Complaint> =
        client::collect(answer.into_inner(), what).await?.into_iter().map(Into::into).collect();
    output.listing(&complaints, "No complaints.", table)?;
    output.note_if_full(complaints.len(), args.limit);
    Ok(())
}

fn table(output: &Output, complaints: &[Complaint]) -> String {
    let mut table =
        output.table(&["COMPLAINT", "LODGED", "PHASE", "HOLDER", "TITLE"], &["COMPLAINT", "LODGED", "PHASE"]);
    for complaint in complaints {
        let overdue = complaint.answer_by.is_some_and(|answer_by| answer_by < output.now);
        let holder = match &complaint.offered_to {
            Some(to) => format!(
                "{}\n→ {}{}",
                safe::line(&complaint.holder),
                safe::line(to),
                if overdue { ", overdue" } else { "" }
            ),
            None => safe::line(&complaint.holder),
        };
        let title = complaint.title.as_ref().map_or_else(|| format!("({})", complaint.category), Clone::clone);
        table.add_row([
            output.cell(Tone::Strong, short_id(&complaint.id)),
            output.relative_or_dash(complaint.lodged_at).into(),
            safe::line(&complaint.phase).replace('_', "-").into(),
            if overdue { output.cell(Tone::Warning, &holder) } else { holder.into() },
            shortened(&safe::line(&title), output.width.saturating_sub(36)).into(),
        ]);
    }
    rendered(&table)
}

#[cfg(test)]
mod tests {
    use sinergi_proto::operator_api::ComplaintSummary;

    use super::*;

    fn complaint(last: u8, title: &str, offered_to: &str) -> Complaint {
        let mut id = vec![0x5a; 32];
        id[31] = last;
        Complaint::from(ComplaintSummary {
            complaint: id,
            lodged_at: 1_772_359_200_000,
            category: "noise-residential".to_owned(),
            holder: "kemenpanrb".to_owned(),
            offered_to: offered_to.to_owned(),
            answer_by: if offered_to.is_empty() { 0 } else { 1_772_362_800_000 },
            phase: "in_progress".to_owned(),
            title: title.to_owned(),
            ..Default::default()
        })
    }

    #[test]
    fn a_listing_fits_eighty_columns_and_shows_open_offers() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let rows = [
            complaint(1, "DOF Parking - Payment Issue: Card - No DOF Confirmation Number Issued", "prov-jabar"),
            complaint(2, "", ""),
        ];
        let expected = "\
COMPLAINT   LODGED   PHASE        HOLDER                 TITLE
d5mpjtb80g  2 h ago  in-progress  kemenpanrb             DOF Parking - Payment
                                  → prov-jabar, overdue  Issue: Card - No DOF…
d5mpjtb810  2 h ago  in-progress  kemenpanrb             (noise-residential)
";
        assert_eq!(table(&output, &rows), expected);
    }

    #[test]
    fn json_keeps_ids_whole_and_says_null_for_what_is_not_there() {
        let json = serde_json::to_value([complaint(2, "", "")]).expect("JSON");
        assert_eq!(json[0]["id"].as_str().map(str::len), Some(52));
        assert_eq!(json[0]["lodged_at"], "2026-03-01T10:00:00Z");
        for absent in ["title", "offered_to", "answer_by", "area", "external_id"] {
            assert!(json[0][absent].is_null(), "{absent}");
        }
    }
}
