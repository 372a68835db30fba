//! From a received frame to what the writer takes: decode under limits, authenticate. Blocks; runs off the async threads, in parallel.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sinergi_proto::admission::{Verdict, authenticate};
use sinergi_proto::charter::Charters;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::{AgencyId, EntryId};
use sinergi_proto::limits;
use sinergi_proto::receipt::{Receipt, ReceiptError};
use sinergi_proto::refusal::{Refusal, RefusalCode};
use sinergi_proto::wire;

use crate::writer::{Authentic, Received};

/// Decodes and authenticates the items of one frame. One result an item, in order.
pub(crate) fn receive_items(items: Vec<wire::Item>, federation: &str, charters: &Charters) -> Vec<Received> {
    let mut parsed: Vec<(Option<Entry>, Result<wire::Item, Received>)> = Vec::with_capacity(items.len());
    for item in items {
        match check_item(&item).and_then(|()| Entry::parse(item.signed_entry.clone(), federation)) {
            Ok(entry) => parsed.push((Some(entry), Ok(item))),
            Err(refusal) => {
                let entry = id_of(&item.signed_entry);
                parsed.push((None, Err(Received::Refused { entry, refusal, bytes: item.signed_entry })));
            }
        }
    }
    let entries: Vec<Entry> = parsed.iter_mut().filter_map(|(entry, _)| entry.take()).collect();
    let verdicts = authenticate(&entries, charters, rand::rng());
    let mut authentic = entries.into_iter().zip(verdicts);
    parsed
        .into_iter()
        .map(|(_, item)| match item {
            Err(refused) => refused,
            Ok(item) => {
                let (entry, verdict) = authentic.next().expect("one verdict a parsed entry");
                judged(entry, verdict, item)
            }
        })
        .collect()
}

/// What no honest item exceeds, whatever its entry says.
fn check_item(item: &wire::Item) -> Result<(), Refusal> {
    let too_large = |detail: String| Err(Refusal::new(RefusalCode::TooLarge, detail));
    if item.content.len() > limits::COMMITMENTS {
        return too_large(format!("{} contents of one entry, at most {}", item.content.len(), limits::COMMITMENTS));
    }
    for content in &item.content {
        let (data, salt) = (content.data.len(), content.salt.len());
        if data > limits::CONTENT_BYTES || salt > 32 {
            let most = limits::CONTENT_BYTES;
            return too_large(format!("content of {data} bytes with a salt of {salt}, at most {most} and 32"));
        }
    }
    Ok(())
}

fn judged(entry: Entry, verdict: Verdict, item: wire::Item) -> Received {
    match verdict {
        Verdict::Admit => Received::Authentic(Box::new(Authentic { entry, item })),
        Verdict::Refuse(refusal) => Received::Refused { entry: entry.id, refusal, bytes: item.signed_entry },
        Verdict::Defer { code, detail } => Received::Deferred { entry: entry.id, code: code.number(), detail, item },
    }
}

/// How a receipt names an item: by the id of its entry, which the sender computes from the same bytes; bytes that hold no entry by
/// their hash.
fn id_of(signed: &Bytes) -> EntryId {
    use prost::Message;
    match wire::SignedEntry::decode(signed.clone()) {
        Ok(envelope) if !envelope.entry.is_empty() => EntryId::of(&envelope.entry),
        _ => EntryId(Sha256::digest(signed).into()),
    }
}

/// A receipt that was checked.
pub(super) struct CheckedReceipt {
    pub(super) receipt: Receipt,
    /// The bytes that were signed.
    pub(super) ack: wire::Ack,
    /// The checkpoint in it, if it verifies.
    pub(super) checkpoint: Option<Checkpoint>,
}

/// Reads an acknowledgement and checks that it is the peer's receipt for our delivery.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_receipt(
    ack: wire::Ack,
    own: &AgencyId,
    peer: &AgencyId,
    federation: &str,
    charters: &Charters,
) -> Result<CheckedReceipt, ReceiptError> {
    let receipt = Receipt::parse(&ack)?;
    if receipt.receiver != *peer || receipt.sender != *own || receipt.federation != federation {
        return Err(ReceiptError::OtherLink {
            found: format!("{} to {} in {}", receipt.sender, receipt.receiver, receipt.federation),
            expected: format!("{own} to {peer} in {federation}"),
        });
    }
    let unknown = || ReceiptError::BadSignature(receipt.key_id);
    // A peer that has a newer charter than ours signs with a key that it also had before, or we learn the charter first.
    let charter = charters.version(receipt.charter_version).unwrap_or(charters.newest());
    let key = charter.entry_key(peer, receipt.key_id).ok_or_else(unknown)?;
    receipt.verify(&ack, &key.public)?;
    let checkpoint = check_checkpoint(&receipt.checkpoint, peer, federation, charters);
    Ok(CheckedReceipt { receipt, ack, checkpoint })
}

/// A peer's checkpoint, if it verifies.
pub(super) fn check_checkpoint(
    note: &[u8],
    peer: &AgencyId,
    federation: &str,
    charters: &Charters,
) -> Option<Checkpoint> {
    let keys = charters.newest().checkpoint_keys(peer)?;
    match Checkpoint::open(note, federation, peer, &keys) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) => {
            tracing::warn!(%peer, %error, "the peer's checkpoint does not verify");
            None
        }
    }
}
