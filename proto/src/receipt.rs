//! Receipts: the receiver's signed answer to a delivery. For each item it says at which leaf it is durable, or why it is not.
//!
//! With a receipt a later denial is provable.
//!
//! Must not know entries, how they are judged, or which keys the charter lists. [`crate::transparency::receipt`] looks the key up.
//!
//! Invariants:
//! - a receipt is kept as the bytes that were signed;
//! - an entry's id is the hash of its leaf, so a receipt that names an id and an index binds the receiver to that leaf;
//! - the results are the leaves of an RFC 6962 tree whose root is signed, so one result can be shown without the others ([`item_receipt`]).

use prost::Message;
use sha2::{Digest, Sha256};

use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::base::key::{PublicKey, SigningKey};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::small_tree::{SmallTree, root_by_path};
use crate::tlog::tree::leaf_hash;
use crate::wire;

const DOMAIN: &[u8] = b"sinergi/receipt/v2\0";

/// The outcome of one delivered item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemOutcome {
    /// The item is durable, at this leaf of the receiver.
    Leaf(LedgerIndex),
    /// The item is refused for ever, with this refusal code.
    Refused(u32),
    /// The item is neither admitted nor refused yet.
    Deferred(Deferral),
}

/// The receiver's word about an item that it neither admits nor refuses yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferral {
    /// The deferral code.
    pub code: u32,
    /// Whether the receiver keeps the item durably and judges it again. Otherwise the sender sends it again.
    pub kept: bool,
    /// SHA-256 of the delivered `SignedEntry`, if its envelope does not verify.
    pub copy: Option<[u8; 32]>,
}

impl Deferral {
    /// The word about an item that is kept, with this deferral code.
    pub fn kept(code: u32) -> Self {
        Self { code, kept: true, copy: None }
    }
}

/// One delivered item and its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemResult {
    /// The id of the entry, or SHA-256 of the bytes if they are no entry.
    pub entry: EntryId,
    /// The outcome.
    pub outcome: ItemOutcome,
    /// The contents of the item that the receiver now has: bit `i` is set for the content of commitment `i`.
    pub contents: u32,
}

impl ItemResult {
    /// The result for an item whose contents are not taken.
    pub fn without_contents(entry: EntryId, outcome: ItemOutcome) -> Self {
        Self { entry, outcome, contents: 0 }
    }
}

/// A parsed receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The federation.
    pub federation: String,
    /// The agency that received.
    pub receiver: AgencyId,
    /// The agency that sent.
    pub sender: AgencyId,
    /// The receiver's entry key that signs.
    pub key_id: u32,
    /// The charter version that lists the key.
    pub charter_version: u64,
    /// The cursor of the delivery.
    pub cursor: Cursor,
    /// One result for each delivered item, in the same order.
    pub results: Vec<ItemResult>,
    /// The receiver's signed checkpoint, which covers the named leaves.
    pub checkpoint: Vec<u8>,
}

/// The reason why a receipt is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// The bytes are no receipt.
    #[error("the receipt is malformed: {0}")]
    Malformed(String),
    /// The results are not those that the receipt's signature covers.
    #[error("the results are not those that the receiver signed")]
    OtherResults,
    /// The receipt is of another link.
    #[error("the receipt is of {found}, this link is {expected}")]
    OtherLink {
        /// The parties in the receipt.
        found: String,
        /// The parties of the link.
        expected: String,
    },
    /// The signature does not verify under this key of the receiver.
    #[error("the receipt's signature does not verify under key {0:08x} of the receiver")]
    BadSignature(u32),
    /// The key that signed the receipt is revoked.
    #[error("the receipt is signed under key {0:08x} of the receiver, which is revoked")]
    RevokedKey(u32),
    /// The receipt has no checkpoint of the receiver that verifies, so it binds the receiver to no tree.
    #[error("the receipt's checkpoint does not verify as one of {0}")]
    BadCheckpoint(AgencyId),
    /// The receipt names a leaf that its checkpoint does not have, so no audit could ask for the leaf.
    #[error("the receipt names leaf {leaf}, and its checkpoint has {size} leaves")]
    BeyondCheckpoint {
        /// The named leaf.
        leaf: LedgerIndex,
        /// Number of leaves of the checkpoint.
        size: u64,
    },
}

/// Signs the receipts of an agency.
pub struct ReceiptSigner<'a> {
    /// The federation.
    pub federation: &'a str,
    /// The agency that signs.
    pub receiver: &'a AgencyId,
    /// Its entry key.
    pub key: &'a SigningKey,
    /// The newest charter version.
    pub charter_version: u64,
}

impl ReceiptSigner<'_> {
    /// Signs the receipt for a delivery of `sender`. The own `checkpoint` covers all leaves of the results.
    pub fn sign(&self, sender: &AgencyId, cursor: Cursor, results: Vec<ItemResult>, checkpoint: Vec<u8>) -> wire::Ack {
        let receipt = Receipt {
            federation: self.federation.to_owned(),
            receiver: self.receiver.clone(),
            sender: sender.clone(),
            key_id: Receipt::key_id_of(self.key),
            charter_version: self.charter_version,
            cursor,
            results,
            checkpoint,
        };
        receipt.sign(self.key)
    }
}

impl Receipt {
    /// Signs the receipt.
    pub fn sign(&self, key: &SigningKey) -> wire::Ack {
        let results: Vec<Vec<u8>> = self.results.iter().map(|result| result_to_wire(result).encode_to_vec()).collect();
        let receipt = self.to_wire(tree_of(&results).root()).encode_to_vec();
        let signature = key.sign(&[DOMAIN, &receipt].concat()).to_bytes().to_vec();
        wire::Ack { receipt, signature, results }
    }

    /// The number that names a key in receipts.
    pub fn key_id_of(key: &SigningKey) -> u32 {
        key.id()
    }

    /// Parses a receipt without checking the signature.
    ///
    /// # Errors
    /// When the bytes are no receipt.
    pub fn parse(ack: &wire::Ack) -> Result<Self, ReceiptError> {
        let (head, count, root) = Self::parse_head(&ack.receipt)?;
        if usize::try_from(count) != Ok(ack.results.len()) || tree_of(&ack.results).root() != root {
            return Err(ReceiptError::OtherResults);
        }
        let results = ack.results.iter().map(|result| parse_result(result)).collect::<Result<_, _>>()?;
        Ok(Self { results, ..head })
    }

    /// Parses one result of a receipt, with everything else in it. The signature is not checked.
    ///
    /// # Errors
    /// When the bytes are no receipt, or the result is none of its results.
    pub fn parse_item(item: &wire::ItemReceipt) -> Result<Self, ReceiptError> {
        let (head, count, root) = Self::parse_head(&item.receipt)?;
        let (path, rest) = item.path.as_chunks::<32>();
        let leads_to = root_by_path(leaf_hash(&item.result), item.index, count, path).filter(|_| rest.is_empty());
        if leads_to != Some(root) {
            return Err(ReceiptError::OtherResults);
        }
        Ok(Self { results: vec![parse_result(&item.result)?], ..head })
    }

    /// Parses everything but the results. Returns the number of results and their root as well.
    fn parse_head(receipt: &[u8]) -> Result<(Self, u32, [u8; 32]), ReceiptError> {
        let malformed = |what: &str| ReceiptError::Malformed(what.to_owned());
        let message = wire::Receipt::decode(receipt).map_err(|error| ReceiptError::Malformed(error.to_string()))?;
        let root = message.results_root.as_slice().try_into().map_err(|_| malformed("results root"))?;
        let head = Self {
            receiver: message.receiver.parse().map_err(|_| malformed("receiver"))?,
            sender: message.sender.parse().map_err(|_| malformed("sender"))?,
            federation: message.federation,
            key_id: message.key_id,
            charter_version: message.charter_version,
            cursor: message.cursor.map(Cursor::from_wire).ok_or_else(|| malformed("no cursor"))?,
            results: Vec::new(),
            checkpoint: message.checkpoint,
        };
        Ok((head, message.result_count, root))
    }

    /// The checkpoint in the receipt, which covers all named leaves. `open` opens a note with a checkpoint of the receiver, under any key that the
    /// receiver ever had.
    ///
    /// # Errors
    /// When it does not open, or the receipt names a leaf that it does not have.
    pub fn checkpoint(&self, open: impl FnOnce(&[u8]) -> Option<Checkpoint>) -> Result<Checkpoint, ReceiptError> {
        let checkpoint = open(&self.checkpoint).ok_or_else(|| ReceiptError::BadCheckpoint(self.receiver.clone()))?;
        let size = checkpoint.size;
        match self.leaves().map(|(_, leaf)| leaf).find(|leaf| leaf.0 >= size) {
            Some(leaf) => Err(ReceiptError::BeyondCheckpoint { leaf, size }),
            None => Ok(checkpoint),
        }
    }

    /// The receiver's epoch, by the checkpoint in the receipt. No signature is checked. `None` if the checkpoint names none of the receiver's
    /// ledgers.
    pub fn epoch(&self) -> Option<Epoch> {
        let (agency, epoch) = Checkpoint::ledger_of(&self.checkpoint, &self.federation)?;
        (agency == self.receiver).then_some(epoch)
    }

    /// The named leaves: each entry with its leaf in the receiver's ledger, in the order of the results.
    pub fn leaves(&self) -> impl Iterator<Item = (EntryId, LedgerIndex)> {
        self.results.iter().filter_map(|result| match result.outcome {
            ItemOutcome::Leaf(index) => Some((result.entry, index)),
            ItemOutcome::Refused(_) | ItemOutcome::Deferred(_) => None,
        })
    }

    /// Checks the signature over the bytes that this receipt was parsed from.
    ///
    /// # Errors
    /// When it does not verify under the key.
    pub fn verify(&self, receipt: &[u8], signature: &[u8], key: &PublicKey) -> Result<(), ReceiptError> {
        let verifies = key.verifies(&[DOMAIN, receipt].concat(), signature);
        verifies.then_some(()).ok_or(ReceiptError::BadSignature(self.key_id))
    }

    fn to_wire(&self, results_root: [u8; 32]) -> wire::Receipt {
        wire::Receipt {
            federation: self.federation.clone(),
            receiver: self.receiver.to_string(),
            sender: self.sender.to_string(),
            key_id: self.key_id,
            charter_version: self.charter_version,
            cursor: Some(self.cursor.to_wire()),
            result_count: u32::try_from(self.results.len()).expect("a frame has few items"),
            results_root: results_root.to_vec(),
            checkpoint: self.checkpoint.clone(),
        }
    }
}

fn result_to_wire(result: &ItemResult) -> wire::ItemResult {
    use wire::item_result::Result;
    let outcome = match result.outcome {
        ItemOutcome::Leaf(index) => Result::LeafIndex(index.0),
        ItemOutcome::Refused(code) => Result::Refused(code),
        ItemOutcome::Deferred(Deferral { code, kept, copy }) => {
            let copy = copy.map(|hash| hash.to_vec()).unwrap_or_default();
            Result::Deferred(wire::Deferral { code, kept, copy })
        }
    };
    wire::ItemResult { entry_id: result.entry.0.to_vec(), contents: result.contents, result: Some(outcome) }
}

/// The name of a receipt: SHA-256 of the bytes that the receiver signed. One signature covers all its results, so they share the name.
pub fn receipt_id(receipt: &[u8]) -> [u8; 32] {
    Sha256::digest(receipt).into()
}

/// The receipt for one item of the frame that a receipt answers. `None` if it has no such item.
pub fn item_receipt(ack: &wire::Ack, index: usize) -> Option<wire::ItemReceipt> {
    let result = ack.results.get(index)?.clone();
    let path = tree_of(&ack.results).path(index).concat();
    let (receipt, signature) = (ack.receipt.clone(), ack.signature.clone());
    Some(wire::ItemReceipt { receipt, signature, result, index: u32::try_from(index).ok()?, path })
}

fn tree_of(results: &[Vec<u8>]) -> SmallTree {
    SmallTree::of(results.iter().map(|result| leaf_hash(result)).collect())
}

fn parse_result(bytes: &[u8]) -> Result<ItemResult, ReceiptError> {
    let message = wire::ItemResult::decode(bytes).map_err(|error| ReceiptError::Malformed(error.to_string()))?;
    result_of(&message).ok_or_else(|| ReceiptError::Malformed("result".to_owned()))
}

fn result_of(result: &wire::ItemResult) -> Option<ItemResult> {
    use wire::item_result::Result;
    let outcome = match result.result.as_ref()? {
        Result::LeafIndex(index) => ItemOutcome::Leaf(LedgerIndex(*index)),
        Result::Refused(code) => ItemOutcome::Refused(*code),
        Result::Deferred(wire::Deferral { code, kept, copy }) => {
            let hash = || <[u8; 32]>::try_from(copy.as_slice()).ok();
            let copy = if copy.is_empty() { None } else { Some(hash()?) };
            ItemOutcome::Deferred(Deferral { code: *code, kept: *kept, copy })
        }
    };
    Some(ItemResult { entry: EntryId::from_slice(&result.entry_id)?, outcome, contents: result.contents })
}

#[cfg(test)]
pub(crate) mod tests;
