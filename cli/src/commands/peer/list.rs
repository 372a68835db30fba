//! `sinergi peer list`: lists all links. Each has a row with its state and queue, and details below it.

use clap::Args;

use super::fetch;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::Peer;

/// The width of the column for an agency's id, which leaves enough room for the other columns.
const NAME_WIDTH: usize = 36;

/// Options of `peer list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only links in this state: linked, connecting, backoff, waiting or stopped
    #[arg(long, value_name = "STATE", value_parser = ["linked", "connecting", "backoff", "waiting", "stopped"])]
    pub state: Option<String>,

    /// Only links with entries that are not acknowledged yet
    #[arg(long)]
    pub queued: bool,

    /// The maximum number of links
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Runs the command.
pub(super) async fn run(args: ListArgs, context: &Context) -> Result<(), Failure> {
    let mut peers = fetch(String::new(), context).await?;
    peers.retain(|peer| args.state.as_ref().is_none_or(|state| peer.state == *state));
    peers.retain(|peer| !args.queued || peer.queue_depth > 0);
    peers.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    context.output.listing(&peers, "No peers.", table)
}

fn table(output: &Output, peers: &[Peer]) -> String {
    let width = peers.iter().map(|peer| peer.agency.chars().count()).max().unwrap_or(0).clamp("PEER".len(), NAME_WIDTH);
    let heading = format!("{:<width$}  {:<10}  {:<9}  {:>8}  {}", "PEER", "STATE", "DIRECTION", "QUEUE", "OLDEST");
    let mut lines = vec![output.paint(Tone::Faint, &heading)];
    for peer in peers {
        let state = format!("{:<10}", safe::line(&peer.state));
        let mut name = format!("{:<width$}", safe::line(&peer.agency));
        if name.chars().count() > width {
            // An id must not be cut, because operators type it. A long one gets its own line.
            lines.push(output.paint(Tone::Strong, &name));
            name = " ".repeat(width);
        }
        lines.push(format!(
            "{}  {}  {:<9}  {:>8}  {}",
            output.paint(Tone::Strong, &name),
            output.paint(tone(peer), &state),
            safe::line(&peer.direction),
            peer.queue_depth,
            output.relative_or_dash(peer.oldest_queued),
        ));
        lines.push(output.joined(&facts(output, peer), "  "));
        if let Some(error) = &peer.last_error {
            let error = output.wrapped(&format!("last error: {}", safe::line(error)), "  ");
            lines.push(output.paint(if peer.first_failure.is_some() { Tone::Warning } else { Tone::Faint }, &error));
        }
    }
    lines.join("\n")
}

/// The details below a peer's row, the most important first.
fn facts(output: &Output, peer: &Peer) -> Vec<String> {
    let mut facts = Vec::new();
    facts.push(
        peer.last_success
            .map_or_else(|| "never answered".to_owned(), |success| format!("answered {}", output.relative(success))),
    );
    if let Some(failure) = peer.first_failure {
        facts.push(format!("failing since {}", output.relative(failure)));
    }
    if let Some(retry) = peer.next_retry {
        facts.push(format!("next try {}", output.relative(retry)));
    }
    let cursor =
        |cursor: Option<crate::view::Cursor>| cursor.map_or_else(|| "-".to_owned(), |cursor| cursor.to_string());
    facts.push(format!("sent {}", cursor(peer.sent)));
    facts.push(format!("acknowledged {}", cursor(peer.acknowledged)));
    facts.push(peer.protocol.map_or_else(String::new, |protocol| format!("protocol {protocol}")));
    facts.push(peer.certificate_expires.map_or_else(String::new, |expires| {
        let verb = if expires < output.now { "expired" } else { "expires" };
        format!("certificate {verb} {}", output.relative(expires))
    }));
    facts
}

/// The tone of a link's state.
pub(super) fn tone(peer: &Peer) -> Tone {
    match peer.state.as_str() {
        "linked" => Tone::Good,
        "stopped" => Tone::Alarm,
        _ if peer.first_failure.is_some() => Tone::Warning,
        _ => Tone::Faint,
    }
}

#[cfg(test)]
mod tests {
    use sinergi_proto::operator_api::PeerStatus;
    use sinergi_proto::wire::Cursor;

    use super::*;

    const NOW: u64 = 1_772_366_400_000;

    fn peers() -> Vec<Peer> {
        let cursor = |index, part| Some(Cursor { epoch: 1, index, part });
        [
            PeerStatus {
                agency: "kemendagri".to_owned(),
                state: "linked".to_owned(),
                direction: "dials".to_owned(),
                last_success: NOW - 3_000,
                sent: cursor(1042, 0),
                acknowledged: cursor(1040, 0),
                certificate_expires: NOW + 90 * 86_400_000,
                protocol: 1,
                ..Default::default()
            },
            PeerStatus {
                agency: "prov-jabar".to_owned(),
                state: "backoff".to_owned(),
                direction: "both".to_owned(),
                last_success: NOW - 3 * 3_600_000,
                first_failure: NOW - 2 * 3_600_000,
                last_error: "connecting to prov-jabar.example:7443: connection refused (os error 111); is the node \
                             there running?"
                    .to_owned(),
                next_retry: NOW + 34_000,
                queue_depth: 5_120,
                oldest_queued: NOW - 2 * 3_600_000,
                sent: cursor(530, 2),
                acknowledged: cursor(18, 0),
                certificate_expires: NOW - 86_400_000 * 3,
                protocol: 1,
                ..Default::default()
            },
            PeerStatus {
                agency: "ksp".to_owned(),
                state: "waiting".to_owned(),
                direction: "waits".to_owned(),
                ..Default::default()
            },
        ]
        .map(Peer::from)
        .to_vec()
    }

    #[test]
    fn a_link_takes_a_row_and_the_facts_below_it_in_eighty_columns() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let expected = "\
PEER        STATE       DIRECTION     QUEUE  OLDEST
kemendagri  linked      dials             0  -
  answered 3 s ago · sent 1/1042 · acknowledged 1/1040 · protocol 1
  certificate expires in 90 d
prov-jabar  backoff     both           5120  2 h ago
  answered 3 h ago · failing since 2 h ago · next try in 34 s · sent 1/530+2
  acknowledged 1/18 · protocol 1 · certificate expired 3 d ago
  last error: connecting to prov-jabar.example:7443: connection refused (os
  error 111); is the node there running?
ksp         waiting     waits             0  -
  never answered · sent - · acknowledged -";
        assert_eq!(table(&output, &peers()), expected);
    }

    #[test]
    fn json_has_every_field_of_a_link() {
        let json = serde_json::to_value(peers()).expect("JSON");
        assert_eq!(json[1]["sent"], serde_json::json!({"epoch": 1, "index": 530, "part": 2}));
        assert_eq!(json[1]["next_retry"], "2026-03-01T12:00:34Z");
        for field in ["last_success", "first_failure", "last_error", "next_retry", "oldest_queued", "protocol"] {
            assert!(json[2][field].is_null(), "{field}");
        }
    }
}
