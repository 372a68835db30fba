//! Shows the engine's warnings to the operator, as alarms or log lines.

use sinergi_proto::base::ids::{AgencyId, ComplaintId, Epoch};
use sinergi_proto::base::limits;
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::Warning;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::wire;

use crate::base::alarms::{AlarmKind, Alarms};
use crate::base::node_limits;

/// Raises or settles the alarm of a warning, or logs it.
pub(super) fn tell(warning: Warning, alarms: &Alarms, federation: &str, charters: &Charters) {
    match warning {
        Warning::CustodyChanged { complaint, author, holder } => {
            let text = format!(
                "complaint {short}: an entry of {author} that came late changed custody; {holder} holds it now. Look at `sinergi complaint \
                 timeline {short}`",
                short = complaint.short()
            );
            alarms.raise(AlarmKind::Custody.about(complaint.short()), text);
        }
        Warning::BackAndForth { complaint, offers, holder, supervisors } => {
            let text = back_and_forth(&complaint, offers, &holder, &supervisors);
            alarms.raise(AlarmKind::BackAndForth.about(complaint.short()), text);
        }
        // The store knows for whom there is no link, and the status reads it there.
        Warning::NoRoute(agency) => tracing::warn!(%agency, "no link leads to an agency that should get entries"),
        Warning::RelayLimit(entry) => {
            let relays = limits::RELAYS;
            tracing::warn!(?entry, relays, "the relay limit is reached: passed on to adjacent readers only");
        }
        Warning::Reset { author, epoch, reset } => {
            alarms.raise(AlarmKind::Reset.about(&author), reset_text(&author, epoch, &reset, federation, charters));
        }
        Warning::Unsigned(peer, entry) => {
            // The alarm does not name the entry: a text that changes with each copy would be written to the disk as often as the peer likes.
            tracing::info!(%peer, ?entry, "the signature of a delivered copy does not verify");
            let text = format!(
                "{peer} delivers copies of entries whose signature does not verify: nothing of them is kept, and the log names them. An honest \
                 relay checks each entry before it passes it on; ask its operator"
            );
            alarms.raise(AlarmKind::Unsigned.about(&peer), text);
        }
        Warning::TooMuchDeferred(peer, true) => {
            let text = format!(
                "too much of what {peer} delivered waits for something, so no more of it is kept; {peer} sends it again later: see `sinergi refused list --deferred`"
            );
            alarms.raise(AlarmKind::Deferred.about(&peer), text);
        }
        Warning::TooMuchDeferred(peer, false) => alarms.settle(&AlarmKind::Deferred.about(&peer)),
        Warning::OverShare(author, Some(share)) => {
            alarms.raise(AlarmKind::Share.about(&author), over_share(&author, share));
        }
        Warning::OverShare(author, None) => alarms.settle(&AlarmKind::Share.about(&author)),
        Warning::RefusedUnkept(peer, 0) => alarms.settle(&AlarmKind::Refused.about(&peer)),
        Warning::RefusedUnkept(peer, unkept) => {
            let text = format!(
                "{peer} delivers more that is refused than is kept a day ({} items, {} MiB); {unkept} more were refused today, of which only \
                 the number is kept: see `sinergi refused list` for the reasons, and ask its operator",
                node_limits::PEER_QUOTAS.refused_records_a_day,
                node_limits::PEER_QUOTAS.refused_bytes_a_day >> 20
            );
            alarms.raise(AlarmKind::Refused.about(&peer), text);
        }
        Warning::BeforeCosigned(Some(problem)) => alarms.raise(AlarmKind::CosignedTime.word(), problem.to_string()),
        Warning::BeforeCosigned(None) => alarms.settle(AlarmKind::CosignedTime.word()),
        Warning::JudgedAgain { version, affected } => {
            let text = format!(
                "charter version {version} revokes keys or ended powers, and {affected} complaints have entries that it is about: entries without effect say why in `sinergi complaint timeline`, and `sinergi complaint list` shows who holds what now"
            );
            alarms.raise(AlarmKind::JudgedAgain.about(version), text);
        }
        Warning::PutOff(complaint, error) => {
            tracing::warn!(complaint = complaint.short(), %error, "cannot answer a recall, confirm an arrival or show a receipt now; it is tried again");
        }
    }
}

fn over_share(author: &AgencyId, share: u64) -> String {
    format!(
        "entries by {author} have taken their share of this node's disk, {} MiB a week: further ones are put off, and their senders send them again later. \
         If {author} imports records, this ends by itself; otherwise ask its operator, and tell the managers if it floods the federation",
        share >> 20
    )
}

fn back_and_forth(complaint: &ComplaintId, offers: usize, holder: &AgencyId, supervisors: &[AgencyId]) -> String {
    let supervisors: Vec<&str> = supervisors.iter().map(AgencyId::as_str).collect();
    let (short, supervisors) = (complaint.short(), supervisors.join(", "));
    format!(
        "complaint {short} was offered {offers} times and {holder} still holds it: its supervisor ({supervisors}) can end this with \
         `sinergi complaint reassign {short} --to AGENCY`"
    )
}

fn reset_text(
    author: &AgencyId,
    epoch: Epoch,
    reset: &wire::LedgerReset,
    federation: &str,
    charters: &Charters,
) -> String {
    let old = reset.old_epoch;
    let keys = charters.newest().checkpoint_keys(author);
    let before = keys
        .and_then(|keys| Checkpoint::open(&reset.newest_checkpoint, federation, author, &keys).ok())
        .map_or_else(|| "shows no checkpoint".to_owned(), |checkpoint| format!("shows {} leaves", checkpoint.size));
    format!(
        "{author} declares that its ledger began epoch {epoch} ({}); of epoch {old} it {before}. What it had is given back to it; ask it \
         if you did not expect this",
        reset_reason(reset)
    )
}

/// The reason for which an agency began a new epoch, as a stable word.
pub(crate) fn reset_reason(reset: &wire::LedgerReset) -> &'static str {
    match reset.reason() {
        wire::ResetReason::DiskLost => "disk_lost",
        wire::ResetReason::Restored => "restored",
        wire::ResetReason::Unspecified => "unspecified",
    }
}
