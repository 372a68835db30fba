//! `sinergi complaint timeline`: shows the history of a complaint: its holders and offers, then a drawing of all entries.
//!
//! ```text
//!  1 ●     an entry of the custody path is on the main line
//!  2 ├─●   an entry whose basis is on the path is one step to the right
//!  3 ├─○   a hollow mark is an entry without effect; the reason follows
//!  4 │ └─○ an entry whose basis is off the path is further to the right
//! ```

use clap::Args;
use sinergi_proto::base::ids::ComplaintName;

use super::entry_words::{Detail, Title, contents, deed};
use super::history::History;
use super::{custody, show};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::columns::shortened;
use crate::output::{Format, Output, Tone};
use crate::safe;
use crate::view::{ComplaintDetail, TimelineEntry, short_hash};

/// The maximum number of unknown entries that are named; the others are counted.
const NAMED: usize = 3;
/// The maximum number of steps to the right.
const DEEPEST: usize = 4;

/// Options of `complaint timeline`.
#[derive(Args, Clone, Debug)]
pub struct TimelineArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// The maximum number of entries; the newest are shown
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

fn picture(output: &Output, detail: &ComplaintDetail, skipped: usize) -> String {
    let history = History::of(&detail.timeline);
    let mut parts = vec![show::heading(output, detail)];
    let custody = custody::picture(output, detail, &history);
    parts.extend([String::new(), custody, String::new()]);
    if skipped > 0 {
        parts.push(output.paint(Tone::Faint, &format!("     {skipped} older entries left out")));
    }
    parts.extend((skipped..detail.timeline.len()).map(|place| block(output, detail, &history, place)));
    parts.join("\n")
}

/// One entry: a line with number, time, id and author, then its effect and texts.
fn block(output: &Output, detail: &ComplaintDetail, history: &History<'_>, place: usize) -> String {
    let entry = &detail.timeline[place];
    let effective = entry.standing == "effective";
    let (branch, thread) = branch(history.depth(place), place + 1 == detail.timeline.len());
    let time = entry.at.map_or_else(|| "-".to_owned(), |at| output.clock(at));
    let mark = if effective { "●" } else { "○" };
    let from = match &entry.received_from {
        Some(peer) if *peer != entry.author => format!(", through {}", safe::line(peer)),
        _ => String::new(),
    };
    let start = format!("{:>3} {branch}{mark}  {time}  ", place + 1);
    let id = short_hash(&entry.entry_id);
    let room = output.width.saturating_sub(start.chars().count() + id.len() + 2);
    let author = shortened(&format!("{}{from}", safe::line(&entry.author)), room);
    let mut lines = vec![format!("{start}{}  {}", output.paint(Tone::Faint, id), output.paint(Tone::Strong, &author))];
    let deed = format!("{}{}", deed(output, entry, Detail::Full), relations(history, entry, place));
    let done = output.wrapped(&deed, &thread);
    lines.push(if effective { done } else { output.paint(Tone::Faint, &done) });
    let mut note = |text: String| lines.push(output.paint(Tone::Warning, &output.wrapped(&text, &thread)));
    if !effective {
        note(why_not(detail, history, place));
    }
    if !history.unknown(place).is_empty() {
        note(format!("at the same time: its author did not know of {}", counted(history.unknown(place))));
    }
    let said = contents(output, entry, &format!("{thread}  "), Title::Shown);
    if !said.is_empty() {
        lines.push(said);
    }
    lines.join("\n")
}

/// The drawing before an entry's mark, and before its further lines.
fn branch(depth: usize, last: bool) -> (String, String) {
    let steps = depth.min(DEEPEST);
    let line = if last { " " } else { "│" };
    let branch = match (steps, last) {
        (0, _) => String::new(),
        (1, false) => "├─".to_owned(),
        (1, true) => "└─".to_owned(),
        (_, false) => format!("│{}└─", " ".repeat(2 * steps - 3)),
        (_, true) => format!("└{}──", "─".repeat(2 * steps - 3)),
    };
    (branch, format!("    {line}  {}", "  ".repeat(steps)))
}

/// The other entries that an entry refers to.
fn relations(history: &History<'_>, entry: &TimelineEntry, place: usize) -> String {
    let proposal = entry.proposal.as_deref().and_then(|id| history.place(id));
    let answers = proposal.map_or_else(String::new, |proposal| format!(", to the proposal of entry {}", proposal + 1));
    let proven = entry.proven.as_deref().and_then(|id| history.place(id));
    let witness = entry.witness.as_deref().map(safe::line).unwrap_or_default();
    let proves =
        proven.map_or_else(String::new, |proven| format!(", that {witness} had entry {} at its time", proven + 1));
    let under = history.under_another(place).map_or_else(String::new, |basis| {
        let word = if history.is_custody(place) { "on" } else { "under" };
        format!(", {word} entry {}", basis + 1)
    });
    answers + &proves + &under
}

/// The reason why an entry has no effect. It names other entries by their numbers.
fn why_not(detail: &ComplaintDetail, history: &History<'_>, place: usize) -> String {
    let entry = &detail.timeline[place];
    let standing = safe::line(&entry.standing).replace('_', " ");
    if entry.standing == "superseded"
        && let Some(winner) = history.winner_over(place)
    {
        let stands = &detail.timeline[winner];
        let (body, author) = (safe::line(&stands.body), safe::line(&stands.author));
        return format!("{standing}: entry {} stands instead ({body} of {author})", winner + 1);
    }
    let Some(reason) = &entry.standing_reason else { return standing };
    let numbered = (1..).zip(&detail.timeline).filter(|(_, other)| !other.entry_id.is_empty());
    let reason = numbered.fold(safe::line(reason), |reason, (number, other)| {
        if reason.contains(&other.entry_id) {
            reason.replace(&other.entry_id, &format!("entry {number}"))
        } else {
            reason
        }
    });
    format!("{standing}: {reason}")
}

/// `entry 3`, `entries 3 and 4`, `entries 3, 4, 5 and 7 more`.
fn counted(places: &[usize]) -> String {
    let named: Vec<String> = places.iter().take(NAMED).map(|place| (place + 1).to_string()).collect();
    match (&named[..], places.len() - named.len()) {
        ([one], 0) => format!("entry {one}"),
        ([first @ .., last], 0) => format!("entries {} and {last}", first.join(", ")),
        (_, more) => format!("entries {} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::complaint::fixture::{
        accepted, archived_and_erased, concurrent, forked, handed_over, returned_and_accepted,
    };

    fn shown(detail: &ComplaintDetail) -> String {
        let output = Output::fixed("2026-03-02T12:00:00Z".parse().expect("a time"));
        picture(&output, detail, 0)
    }

    #[test]
    fn a_timeline_fits_eighty_columns() {
        let expected = "\
d5mpjtb9d0  HEAP Assistance

kemenpanrb holds it for 24 h, since 2026-03-01 12:00: responded
  → kemendagri, offered 2026-03-01 12:05: waits, can answer until 2026-03-04
    12:05 (in 2 d)

  1 ●  2026-03-01 12:00:00  010101010101  kemenpanrb
    │  Lodged (complaint)
    │    HEAP Assistance
    │    The Department for the Aging determined that this issue is not within
    │    its jurisdiction. It has been referred to the Human Resources
    │    Administration.
    │    Status at the source: Closed
    │    where: RIDGEWOOD, 11385
    │    when: 2011-03-01T12:13:46-05:00
  2 ●  2026-03-01 12:05:00  020202020202  kemenpanrb
    │  Forwarded to kemendagri (competence), answer by 2026-03-04 12:05
  3 ├─○  2026-03-01 12:09:00  030303030303  kemendagri, through ksp
    │    Returned (not-competent), suggests prov-jabar
    │    without effect: the time to answer ended at 2026-03-01T12:08:00Z
    │      Not our authority.
  4 └─●  2026-03-01 12:30:00  040404040404  kemenpanrb
         Responded
           [confidential text of 412 bytes, withheld: observers and relays get
           entries; contents go to participants]";
        assert_eq!(shown(&handed_over()), expected);
    }

    #[test]
    fn a_hand_over_shows_both_holders_and_the_entries_under_each() {
        let expected = "\
d5mpjtb9d0  Jalan rusak

kota-bandung held it for 3 h, 2026-03-01 12:00 to 2026-03-01 15:05
  → prov-jabar, offered 2026-03-01 12:05: accepted after 3 h
prov-jabar holds it for 20 h, since 2026-03-01 15:05: in-progress

  1 ●  2026-03-01 12:00:00  010101010101  kota-bandung
    │  Lodged (complaint)
  2 ●  2026-03-01 12:05:00  020202020202  kota-bandung
    │  Forwarded to prov-jabar (competence), answer by 2026-03-04 12:05
  3 ●  2026-03-01 15:05:00  030303030303  prov-jabar
    │  Accepted
  4 └─●  2026-03-01 15:20:00  040404040404  prov-jabar
         Progressed (started)";
        assert_eq!(shown(&accepted()), expected);
    }

    #[test]
    fn a_returned_offer_shows_the_reason_and_the_suggested_agency() {
        let expected = "\
d5mpjtb9d0  Jalan rusak

kota-bandung held it for 90 min, 2026-03-01 12:00 to 2026-03-01 13:30
  → prov-jabar, offered 2026-03-01 12:05: returned after 60 min as
    not-competent, suggests kemendagri
  → kemendagri, offered 2026-03-01 13:10: accepted after 20 min
kemendagri holds it for 22 h, since 2026-03-01 13:30: received

  1 ●  2026-03-01 12:00:00  010101010101  kota-bandung
    │  Lodged (complaint)
  2 ●  2026-03-01 12:05:00  020202020202  kota-bandung
    │  Forwarded to prov-jabar (competence), answer by 2026-03-04 12:05
  3 ●  2026-03-01 13:05:00  030303030303  prov-jabar
    │  Returned (not-competent), suggests kemendagri
  4 ●  2026-03-01 13:10:00  040404040404  kota-bandung
    │  Forwarded to kemendagri (competence), answer by 2026-03-04 13:10
  5 ●  2026-03-01 13:30:00  050505050505  kemendagri
       Accepted";
        assert_eq!(shown(&returned_and_accepted()), expected);
    }

    #[test]
    fn a_superseded_entry_is_off_the_path_and_names_the_winner() {
        let expected = "\
d5mpjtb9d0  Jalan rusak

kota-bandung holds it for 24 h, since 2026-03-01 12:00: in-progress
  → prov-jabar, offered 2026-03-01 12:05: not answered, withdrawn after 60 s
  → kemendagri, offered 2026-03-01 12:08: waits, can answer until 2026-03-04
    12:08 (in 2 d)

  1 ●  2026-03-01 12:00:00  010101010101  kota-bandung
    │  Lodged (complaint)
  2 ●  2026-03-01 12:05:00  020202020202  kota-bandung
    │  Forwarded to prov-jabar (competence), answer by 2026-03-04 12:05
  3 ●  2026-03-01 12:06:00  030303030303  kota-bandung
    │  Withdrawn
  4 ├─○  2026-03-01 12:07:00  040404040404  prov-jabar, through kemendagri
    │    Accepted, on entry 2
    │    superseded: entry 3 stands instead (Withdrawn of kota-bandung)
    │    at the same time: its author did not know of entry 3
  5 ●  2026-03-01 12:08:00  050505050505  kota-bandung
    │  Forwarded to kemendagri (competence), answer by 2026-03-04 12:08
    │  at the same time: its author did not know of entry 4
  6 └───●  2026-03-01 12:09:00  060606060606  prov-jabar
           Progressed (started), under entry 4
           at the same time: its author did not know of entries 3 and 5";
        assert_eq!(shown(&forked()), expected);
    }

    #[test]
    fn concurrent_entries_are_marked() {
        let expected = "\
d5mpjtb9d0  Jalan rusak

kota-bandung holds it for 24 h, since 2026-03-01 12:00: resolved

  1 ●  2026-03-01 12:00:00  010101010101  kota-bandung
    │  Lodged (complaint)
  2 ├─●  2026-03-01 12:05:00  020202020202  kota-bandung
    │    Progressed (started)
  3 ├─●  2026-03-01 12:06:00  030303030303  prov-jabar
    │    Remarked
    │    at the same time: its author did not know of entry 2
  4 ├─●  2026-03-01 12:07:00  040404040404  kota-bandung
    │    Responded
    │    at the same time: its author did not know of entry 3
  5 └─●  2026-03-01 12:30:00  050505050505  kota-bandung
         Resolved (fixed)";
        assert_eq!(shown(&concurrent()), expected);
    }

    #[test]
    fn an_archived_complaint_with_erased_contents_says_so() {
        let expected = "\
d5mpjtb9d0  (its text was erased)

kota-bandung holds it for 24 h, since 2026-03-01 12:00: archived

  1 ●  2026-03-01 12:00:00  010101010101  kota-bandung
    │  Lodged (complaint)
    │    [public text of 412 bytes, erased: it was erased on two signatures]
  2 ├─●  2026-03-01 13:00:00  020202020202  kota-bandung
    │    ArchiveProposed (out-of-scope)
  3 ├─●  2026-03-01 13:30:00  030303030303  prov-jabar
    │    ArchiveApproved, to the proposal of entry 2
  4 ├─●  2026-03-01 14:00:00  040404040404  kota-bandung
    │    EraseProposed (subject-request)
  5 └─●  2026-03-01 15:20:00  050505050505  prov-jabar
         Erased (subject-request), to the proposal of entry 4";
        assert_eq!(shown(&archived_and_erased()), expected);
    }

    #[test]
    fn many_unknown_entries_are_counted() {
        assert_eq!(counted(&[2]), "entry 3");
        assert_eq!(counted(&[2, 3, 4]), "entries 3, 4 and 5");
        assert_eq!(counted(&[2, 3, 4, 5, 6]), "entries 3, 4, 5 and 2 more");
    }

    #[test]
    fn the_newest_entries_keep_their_numbers_when_older_ones_are_left_out() {
        let output = Output::fixed("2026-03-02T12:00:00Z".parse().expect("a time"));
        let text = picture(&output, &forked(), 4);
        assert!(text.contains("4 older entries left out\n  5 ●"), "{text}");
    }

    #[test]
    fn control_characters_in_foreign_text_do_not_reach_the_terminal() {
        let mut detail = handed_over();
        detail.complaint.title = Some("\x1b]0;owned\x07".to_owned());
        detail.complaint.phase = "\x1b[1m".to_owned();
        detail.custody[0].holder = "\x1b[2m".to_owned();
        detail.timeline[0].content[0].text = Some("\x1b[2J".to_owned());
        detail.timeline[1].to = Some("\x1b[3m".to_owned());
        detail.timeline[2].standing_reason = Some("\x1b[31m".to_owned());
        detail.timeline[3].content[0].why = Some("\x1b[32m".to_owned());
        assert!(!shown(&detail).contains('\x1b'));
    }
}
