//! `sinergi peer show`: shows all details of one link.

use clap::Args;
use jiff::Timestamp;
use sinergi_proto::base::ids::AgencyId;

use super::{fetch, list};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Cursor, Peer};

/// Options of `peer show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The agency at the other end
    #[arg(value_name = "AGENCY")]
    pub agency: AgencyId,
}

/// Runs the command.
pub(super) async fn run(args: ShowArgs, context: &Context) -> Result<(), Failure> {
    let peers = fetch(args.agency.to_string(), context).await?;
    match peers.iter().find(|peer| peer.agency == args.agency.as_str()) {
        Some(peer) => context.output.document(peer, page),
        None => Err(Failure::refused(format!("{} is no peer of this node", args.agency))
            .help("`sinergi peer list` shows its peers; they are configured as [[peer]] in sinergid.toml")),
    }
}

fn page(output: &Output, peer: &Peer) -> String {
    let state = output.paint(list::tone(peer), &safe::line(&peer.state));
    let heading = format!("{}  {state}", output.paint(Tone::Strong, &safe::line(&peer.agency)));
    let time = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| format!("{} ({})", output.clock(time), output.relative(time)))
    };
    let cursor = |cursor: Option<Cursor>| cursor.map_or_else(|| "-".to_owned(), |cursor| cursor.to_string());
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let reset = match &peer.reset_reason {
        Some(reason) => format!("declared {}: {}", time(peer.reset_at), safe::line(reason)),
        None => "none declared".to_owned(),
    };
    let facts = [
        ("direction", safe::line(&peer.direction)),
        ("endpoint", peer.endpoint.as_deref().map_or_else(|| "none, this node waits for it".to_owned(), safe::line)),
        ("linked since", time(peer.linked_since)),
        ("last success", time(peer.last_success)),
        ("first failure", time(peer.first_failure)),
        ("last error", peer.last_error.as_deref().map_or_else(|| "-".to_owned(), safe::line)),
        ("next retry", time(peer.next_retry)),
        ("queue", format!("{} entries", peer.queue_depth)),
        ("oldest queued", time(peer.oldest_queued)),
        ("sent cursor", format!("{} (epoch/leaf of our ledger)", cursor(peer.sent))),
        ("acknowledged cursor", cursor(peer.acknowledged)),
        ("received cursor", format!("{} (epoch/leaf of its ledger)", cursor(peer.received))),
        ("its ledger", its_ledger(peer)),
        ("its new epoch", reset),
        ("sent, received", format!("{}, {} entries since the start", peer.sent_entries, peer.received_entries)),
        ("refused", peer.refused.to_string()),
        ("certificate expires", time(peer.certificate_expires)),
        ("protocol", number(peer.protocol.map(u64::from))),
        ("charter", number(peer.charter_version)),
        ("clock offset", format!("{} ms", peer.clock_offset_ms)),
    ];
    format!("{heading}\n{}", output.facts(&facts))
}

fn its_ledger(peer: &Peer) -> String {
    match (peer.peer_size, peer.peer_epoch) {
        (Some(size), Some(epoch)) => format!("{size} leaves in epoch {epoch}"),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sinergi_proto::operator_api::PeerStatus;

    use super::*;

    #[test]
    fn a_link_is_shown_field_by_field_in_eighty_columns() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let peer = Peer::from(PeerStatus {
            agency: "ksp".to_owned(),
            state: "backoff".to_owned(),
            direction: "both".to_owned(),
            endpoint: "ksp.example:7443".to_owned(),
            last_success: 1_772_366_397_000,
            last_error: "the certificate's authority is not one that the charter lists for ksp; ask ksp which it uses"
                .to_owned(),
            clock_offset: -120,
            ..Default::default()
        });
        let text = page(&output, &peer);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.starts_with("ksp  backoff\ndirection            both\n"), "{text}");
        assert!(text.contains("last success         2026-03-01 11:59:57 (3 s ago)"), "{text}");
        assert!(text.contains("\n                     lists for ksp"), "{text}");
    }
}
