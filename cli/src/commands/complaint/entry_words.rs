//! An entry's effect and texts in words, for the pages that show entries.

use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Content, TimelineEntry, short_id};

/// The amount of detail in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The most important facts.
    Short,
    /// All facts.
    Full,
}

/// Whether the title is shown with a text, or elsewhere on the page already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Title {
    /// The title is the first line.
    Shown,
    /// The title is shown elsewhere.
    Above,
}

/// An entry's effect in words: `Forwarded to kemendagri (competence), answer by 2026-03-04 12:00`.
pub(super) fn deed(output: &Output, entry: &TimelineEntry, detail: Detail) -> String {
    let mut text = safe::line(&entry.body);
    if let Some(to) = &entry.to {
        text.push_str(&format!(" to {}", safe::line(to)));
    }
    match (&entry.code, entry.body.as_str()) {
        (Some(other), "Linked") => text.push_str(&format!(" to {}", short_id(&safe::line(other)))),
        // A category is the agencies' own code, so it is not changed.
        (Some(category), "Verified") => text.push_str(&format!(" ({})", safe::line(category))),
        (Some(code), _) => text.push_str(&format!(" ({})", safe::line(code).replace('_', "-"))),
        (None, _) => {}
    }
    if detail == Detail::Short {
        if entry.standing != "effective" {
            text.push_str(&format!(", {}", safe::line(&entry.standing).replace('_', " ")));
        }
        return text;
    }
    if entry.body == "Replied" {
        text.push_str(if entry.word_number.is_some() { ", signed" } else { ", noted by the agency" });
    }
    if let Some(score) = entry.score {
        text.push_str(&format!(", score {score}"));
    }
    if let Some(suggestion) = &entry.suggestion {
        text.push_str(&format!(", suggests {}", safe::line(suggestion)));
    }
    if let Some(answer_by) = entry.answer_by {
        text.push_str(&format!(", answer by {}", output.minute(answer_by)));
    }
    text
}

/// The texts of an entry, wrapped and indented by `indent`.
pub(super) fn contents(output: &Output, entry: &TimelineEntry, indent: &str, title: Title) -> String {
    let parts = entry.content.iter().map(|content| said(output, content, indent, title));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn said(output: &Output, content: &Content, indent: &str, title: Title) -> String {
    if content.availability != "here" {
        let why = content.why.as_deref().map_or_else(String::new, |why| format!(": {}", safe::line(why)));
        let state = safe::line(&content.availability);
        let note = format!("[{} text of {} bytes, {state}{why}]", content.class, content.length);
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
