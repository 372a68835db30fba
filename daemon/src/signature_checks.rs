//! Checks the signatures of items, receipts and checkpoints that came from outside.
//!
//! Signature checks block. They run in tokio's blocking pool, never in an async task and never on the writer's threads.

use sinergi_proto::admission::VerifiedBatches;
use sinergi_proto::admission::received::{self, Received};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::Charters;
use sinergi_proto::receipt::ReceiptError;
use sinergi_proto::sync::{CheckedAck, KeysOf};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::wire;

/// Decodes the items of one frame and checks their signatures together. Returns one result per item, in order. Signatures that are in `known` are
/// not checked again.
pub(crate) fn receive_items(
    items: Vec<wire::Item>,
    federation: &str,
    charters: &Charters,
    known: &VerifiedBatches,
) -> Vec<Received> {
    received::receive_items(items, federation, charters, known, rand::rng())
}

/// Like [`CheckedAck::open`].
///
/// # Errors
/// The problem with the receipt.
pub(crate) fn check_receipt(
    ack: wire::Ack,
    own: &AgencyId,
    peer: &AgencyId,
    federation: &str,
    charters: &Charters,
    now: Option<u64>,
) -> Result<CheckedAck, ReceiptError> {
    CheckedAck::open(ack, [own, peer], federation, charters, now, |note| charters.open_checkpoint(note, peer).ok())
}

/// An agency's checkpoint; `None` if it does not verify under these keys.
pub(crate) fn open_checkpoint(
    note: &[u8],
    agency: &AgencyId,
    federation: &str,
    charters: &Charters,
    keys: KeysOf,
) -> Option<Checkpoint> {
    let opened = match keys {
        KeysOf::AnyCharter => charters.open_checkpoint(note, agency),
        KeysOf::NewestCharter => {
            Checkpoint::open(note, federation, agency, &charters.newest().checkpoint_keys(agency)?)
        }
    };
    opened.inspect_err(|error| tracing::debug!(%agency, %error, "a checkpoint does not verify")).ok()
}
