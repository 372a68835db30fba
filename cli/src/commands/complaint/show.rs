//! `sinergi complaint show`: shows one complaint on a page: its state, the citizen's text, its entries.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use sinergi_proto::base::ids::ComplaintName;
use sinergi_proto::operator_api::ShowComplaintRequest;

use super::act;
use super::entry_words::{Detail, Title, contents, deed};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::columns::shortened;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Complaint, ComplaintDetail, short_hash, short_id};

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

/// Asks the node for everything that it knows about a complaint.
pub(super) async fn fetch(complaint: &ComplaintName, context: &Context) -> Result<ComplaintDetail, Failure> {
    let mut node = context.connect().await?;
    let request = ShowComplaintRequest { complaint: complaint.as_str().to_owned() };
    let answer = node.api.show_complaint(request).await;
    let detail = answer.map_err(|status| act::refusal("show the complaint", &status))?.into_inner();
    Ok(detail.into())
}

fn page(output: &Output, detail: &ComplaintDetail) -> String {
    let mut parts = vec![heading(output, detail), facts(output, detail)];
    if let Some(first) = detail.timeline.first() {
        let said = contents(output, first, "  ", Title::Above);
        if !said.is_empty() {
            parts.push(said);
        }
    }
    parts.push(happened(output, detail));
    parts.join("\n\n")
}

/// The id and the title.
pub(super) fn heading(output: &Output, detail: &ComplaintDetail) -> String {
    let complaint = &detail.complaint;
    let lodged = detail.timeline.first().and_then(|lodged| lodged.content.first());
    let title = match (&complaint.title, lodged) {
        (Some(title), _) => safe::line(title),
        (None, Some(content)) if content.availability == "erased" => "(its text was erased)".to_owned(),
        (None, _) => "(its text is not at this node)".to_owned(),
    };
    let id = output.paint(Tone::Strong, short_id(&complaint.id));
    let wrapped = output.wrapped(&title, &" ".repeat(12));
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
        ("holder", holder(output, detail)),
        ("offered to", offer(output, complaint)),
        ("offers", offers(detail)),
        ("waits for", proposals(detail)),
        ("escalated", safe::line(&detail.escalated.join(", ")).replace('_', "-")),
        ("resolved by", safe::line(detail.resolved_by.as_deref().unwrap_or_default())),
        ("reopened", times(detail.reopened)),
        ("duplicate of", detail.duplicate_of.as_deref().map_or_else(String::new, |other| short_id(other).to_owned())),
        ("intake", safe::line(&complaint.intake)),
        ("kind", format!("{}, {}", complaint.kind.replace('_', "-"), complaint.class)),
        ("category", safe::line(&complaint.category)),
        ("area", safe::line(complaint.area.as_deref().unwrap_or_default())),
        ("lodged", time(complaint.lodged_at)),
        ("last change", time(complaint.changed_at)),
        ("came from", external.map_or_else(String::new, |(source, id)| safe::line(&format!("{source}, record {id}")))),
        ("participants", safe::line(&detail.participants.join(", "))),
        ("observers", safe::line(&detail.observers.join(", "))),
        ("disclosed to", safe::line(&detail.disclosed_to.join(", "))),
        ("not here", absent(detail)),
        ("citizen key", citizen_key(detail)),
        ("reply to", detail.answer_to_reply.clone().unwrap_or_default()),
        ("whole id", complaint.id.clone()),
    ])
}

/// The holder, and the start of its custody.
fn holder(output: &Output, detail: &ComplaintDetail) -> String {
    let since = detail.custody.last().and_then(|custody| custody.from);
    let since = since
        .map_or_else(String::new, |since| format!(", since {} ({})", output.minute(since), output.relative(since)));
    format!("{}{since}", safe::line(&detail.complaint.holder))
}

/// The number of offers. If the complaint goes back and forth, also the agencies that can end this, and the command.
fn offers(detail: &ComplaintDetail) -> String {
    if !detail.goes_back_and_forth {
        return if detail.offers > 1 { format!("{} so far", detail.offers) } else { String::new() };
    }
    let (id, who) = (short_id(&detail.complaint.id), either(&detail.supervisors));
    let count = detail.offers;
    format!(
        "{count} so far: it goes back and forth; {who} can end that with `sinergi complaint reassign {id} --to AGENCY`"
    )
}

/// The open proposals, each with the agencies that can approve it, and the command.
fn proposals(detail: &ComplaintDetail) -> String {
    let id = short_id(&detail.complaint.id);
    let lines = detail.proposals.iter().map(|open| {
        let (kind, code) = (safe::line(&open.kind), safe::line(&open.code).replace('_', "-"));
        let entry = short_hash(&open.entry_id);
        format!(
            "the approval of {} to {kind} it ({code}), proposed by {}: `sinergi complaint approve {id} --proposal {entry}`",
            either(&open.second),
            safe::line(&open.author)
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The numbers of texts that are not at this node, with the reasons.
fn absent(detail: &ComplaintDetail) -> String {
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for content in
        detail.timeline.iter().flat_map(|entry| &entry.content).filter(|content| content.availability != "here")
    {
        *kinds.entry((&content.availability, content.why.as_deref().unwrap_or_default())).or_default() += 1;
    }
    let lines = kinds.into_iter().map(|((availability, why), count)| {
        let texts = if count == 1 { "1 text".to_owned() } else { format!("{count} texts") };
        let why = if why.is_empty() { String::new() } else { format!(": {}", safe::line(why)) };
        format!("{texts} {}{why}", safe::line(availability))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How the citizen's key was made.
fn citizen_key(detail: &ComplaintDetail) -> String {
    match detail.citizen_key_origin.as_deref() {
        Some("device") => "made by the citizen".to_owned(),
        Some("drawn") => "drawn by the intake agency".to_owned(),
        Some(other) => safe::line(other).to_string(),
        None => "none: no word can be signed".to_owned(),
    }
}

/// `3 times`; empty for never.
fn times(count: u32) -> String {
    match count {
        0 => String::new(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

/// `a, b or c`.
pub(super) fn either(agencies: &[String]) -> String {
    let safe: Vec<String> = agencies.iter().map(|agency| safe::line(agency)).collect();
    match safe.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "no agency".to_owned(),
    }
}

/// The open offer and its deadline; empty if there is none.
fn offer(output: &Output, complaint: &Complaint) -> String {
    let Some(to) = &complaint.offered_to else { return String::new() };
    let until = complaint.answer_by.map_or_else(String::new, |answer_by| {
        let late = if answer_by < output.now { "overdue: answer was due" } else { "answer by" };
        format!(", {late} {} ({})", output.minute(answer_by), output.relative(answer_by))
    });
    format!("{}{until}", safe::line(to))
}

/// One line per entry.
fn happened(output: &Output, detail: &ComplaintDetail) -> String {
    let author_width = detail.timeline.iter().map(|entry| entry.author.chars().count()).max().unwrap_or(0).min(24);
    let lines = detail.timeline.iter().map(|entry| {
        let time = entry.at.map_or_else(|| "-".to_owned(), |at| output.minute(at));
        let author = shortened(&safe::line(&entry.author), author_width);
        let line = format!("{time:<16}  {author:<author_width$}  {}", deed(output, entry, Detail::Short));
        let line = shortened(line.trim_end(), output.width);
        if entry.standing == "effective" { line } else { output.paint(Tone::Faint, &line) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::complaint::fixture::{archived_and_erased, handed_over};
    use crate::view::Proposal;

    #[test]
    fn a_complaint_fits_a_page_of_eighty_columns() {
        let output = Output::fixed("2026-03-02T12:00:00Z".parse().expect("a time"));
        let expected = "\
d5mpjtb9d0  HEAP Assistance

phase         responded
holder        kemenpanrb, since 2026-03-01 12:00 (24 h ago)
offered to    kemendagri, answer by 2026-03-04 12:05 (in 2 d)
intake        kemenpanrb
kind          complaint, public
category      heap-assistance
lodged        2026-03-01 12:00:00 (24 h ago)
last change   2026-03-01 12:30:00 (23 h ago)
came from     nyc311, record 19937945
participants  kemenpanrb, kemendagri
observers     ombudsman
not here      1 text withheld: observers and relays get entries; contents go to
              participants
citizen key   none: no word can be signed
whole id      b9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d0

  The Department for the Aging determined that this issue is not within its
  jurisdiction. It has been referred to the Human Resources Administration.
  Status at the source: Closed
  where: RIDGEWOOD, 11385
  when: 2011-03-01T12:13:46-05:00

2026-03-01 12:00  kemenpanrb  Lodged (complaint)
2026-03-01 12:05  kemenpanrb  Forwarded to kemendagri (competence)
2026-03-01 12:09  kemendagri  Returned (not-competent), without effect
2026-03-01 12:30  kemenpanrb  Responded";
        assert_eq!(page(&output, &handed_over()), expected);
    }

    #[test]
    fn open_matters_are_shown_with_the_agencies_and_commands_that_settle_them() {
        let output = Output::fixed("2026-03-02T12:00:00Z".parse().expect("a time"));
        let mut detail = archived_and_erased();
        detail.timeline.truncate(1);
        detail.offers = 5;
        detail.goes_back_and_forth = true;
        detail.supervisors = vec!["prov-jabar".to_owned()];
        detail.reopened = 2;
        detail.resolved_by = Some("prov-jabar".to_owned());
        detail.duplicate_of = Some(detail.complaint.id.clone());
        detail.disclosed_to = vec!["ombudsman".to_owned()];
        detail.escalated = vec!["answer".to_owned(), "follow_up".to_owned()];
        detail.proposals.push(Proposal {
            entry_id: "ab".repeat(32),
            kind: "erase".to_owned(),
            code: "court_order".to_owned(),
            author: "kota-bandung".to_owned(),
            second: vec!["prov-jabar".to_owned(), "ombudsman".to_owned()],
        });
        let expected = "\
d5mpjtb9d0  (its text was erased)

phase         archived
holder        kota-bandung, since 2026-03-01 12:00 (24 h ago)
offers        5 so far: it goes back and forth; prov-jabar can end that with
              `sinergi complaint reassign d5mpjtb9d0 --to AGENCY`
waits for     the approval of prov-jabar or ombudsman to erase it (court-order),
              proposed by kota-bandung: `sinergi complaint approve d5mpjtb9d0
              --proposal abababababab`
escalated     answer, follow-up
resolved by   prov-jabar
reopened      2 times
duplicate of  d5mpjtb9d0
intake        kota-bandung
kind          complaint, public
category      road
lodged        2026-03-01 12:00:00 (24 h ago)
last change   2026-03-01 15:20:00 (20 h ago)
participants  kota-bandung, prov-jabar
disclosed to  ombudsman
not here      1 text erased: it was erased on two signatures
citizen key   none: no word can be signed
whole id      b9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d5mpjtb9d0

  [public text of 412 bytes, erased: it was erased on two signatures]

2026-03-01 12:00  kota-bandung  Lodged (complaint)";
        assert_eq!(page(&output, &detail), expected);
    }

    #[test]
    fn agencies_are_named_as_a_choice() {
        let names = |names: &[&str]| either(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["a"]), "a");
        assert_eq!(names(&["a", "b", "c"]), "a, b or c");
    }
}
