//! `sinergi complaint timeline`: everything that happened to a complaint, in order, with what was said.

use clap::Args;
use sinergi_proto::ids::ComplaintName;

use super::show;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Format, Output, Tone, safe};
use crate::view::{ComplaintDetail, Content, TimelineEntry, short_id};

/// Options of `complaint timeline`.
#[derive(Args, Clone, Debug)]
pub struct TimelineArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// At most this many entries, the newest ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Runs the command.
pub(super) async fn run(args: TimelineArgs, context: &Context) -> Result<(), Failure> {
    let detail = show::fetch(&args.complaint, context).await?;
    let skipped = args.limit.map_or(0, |limit| detail.timeline.len().saturating_sub(limit as usize));
    match context.output.format {
        Format::Json => context.output.json(&detail.timeline[skipped..]),
        Format::Table => context.output.text(&picture(&context.output, &detail, skipped)),
    }
}

/// Whether a line may carry everything or only what matters most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// What matters most.
    Short,
    /// Everything.
    Full,
}

/// Whether the title stands above a text, or elsewhere on the page already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Title {
    /// It is the first line.
    Shown,
    /// It stands above.
    Above,
}

fn picture(output: &Output, detail: &ComplaintDetail, skipped: usize) -> String {
    let complaint = &detail.complaint;
    let title = complaint.title.as_deref().unwrap_or("(its text is not at this node)");
    let heading = output.wrapped(&safe::line(title), &" ".repeat(12));
    let mut parts = vec![format!("{}  {}", output.paint(Tone::Strong, short_id(&complaint.id)), heading.trim_start())];
    if skipped > 0 {
        parts.push(output.paint(Tone::Faint, &format!("     {skipped} older entries left out")));
    }
    for (index, entry) in detail.timeline.iter().enumerate().skip(skipped) {
        let last = index + 1 == detail.timeline.len();
        parts.push(block(output, index + 1, entry, if last { "       " } else { "    │  " }));
    }
    parts.join("\n")
}

/// One entry: a line with order, time, author; then what was done and said behind the thread that leads to the next.
fn block(output: &Output, number: usize, entry: &TimelineEntry, thread: &str) -> String {
    let effective = entry.standing == "effective";
    let time = entry.at.map_or_else(|| "-".to_owned(), |at| output.clock(at));
    let mark = if effective { "●" } else { "○" };
    let from = match &entry.received_from {
        Some(peer) if *peer != entry.author => format!(", through {}", safe::line(peer)),
        _ => String::new(),
    };
    let author = output.paint(Tone::Strong, &safe::line(&entry.author));
    let mut lines = vec![format!("{number:>3} {mark}  {time}  {author}{from}")];
    let done = output.wrapped(&deed(output, entry, Detail::Full), thread);
    lines.push(if effective { done } else { output.paint(Tone::Faint, &done) });
    if !effective {
        let reason = entry.standing_reason.as_deref().map_or_else(String::new, |why| format!(": {}", safe::line(why)));
        let standing = safe::line(&entry.standing).replace('_', " ");
        lines.push(output.paint(Tone::Warning, &output.wrapped(&format!("{standing}{reason}"), thread)));
    }
    let said = contents(output, entry, &format!("{thread}  "), Title::Shown);
    if !said.is_empty() {
        lines.push(said);
    }
    lines.join("\n")
}

/// What an entry did, in words: `Forwarded to kemendagri (competence), answer by 2026-03-04 12:00`.
pub(super) fn deed(output: &Output, entry: &TimelineEntry, detail: Detail) -> String {
    let mut text = safe::line(&entry.body);
    if let Some(to) = &entry.to {
        text.push_str(&format!(" to {}", safe::line(to)));
    }
    if let Some(code) = &entry.code {
        text.push_str(&format!(" ({})", safe::line(code).replace('_', "-")));
    }
    if detail == Detail::Short {
        if entry.standing != "effective" {
            text.push_str(&format!(", {}", safe::line(&entry.standing).replace('_', " ")));
        }
        return text;
    }
    if let Some(suggestion) = &entry.suggestion {
        text.push_str(&format!(", suggests {}", safe::line(suggestion)));
    }
    if let Some(answer_by) = entry.answer_by {
        text.push_str(&format!(", answer by {}", output.minute(answer_by)));
    }
    text
}

/// The texts of an entry, wrapped behind `indent`.
pub(super) fn contents(output: &Output, entry: &TimelineEntry, indent: &str, title: Title) -> String {
    let parts = entry.content.iter().map(|content| said(output, content, indent, title));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn said(output: &Output, content: &Content, indent: &str, title: Title) -> String {
    if content.availability != "here" {
        let note =
            format!("[{} text of {} bytes: {}]", content.class, content.length, safe::line(&content.availability));
        return output.paint(Tone::Faint, &output.wrapped(&note, indent));
    }
    let mut lines = Vec::new();
    if title == Title::Shown
        && let Some(title) = &content.title
    {
        lines.push(output.wrapped(&safe::line(title), indent));
    }
    if let Some(text) = &content.text {
        lines.push(output.wrapped(&safe::block(text), indent));
    }
    for (label, value) in [("where", &content.location), ("when", &content.occurred_at), ("who", &content.reporter)] {
        if let Some(value) = value {
            lines.push(output.paint(Tone::Faint, &output.wrapped(&format!("{label}: {}", safe::line(value)), indent)));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
pub(super) mod tests {
    use sinergi_proto::wire;

    use super::*;

    fn row(minute: u64, author: &str, body: &str) -> wire::TimelineRow {
        wire::TimelineRow {
            entry_id: vec![7; 32],
            leaf_index: minute,
            at: 1_772_366_400_000 + minute * 60_000,
            received_at: 1_772_366_401_000 + minute * 60_000,
            author: author.to_owned(),
            body: body.to_owned(),
            standing: "effective".to_owned(),
            ..Default::default()
        }
    }

    fn text(title: &str, body: &str) -> wire::TimelineContent {
        wire::TimelineContent {
            class: wire::ContentClass::Public.into(),
            length: 100,
            availability: "here".to_owned(),
            text: Some(wire::Text { title: title.to_owned(), body: body.to_owned(), ..Default::default() }),
        }
    }

    /// A complaint that was offered, returned too late and answered.
    pub(in crate::commands::complaint) fn handed_over() -> ComplaintDetail {
        let mut lodged = row(0, "kemenpanrb", "Lodged");
        let mut content = text(
            "HEAP Assistance",
            "The Department for the Aging determined that this issue is not within its jurisdiction. It has been \
             referred to the Human Resources Administration.\nStatus at the source: Closed",
        );
        if let Some(text) = &mut content.text {
            text.location = "RIDGEWOOD, 11385".to_owned();
            text.occurred_at = "2011-03-01T12:13:46-05:00".to_owned();
        }
        lodged.content.push(content);
        let mut forwarded = row(5, "kemenpanrb", "Forwarded");
        forwarded.to = "kemendagri".to_owned();
        forwarded.code = "competence".to_owned();
        forwarded.answer_by = 1_772_366_400_000 + 3 * 86_400_000;
        let mut returned = row(9, "kemendagri", "Returned");
        returned.received_from = "ksp".to_owned();
        returned.code = "not_competent".to_owned();
        returned.suggestion = "prov-jabar".to_owned();
        returned.standing = "superseded".to_owned();
        returned.standing_reason = "the offer was withdrawn on the path".to_owned();
        returned.content.push(text("", "Not our authority."));
        let mut responded = row(30, "kemenpanrb", "Responded");
        responded.content.push(wire::TimelineContent {
            class: wire::ContentClass::Confidential.into(),
            length: 412,
            availability: "withheld".to_owned(),
            text: None,
        });
        ComplaintDetail::from(wire::ComplaintDetail {
            summary: Some(wire::ComplaintSummary {
                complaint: vec![0x5a; 32],
                lodged_at: 1_772_366_400_000,
                kind: wire::ComplaintKind::Complaint.into(),
                class: wire::ContentClass::Public.into(),
                category: "heap-assistance".to_owned(),
                intake: "kemenpanrb".to_owned(),
                holder: "kemenpanrb".to_owned(),
                offered_to: "kemendagri".to_owned(),
                answer_by: 1_772_366_400_000 + 3 * 86_400_000,
                phase: "responded".to_owned(),
                changed_at: 1_772_366_400_000 + 30 * 60_000,
                entries: 4,
                title: "HEAP Assistance".to_owned(),
                external: Some(wire::ExternalReference { source: "nyc311".to_owned(), id: "19937945".to_owned() }),
                ..Default::default()
            }),
            timeline: vec![lodged, forwarded, returned, responded],
            participants: vec!["kemenpanrb".to_owned(), "kemendagri".to_owned()],
            observers: vec!["ombudsman".to_owned()],
        })
    }

    #[test]
    fn a_timeline_is_a_picture_of_eighty_columns() {
        let output = Output::fixed("2026-03-02T12:00:00Z".parse().expect("a time"));
        let expected = "\
d5mpjtb9d0  HEAP Assistance
  1 ●  2026-03-01 12:00:00  kemenpanrb
    │  Lodged
    │    HEAP Assistance
    │    The Department for the Aging determined that this issue is not within
    │    its jurisdiction. It has been referred to the Human Resources
    │    Administration.
    │    Status at the source: Closed
    │    where: RIDGEWOOD, 11385
    │    when: 2011-03-01T12:13:46-05:00
  2 ●  2026-03-01 12:05:00  kemenpanrb
    │  Forwarded to kemendagri (competence), answer by 2026-03-04 12:00
  3 ○  2026-03-01 12:09:00  kemendagri, through ksp
    │  Returned (not-competent), suggests prov-jabar
    │  superseded: the offer was withdrawn on the path
    │    Not our authority.
  4 ●  2026-03-01 12:30:00  kemenpanrb
       Responded
         [confidential text of 412 bytes: withheld]";
        assert_eq!(picture(&output, &handed_over(), 0), expected);
    }

    #[test]
    fn a_hostile_text_cannot_drive_the_terminal() {
        let output = Output::fixed("2026-03-02T12:00:00Z".parse().expect("a time"));
        let mut detail = handed_over();
        detail.complaint.title = Some("\x1b]0;owned\x07".to_owned());
        detail.timeline[0].content[0].text = Some("\x1b[2J".to_owned());
        detail.timeline[2].standing_reason = Some("\x1b[31m".to_owned());
        assert!(!picture(&output, &detail, 0).contains('\x1b'));
    }
}
