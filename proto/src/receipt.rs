//! Signed receipts: what a receiver says it has, durably, and where. They make a later denial provable.
//!
//! Like entries, receipts are kept as the bytes that were signed.

use prost::Message;

use crate::charter::Charters;
use crate::cursor::Cursor;
use crate::ids::{AgencyId, EntryId, LedgerIndex};
use crate::key::{PublicKey, SigningKey};
use crate::wire;

const DOMAIN: &[u8] = b"sinergi/receipt/v1\0";

/// What became of one delivered item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemOutcome {
    /// Durable, at this leaf of the receiver.
    Leaf(LedgerIndex),
    /// Refused for good, with this code.
    Refused(u32),
    /// Kept durably, waiting for what this code names.
    Deferred(u32),
}

/// One delivered item and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemResult {
    /// The entry, or SHA-256 of bytes that are none.
    pub entry: EntryId,
    /// What became of it.
    pub outcome: ItemOutcome,
}

/// A receipt as the receiver fills it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The federation.
    pub federation: String,
    /// Who received.
    pub receiver: AgencyId,
    /// Who sent.
    pub sender: AgencyId,
    /// Which of the receiver's entry keys signs.
    pub key_id: u32,
    /// The charter version under which the key is found.
    pub charter_version: u64,
    /// The cursor of the delivery.
    pub cursor: Cursor,
    /// One a delivered item, in its order.
    pub results: Vec<ItemResult>,
    /// The receiver's signed checkpoint, which covers the leaves.
    pub checkpoint: Vec<u8>,
    /// The hashes of the leaves that the results name, in their order: what the receiver says it holds there, to the bit.
    pub leaf_hashes: Vec<[u8; 32]>,
}

/// Why an acknowledgement is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// Not a receipt.
    #[error("the receipt is malformed: {0}")]
    Malformed(String),
    /// Of another link.
    #[error("the receipt is of {found}, this link is {expected}")]
    OtherLink {
        /// Its parties.
        found: String,
        /// The link's.
        expected: String,
    },
    /// The signature fails.
    #[error("the receipt's signature does not verify under key {0:08x} of the receiver")]
    BadSignature(u32),
}

impl Receipt {
    /// Signs the receipt.
    pub fn sign(&self, key: &SigningKey) -> wire::Ack {
        let receipt = self.to_wire().encode_to_vec();
        let signature = key.sign(&[DOMAIN, &receipt].concat()).to_bytes().to_vec();
        wire::Ack { receipt, signature }
    }

    /// The id of the key as receipts name it.
    pub fn key_id_of(key: &SigningKey) -> u32 {
        key.id()
    }

    /// Reads an acknowledgement without checking the signature.
    ///
    /// # Errors
    /// When it has not the shape of a receipt.
    pub fn parse(ack: &wire::Ack) -> Result<Self, ReceiptError> {
        let malformed = |what: &str| ReceiptError::Malformed(what.to_owned());
        let hash = |bytes: &Vec<u8>| <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed("leaf hash"));
        let message = wire::Receipt::decode(ack.receipt.as_slice())
            .map_err(|error| ReceiptError::Malformed(error.to_string()))?;
        let receipt = Self {
            receiver: message.receiver.parse().map_err(|_| malformed("receiver"))?,
            sender: message.sender.parse().map_err(|_| malformed("sender"))?,
            federation: message.federation,
            key_id: message.key_id,
            charter_version: message.charter_version,
            cursor: message.cursor.map(Cursor::from_wire).ok_or_else(|| malformed("no cursor"))?,
            results: message
                .results
                .iter()
                .map(parse_result)
                .collect::<Option<_>>()
                .ok_or_else(|| malformed("result"))?,
            leaf_hashes: message.leaf_hashes.iter().map(hash).collect::<Result<_, _>>()?,
            checkpoint: message.checkpoint,
        };
        if receipt.leaves().count() != receipt.leaf_hashes.len() {
            return Err(malformed("not one hash a leaf"));
        }
        Ok(receipt)
    }

    /// The leaves that it names: each entry, and its leaf in the receiver's ledger; beside them the `leaf_hashes`.
    pub fn leaves(&self) -> impl Iterator<Item = (EntryId, LedgerIndex)> {
        self.results.iter().filter_map(|result| match result.outcome {
            ItemOutcome::Leaf(index) => Some((result.entry, index)),
            ItemOutcome::Refused(_) | ItemOutcome::Deferred(_) => None,
        })
    }

    /// Reads an acknowledgement and checks that it is the receipt of `peer` for a delivery of `own`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(
        ack: &wire::Ack,
        own: &AgencyId,
        peer: &AgencyId,
        federation: &str,
        charters: &Charters,
    ) -> Result<Self, ReceiptError> {
        let receipt = Self::parse(ack)?;
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
        receipt.verify(ack, &key.public)?;
        Ok(receipt)
    }

    /// Checks the signature of an acknowledgement.
    ///
    /// # Errors
    /// When it does not verify under the key.
    pub fn verify(&self, ack: &wire::Ack, key: &PublicKey) -> Result<(), ReceiptError> {
        let verifies = key.verifies(&[DOMAIN, &ack.receipt].concat(), &ack.signature);
        verifies.then_some(()).ok_or(ReceiptError::BadSignature(self.key_id))
    }

    fn to_wire(&self) -> wire::Receipt {
        wire::Receipt {
            federation: self.federation.clone(),
            receiver: self.receiver.to_string(),
            sender: self.sender.to_string(),
            key_id: self.key_id,
            charter_version: self.charter_version,
            cursor: Some(self.cursor.to_wire()),
            results: self.results.iter().map(result_to_wire).collect(),
            checkpoint: self.checkpoint.clone(),
            leaf_hashes: self.leaf_hashes.iter().map(|hash| hash.to_vec()).collect(),
        }
    }
}

fn result_to_wire(result: &ItemResult) -> wire::ItemResult {
    use wire::item_result::Result;
    let outcome = match result.outcome {
        ItemOutcome::Leaf(index) => Result::LeafIndex(index.0),
        ItemOutcome::Refused(code) => Result::Refused(code),
        ItemOutcome::Deferred(code) => Result::Deferred(code),
    };
    wire::ItemResult { entry_id: result.entry.0.to_vec(), result: Some(outcome) }
}

fn parse_result(result: &wire::ItemResult) -> Option<ItemResult> {
    use wire::item_result::Result;
    let outcome = match result.result? {
        Result::LeafIndex(index) => ItemOutcome::Leaf(LedgerIndex(index)),
        Result::Refused(code) => ItemOutcome::Refused(code),
        Result::Deferred(code) => ItemOutcome::Deferred(code),
    };
    Some(ItemResult { entry: EntryId::from_slice(&result.entry_id)?, outcome })
}

#[cfg(test)]
pub(crate) mod tests;
