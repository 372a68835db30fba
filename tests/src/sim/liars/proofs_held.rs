//! The proofs against a liar that an honest node holds. Lies use them to tell whether a node must find them.

use prost::Message;
use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::receipt::Receipt;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::wire;

use crate::sim::ledger::AuditRecord;
use crate::sim::node::Node;

/// The receipts of a liar that a node holds, oldest first.
pub(super) fn receipts(holder: &Node, liar: &AgencyId) -> impl Iterator<Item = Receipt> {
    holder.ledger.audit_records.iter().filter_map(move |held| match held {
        AuditRecord::Receipt { peer, ack, .. } if peer == liar => {
            Receipt::parse(&wire::Ack::decode(&ack[..]).ok()?).ok()
        }
        _ => None,
    })
}

/// The leaf that a liar's newest receipt for an entry names.
pub(super) fn newest_receipt(holder: &Node, liar: &AgencyId, entry: &EntryId) -> Option<LedgerIndex> {
    let named = receipts(holder, liar).flat_map(|receipt| receipt.leaves().collect::<Vec<_>>());
    named.filter(|(id, _)| id == entry).last().map(|(_, index)| index)
}

/// The checkpoints of a liar that a node holds.
pub(super) fn checkpoints(holder: &Node, liar: &AgencyId) -> Vec<Checkpoint> {
    let shown = holder.ledger.audit_records.iter().filter_map(|held| match held {
        AuditRecord::Seen { agency, note } if agency == liar => Some(note.to_vec()),
        _ => None,
    });
    let notes = shown.chain(receipts(holder, liar).map(|receipt| receipt.checkpoint));
    notes.filter_map(|note| holder.open_checkpoint(&note, liar)).collect()
}

/// Whether a node refused or deferred an entry.
pub(super) fn was_turned_away(holder: &Node, entry: &EntryId) -> bool {
    holder.ledger.audit_records.iter().any(|held| matches!(held, AuditRecord::TurnedAway(id) if id == entry))
}

/// Whether a node put items of a liar off. Until they come again it may lack entries by its own fault, so its audits state none of them.
pub(super) fn has_put_off(holder: &Node, liar: &AgencyId) -> bool {
    holder.ledger.audit_records.iter().any(|held| matches!(held, AuditRecord::PutOff(peer, _) if peer == liar))
}
