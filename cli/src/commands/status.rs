//! `sinergi status`: shows the node on one screen, alarms first.

use clap::Args;
use sinergi_proto::operator_api::GetStatusRequest;

use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone, times};
use crate::safe;
use crate::view::{Alarm, NodeStatus};

/// Options of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// End with exit code 5 if there is an alarm
    #[arg(long)]
    pub check: bool,
}

/// Runs the command.
pub async fn run(args: &StatusArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let answer = node.api.get_status(GetStatusRequest {}).await;
    let status = answer.map_err(|status| Failure::from_status("show its status", &status))?.into_inner();
    let status = NodeStatus::from(status);
    context.output.document(&status, screen)?;
    match status.alarms.len() {
        count if args.check && count > 0 => {
            Err(Failure::findings(format!("{} has {count} alarm{}", status.agency, plural(count as u64)))
                .help("each alarm says what to do"))
        }
        _ => Ok(()),
    }
}

/// The status as text.
pub fn screen(output: &Output, status: &NodeStatus) -> String {
    let mut lines = Vec::new();
    let uptime = status.started_at.map_or_else(
        || "not started".to_owned(),
        |started| format!("running for {}", times::span(output.now.duration_since(started))),
    );
    let name = output.paint(Tone::Strong, &safe::line(&status.agency));
    lines.push(format!("{name} in {}, {uptime}", safe::line(&status.federation)));
    lines.push(String::new());
    if status.alarms.is_empty() {
        lines.push(output.paint(Tone::Good, "No alarms."));
    } else {
        let heading = format!("{} ALARM{}", status.alarms.len(), plural(status.alarms.len() as u64).to_uppercase());
        lines.push(output.paint(Tone::Alarm, &heading));
        for alarm in &status.alarms {
            lines.extend(described(output, alarm));
        }
        if status.alarms_dropped > 0 {
            let dropped = grouped(status.alarms_dropped);
            lines.push(format!("  {dropped} more were dropped, the least severe first: see the node's log"));
        }
        lines.push("  When you have seen to what an alarm reports: sinergi confirm alarm TOPIC".to_owned());
    }
    lines.push(String::new());
    lines.extend(figures(output, status));
    lines.join("\n")
}

/// An alarm in lines: how grave it is, its topic as an argument of a shell, and what it says.
fn described(output: &Output, alarm: &Alarm) -> [String; 2] {
    let tone = if alarm.severity == "notice" { Tone::Warning } else { Tone::Alarm };
    let since = alarm.since.map(|since| format!(", since {}", output.minute(since))).unwrap_or_default();
    let topic = safe::line(&alarm.topic);
    let argument = if topic.contains(' ') { format!("'{topic}'") } else { topic };
    let wrapped = output.wrapped(&safe::line(&alarm.text), "    ");
    [
        output.paint(tone, &format!("  {}: {argument}{since}", safe::line(&alarm.severity))),
        output.paint(tone, &wrapped.replacen("    ", "  ! ", 1)),
    ]
}

fn figures(output: &Output, status: &NodeStatus) -> Vec<String> {
    let row = |label: &str, value: String, more: String| {
        let label = output.paint(Tone::Faint, &format!("{label:<18}"));
        if more.is_empty() { format!("{label}{value:>12}") } else { format!("{label}{value:>12}  {more}") }
    };
    let worth_a_look = |count: u64, text: String| {
        if count > 0 { output.paint(Tone::Warning, &text) } else { text }
    };
    vec![
        row("complaints", grouped(status.complaints), format!("{} held here", grouped(status.held))),
        row("offers to us", grouped(status.offered_to_us), "wait for our answer".to_owned()),
        row(
            "overdue offers",
            grouped(status.offers_overdue),
            worth_a_look(status.offers_overdue, "to anybody, nobody answered in time".to_owned()),
        ),
        String::new(),
        row("peers linked", format!("{} of {}", status.peers_linked, status.peers), String::new()),
        row("outbox", grouped(status.outbox), "entries not acknowledged yet".to_owned()),
        row("deferred", grouped(status.deferred), "entries wait for what they depend on".to_owned()),
        row(
            "refused",
            grouped(status.refused_by_us + status.refused_by_peers),
            worth_a_look(
                status.refused_by_us + status.refused_by_peers,
                format!("{} by us, {} by peers", grouped(status.refused_by_us), grouped(status.refused_by_peers)),
            ),
        ),
        row("only here", grouped(status.content_only_here), "texts that no peer has acknowledged".to_owned()),
        String::new(),
        row("ledger", grouped(status.ledger_size), format!("leaves in epoch {}", status.epoch)),
        row("writer queue", grouped(status.writer_queue), "submissions wait".to_owned()),
        row("disk", bytes(status.disk_bytes), String::new()),
        clock(row, status),
        row("charter", format!("version {}", status.charter_version), String::new()),
        row("program", safe::line(&status.version), String::new()),
    ]
}

/// The row about the node's clock.
fn clock(row: impl Fn(&str, String, String) -> String, status: &NodeStatus) -> String {
    if status.clock_confirmed {
        row("clock", "confirmed".to_owned(), String::new())
    } else {
        row("clock", "unconfirmed".to_owned(), "checkpoints carry no time until a peer agrees".to_owned())
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A number with a comma between thousands: `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(topic: &str, severity: &str, text: &str) -> sinergi_proto::operator_api::Alarm {
        let (topic, severity, text) = (topic.to_owned(), severity.to_owned(), text.to_owned());
        sinergi_proto::operator_api::Alarm { topic, severity, since: 1_772_359_800_000, text }
    }

    fn status() -> NodeStatus {
        NodeStatus::from(sinergi_proto::operator_api::NodeStatus {
            federation: "sinergi.example".to_owned(),
            agency: "kota-bandung".to_owned(),
            version: "0.1.0".to_owned(),
            charter_version: 3,
            started_at: 1_772_359_200_000,
            epoch: 1,
            ledger_size: 12_345,
            complaints: 420,
            held: 17,
            offered_to_us: 2,
            offers_overdue: 1,
            peers: 6,
            peers_linked: 5,
            outbox: 512,
            refused_by_peers: 1,
            disk_bytes: 3 * 1024 * 1024,
            alarms: vec![
                alarm("audit prov-jabar forked", "critical", "prov-jabar has shown two ledgers with one size (1042)"),
                alarm("ledger-mark", "warning", "cannot write keys/ledger-mark: mend what the system says"),
            ],
            alarms_dropped: 3,
            ..Default::default()
        })
    }

    #[test]
    fn one_screen_shows_alarms_first_and_fits_eighty_columns() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let screen = screen(&output, &status());
        let expected = "\
kota-bandung in sinergi.example, running for 2 h

2 ALARMS
  critical: 'audit prov-jabar forked', since 2026-03-01 10:10
  ! prov-jabar has shown two ledgers with one size (1042)
  warning: ledger-mark, since 2026-03-01 10:10
  ! cannot write keys/ledger-mark: mend what the system says
  3 more were dropped, the least severe first: see the node's log
  When you have seen to what an alarm reports: sinergi confirm alarm TOPIC

complaints                 420  17 held here
offers to us                 2  wait for our answer
overdue offers               1  to anybody, nobody answered in time

peers linked            5 of 6
outbox                     512  entries not acknowledged yet
deferred                     0  entries wait for what they depend on
refused                      1  0 by us, 1 by peers
only here                    0  texts that no peer has acknowledged

ledger                  12,345  leaves in epoch 1
writer queue                 0  submissions wait
disk                  3.00 MiB
clock              unconfirmed  checkpoints carry no time until a peer agrees
charter              version 3
program                  0.1.0";
        assert_eq!(screen, expected);
        assert!(screen.lines().count() <= 28, "one screen");
    }

    #[test]
    fn json_has_times_as_rfc_3339_and_every_figure() {
        let json = serde_json::to_value(status()).expect("JSON");
        assert_eq!(json["started_at"], "2026-03-01T10:00:00Z");
        assert_eq!(json["ledger_root"], serde_json::Value::Null);
        assert_eq!(json["outbox"], 512);
        let expected = serde_json::json!({
            "topic": "ledger-mark",
            "severity": "warning",
            "since": "2026-03-01T10:10:00Z",
            "text": "cannot write keys/ledger-mark: mend what the system says",
        });
        assert_eq!(json["alarms"][1], expected);
    }

    #[test]
    fn thousands_are_separated_by_commas() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
