//! The custody path in words: the holders of a complaint with their times, and the offers with their results.

use jiff::Timestamp;

use super::history::History;
use crate::output::times::span;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{ComplaintDetail, CustodySpan, TimelineEntry};

/// One paragraph per holder: the time of its custody, and a line for each offer by the holder or its supervisor.
pub(super) fn picture(output: &Output, detail: &ComplaintDetail, history: &History<'_>) -> String {
    let mut lines = Vec::new();
    let mut spans = detail.custody.iter();
    let path: Vec<&TimelineEntry> = history.path().iter().map(|place| &detail.timeline[*place]).collect();
    for (position, entry) in path.iter().enumerate() {
        if let Some(span) = spans.as_slice().first().filter(|span| span.entry_id == entry.entry_id) {
            lines.push(held(output, detail, span));
            spans.next();
        }
        if matches!(entry.body.as_str(), "Forwarded" | "Reassigned") {
            lines.push(offer(output, entry, path.get(position + 1).copied()));
        }
    }
    lines.join("\n")
}

fn held(output: &Output, detail: &ComplaintDetail, custody: &CustodySpan) -> String {
    let holder = output.paint(Tone::Strong, &safe::line(&custody.holder));
    let from = custody.from.map_or_else(|| "-".to_owned(), |from| output.minute(from));
    let long = |until: Timestamp| custody.from.map_or_else(String::new, |from| span(until.duration_since(from)));
    match custody.until {
        Some(until) => format!("{holder} held it for {}, {from} to {}", long(until), output.minute(until)),
        None => {
            let phase = safe::line(&detail.complaint.phase).replace('_', "-");
            format!("{holder} holds it for {}, since {from}: {phase}", long(output.now))
        }
    }
}

/// An offer and its result.
fn offer(output: &Output, offer: &TimelineEntry, answer: Option<&TimelineEntry>) -> String {
    let to = offer.to.as_deref().map(safe::line).unwrap_or_default();
    let by = match offer.body.as_str() {
        "Reassigned" => format!(" by {} as the supervisor", safe::line(&offer.author)),
        _ => String::new(),
    };
    let at = offer.at.map_or_else(|| "-".to_owned(), |at| output.minute(at));
    let after = match (offer.at, answer.and_then(|answer| answer.at)) {
        (Some(offered), Some(answered)) => format!(" after {}", span(answered.duration_since(offered))),
        _ => String::new(),
    };
    let (tone, ended) = match answer.map(|answer| (answer.body.as_str(), answer)) {
        Some(("Accepted", _)) => (None, format!("accepted{after}")),
        Some(("Returned", answer)) => {
            let code = answer.code.as_deref().map_or_else(String::new, |code| safe::line(code).replace('_', "-"));
            let suggests =
                answer.suggestion.as_deref().map_or_else(String::new, |s| format!(", suggests {}", safe::line(s)));
            (None, format!("returned{after} as {code}{suggests}"))
        }
        Some(("Reassigned", _)) => (None, format!("not answered, reassigned{after}")),
        Some((_, _)) => (None, format!("not answered, withdrawn{after}")),
        None => waits(output, offer.answer_by),
    };
    let text = output.wrapped(&format!("{to}, offered {at}{by}: {ended}"), "    ");
    let text = format!("  → {}", text.trim_start());
    tone.map_or_else(|| text.clone(), |tone| output.paint(tone, &text))
}

/// The state of an open offer.
fn waits(output: &Output, answer_by: Option<Timestamp>) -> (Option<Tone>, String) {
    match answer_by {
        Some(end) if end < output.now => {
            let since = span(output.now.duration_since(end));
            (Some(Tone::Warning), format!("overdue, an answer was due {} ({since} ago)", output.minute(end)))
        }
        Some(end) => (None, format!("waits, can answer until {} ({})", output.minute(end), output.relative(end))),
        None => (None, "waits".to_owned()),
    }
}
