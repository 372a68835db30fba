//! `sinergi complaint show`: one complaint on a page: where it is, what the citizen said, what happened.

use clap::Args;
use jiff::Timestamp;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::ShowComplaintRequest;

use super::act;
use super::timeline::{self, deed};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::columns::shortened;
use crate::output::{Output, Tone, safe};
use crate::view::{Complaint, ComplaintDetail, short_id};

/// Options of `complaint show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,
}

/// Runs the command.
pub(super) async fn run(args: ShowArgs, context: &Context) -> Result<(), Failure> {
    let detail = fetch(&args.complaint, context).await?;
    context.output.document(&detail, page)
}

/// Everything that the node knows of a complaint.
pub(super) async fn fetch(complaint: &ComplaintName, context: &Context) -> Result<ComplaintDetail, Failure> {
    let mut node = context.connect().await?;
    let request = ShowComplaintRequest { complaint: complaint.as_str().to_owned() };
    let answer = node.api.show_complaint(request).await;
    let detail = answer.map_err(|status| act::refusal("show the complaint", &status))?.into_inner();
    Ok(detail.into())
}

fn page(output: &Output, detail: &ComplaintDetail) -> String {
    let mut parts = vec![heading(output, &detail.complaint), facts(output, detail)];
    if let Some(first) = detail.timeline.first() {
        let said = timeline::contents(output, first, "  ", timeline::Title::Above);
        if !said.is_empty() {
            parts.push(said);
        }
    }
    parts.push(happened(output, detail));
    parts.join("\n\n")
}

/// The id and, wrapped, the title.
fn heading(output: &Output, complaint: &Complaint) -> String {
    let title = complaint.title.as_deref().unwrap_or("(its text is not at this node)");
    let id = output.paint(Tone::Strong, short_id(&complaint.id));
    let indent = " ".repeat(12);
    let wrapped = output.wrapped(&safe::line(title), &indent);
    format!("{id}  {}", wrapped.trim_start())
}

fn facts(output: &Output, detail: &ComplaintDetail) -> String {
    let complaint = &detail.complaint;
    let time = |time: Option<Timestamp>| {
        time.map_or_else(String::new, |time| format!("{} ({})", output.clock(time), output.relative(time)))
    };
    let own = if complaint.self_closed { ", on the intake agency's own word (self-closed)" } else { "" };
    let external = complaint.external_source.as_deref().zip(complaint.external_id.as_deref());
    output.facts(&[
        ("phase", format!("{}{own}", safe::line(&complaint.phase).replace('_', "-"))),
        ("holder", safe::line(&complaint.holder)),
        ("offered to", offer(output, complaint)),
        ("intake", safe::line(&complaint.intake)),
        ("kind", format!("{}, {}", complaint.kind.replace('_', "-"), complaint.class)),
        ("category", safe::line(&complaint.category)),
        ("area", safe::line(complaint.area.as_deref().unwrap_or_default())),
        ("lodged", time(complaint.lodged_at)),
        ("last change", time(complaint.changed_at)),
        ("came from", external.map_or_else(String::new, |(source, id)| safe::line(&format!("{source}, record {id}")))),
        ("participants", safe::line(&detail.participants.join(", "))),
        ("observers", safe::line(&detail.observers.join(", "))),
        ("whole id", complaint.id.clone()),
    ])
}

/// The open offer and its end; empty if there is none.
fn offer(output: &Output, complaint: &Complaint) -> String {
    let Some(to) = &complaint.offered_to else { return String::new() };
    let until = complaint.answer_by.map_or_else(String::new, |answer_by| {
        let late = if answer_by < output.now { "overdue: answer was due" } else { "answer by" };
        format!(", {late} {} ({})", output.minute(answer_by), output.relative(answer_by))
    });
    format!("{}{until}", safe::line(to))
}

/// One line an entry.
fn happened(output: &Output, detail: &ComplaintDetail) -> String {
    let author_width = detail.timeline.iter().map(|entry| entry.author.chars().count()).max().unwrap_or(0).min(24);
    let lines = detail.timeline.iter().map(|entry| {
        let time = entry.at.map_or_else(|| "-".to_owned(), |at| output.minute(at));
        let author = shortened(&safe::line(&entry.author), author_width);
        let line = format!("{time:<16}  {author:<author_width$}  {}", deed(output, entry, timeline::Detail::Short));
        let line = shortened(line.trim_end(), output.width);
        if entry.standing == "effective" { line } else { output.paint(Tone::Faint, &line) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::complaint::timeline::tests::handed_over;

    #[test]
    fn a_complaint_fits_a_page_of_eighty_columns() {
        let output = Output::fixed("2026-03-02T12:00:00Z".parse().expect("a time"));
        let expected = "\
d5mpjtb9d0  HEAP Assistance

phase         responded
holder        kemenpanrb
offered to    kemendagri, answer by 2026-03-04 12:00 (in 2 d)
intake        kemenpanrb
kind          complaint, public
category      heap-assistance
lodged        2026-03-01 12:00:00 (24 h ago)
last change   2026-03-01 12:30:00 (23 h ago)
came from     nyc311, record 19937945
participants  kemenpanrb, kemendagri
observers     ombudsman
whole id      b9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d0

  The Department for the Aging determined that this issue is not within its
  jurisdiction. It has been referred to the Human Resources Administration.
  Status at the source: Closed
  where: RIDGEWOOD, 11385
  when: 2011-03-01T12:13:46-05:00

2026-03-01 12:00  kemenpanrb  Lodged
2026-03-01 12:05  kemenpanrb  Forwarded to kemendagri (competence)
2026-03-01 12:09  kemendagri  Returned (not-competent), superseded
2026-03-01 12:30  kemenpanrb  Responded";
        assert_eq!(page(&output, &handed_over()), expected);
    }
}
