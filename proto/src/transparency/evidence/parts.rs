//! The parts of an accusation: entries, checkpoints, receipts and proofs, each opened and verified by the charter.
//!
//! Must not know what a finding demands of them.
//!
//! Invariant: a part that this file returns is verified, except where its name says `unsigned`.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;

use crate::admission::{Verdict, signing_key};
use crate::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::Entry;
use crate::receipt::{Receipt, receipt_id};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::tree::{Inclusion, ProofError, parse_hash};
use crate::wire;

/// The reason why an accusation does not hold.
#[derive(Debug, thiserror::Error)]
pub enum NotProven {
    /// It names no finding, or one of a later version.
    #[error("it names no finding that this version knows")]
    UnknownFinding,
    /// A part of it cannot be parsed.
    #[error("its {part} cannot be read: {problem}")]
    Unreadable {
        /// The part, in words.
        part: &'static str,
        /// The problem, in words.
        problem: String,
    },
    /// Another agency signed a part of it than the rule demands.
    #[error("its {part} is by {found}, it should be by {expected}")]
    ByAnother {
        /// The part, in words.
        part: &'static str,
        /// The agency that signed it.
        found: AgencyId,
        /// The agency that must have signed it.
        expected: AgencyId,
    },
    /// It rests on a revoked key, and the list of what stays trusted does not name it. Its signer disputes it.
    #[error(
        "its {part} is disputed: a key of {agency} is revoked, and the list of what stays trusted does not name it"
    )]
    Disputed {
        /// The part, in words.
        part: &'static str,
        /// The agency whose key was revoked.
        agency: AgencyId,
    },
    /// A signature does not verify.
    #[error("the signature of its {part} does not verify: {problem}")]
    Signature {
        /// The part, in words.
        part: &'static str,
        /// The problem, in words.
        problem: String,
    },
    /// A Merkle proof does not hold.
    #[error("its proof fails: {0}")]
    Proof(#[from] ProofError),
    /// All parts are genuine, but they do not contradict each other.
    #[error("it shows no contradiction: {0}")]
    NoContradiction(String),
}

/// The judge of a federation's accusations.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    pub(super) federation: &'a str,
    /// The charters.
    pub(super) charters: &'a Charters,
}

/// A leaf that is proved to be in a signed tree.
pub(super) struct ProvenLeaf {
    pub(super) checkpoint: Checkpoint,
    pub(super) index: LedgerIndex,
    pub(super) hash: [u8; 32],
}

impl<'a> Judge<'a> {
    /// A judge that trusts these charters.
    pub fn new(charters: &'a Charters) -> Self {
        Self { federation: &charters.newest().federation, charters }
    }

    /// An entry whose signature verifies by the charter that it names.
    pub(super) fn entry(&self, part: &'static str, signed: &[u8]) -> Result<Entry, NotProven> {
        let entry = self.unsigned_entry(part, signed)?;
        let key = signing_key(&entry, self.charters)
            .map_err(|verdict| NotProven::Signature { part, problem: format!("{verdict:?}") })?;
        if !entry.verify(&key.public) {
            return Err(NotProven::Signature { part, problem: format!("under key {:08x}", entry.key_id) });
        }
        if self.charters.disputes_entry(&entry.author, entry.key_id, &entry.id) {
            return Err(NotProven::Disputed { part, agency: entry.author });
        }
        Ok(entry)
    }

    /// Like [`Self::entry`], and the entry must be by this author.
    pub(super) fn entry_by(&self, part: &'static str, signed: &[u8], author: &AgencyId) -> Result<Entry, NotProven> {
        let entry = self.entry(part, signed)?;
        by(part, &entry.author, author)?;
        Ok(entry)
    }

    /// An entry whose signature is not checked. The caller has something signed that names the hash of its bytes.
    pub(super) fn unsigned_entry(&self, part: &'static str, signed: &[u8]) -> Result<Entry, NotProven> {
        Entry::parse(Bytes::copy_from_slice(signed), self.federation)
            .map_err(|refusal| NotProven::Unreadable { part, problem: refusal.to_string() })
    }

    /// Whether the entry's author signed it, in the envelope that it came with.
    ///
    /// # Errors
    /// When the charter that the entry names is not here.
    pub(super) fn is_signed(&self, entry: &Entry) -> Result<bool, NotProven> {
        match signing_key(entry, self.charters) {
            Ok(key) => Ok(entry.verify(&key.public)),
            Err(Verdict::Refuse(_)) => Ok(false),
            Err(verdict) => Err(NotProven::Signature { part: "entry", problem: format!("{verdict:?}") }),
        }
    }

    /// A verified checkpoint of this agency.
    pub(super) fn checkpoint(&self, note: &[u8], of: &AgencyId) -> Result<Checkpoint, NotProven> {
        let part = "checkpoint";
        self.charters.open_checkpoint(note, of).map_err(|error| match self.charters.open_by_any_key(note, of) {
            Ok(_) => NotProven::Disputed { part, agency: of.clone() },
            Err(_) => NotProven::Signature { part, problem: error.to_string() },
        })
    }

    /// The checkpoint in a verified receipt of this agency. The receipt's signature covers it, so it binds the agency although its own key may be
    /// revoked.
    pub(super) fn checkpoint_in(&self, receipt: &Receipt) -> Result<Checkpoint, NotProven> {
        let opened = self.charters.open_by_any_key(&receipt.checkpoint, &receipt.receiver);
        opened.map_err(|error| NotProven::Signature { part: "checkpoint in the receipt", problem: error.to_string() })
    }

    /// A verified checkpoint of this agency with its cosigned time, in seconds since 1970.
    pub(super) fn timed(&self, note: &[u8], of: &AgencyId) -> Result<(Checkpoint, u64), NotProven> {
        let checkpoint = self.checkpoint(note, of)?;
        let seconds = checkpoint
            .seconds
            .ok_or(NotProven::Signature { part: "checkpoint", problem: "it has no line of the time key".to_owned() })?;
        Ok((checkpoint, seconds))
    }

    /// A verified receipt of this agency.
    pub(super) fn receipt(&self, ack: &[u8], by_agency: &AgencyId) -> Result<Receipt, NotProven> {
        let unreadable = |problem: String| NotProven::Unreadable { part: "receipt", problem };
        let ack = wire::Ack::decode(ack).map_err(|error| unreadable(error.to_string()))?;
        let receipt = Receipt::parse(&ack).map_err(|error| unreadable(error.to_string()))?;
        self.check_receipt(receipt, [&ack.receipt, &ack.signature], by_agency)
    }

    /// A verified receipt of this agency with one of its results.
    pub(super) fn item_receipt(
        &self,
        item: Option<&wire::ItemReceipt>,
        by_agency: &AgencyId,
    ) -> Result<Receipt, NotProven> {
        let unreadable = |problem: String| NotProven::Unreadable { part: "receipt", problem };
        let item = item.ok_or_else(|| unreadable("it is missing".to_owned()))?;
        let receipt = Receipt::parse_item(item).map_err(|error| unreadable(error.to_string()))?;
        self.check_receipt(receipt, [&item.receipt, &item.signature], by_agency)
    }

    fn check_receipt(
        &self,
        receipt: Receipt,
        [bytes, signature]: [&[u8]; 2],
        by_agency: &AgencyId,
    ) -> Result<Receipt, NotProven> {
        let part = "receipt";
        let unreadable = |problem: String| NotProven::Unreadable { part, problem };
        by(part, &receipt.receiver, by_agency)?;
        if receipt.federation != self.federation {
            return Err(unreadable(format!("it is of the federation {:?}", receipt.federation)));
        }
        let charter = self.charters.version(receipt.charter_version).unwrap_or(self.charters.newest());
        let key = charter.entry_key(by_agency, receipt.key_id).ok_or_else(|| NotProven::Signature {
            part,
            problem: format!("{by_agency} has no entry key {:08x}", receipt.key_id),
        })?;
        receipt
            .verify(bytes, signature, &key.public)
            .map_err(|error| NotProven::Signature { part, problem: error.to_string() })?;
        if self.charters.disputes_receipt(by_agency, receipt.key_id, &receipt_id(bytes)) {
            return Err(NotProven::Disputed { part, agency: receipt.receiver });
        }
        Ok(receipt)
    }

    /// A proved leaf of this agency's tree.
    pub(super) fn leaf(&self, proof: Option<&wire::LeafProof>, of: &AgencyId) -> Result<ProvenLeaf, NotProven> {
        let missing = NotProven::Unreadable { part: "proof of the leaf", problem: "it is missing".to_owned() };
        let proof = proof.ok_or(missing)?;
        let checkpoint = self.checkpoint(&proof.checkpoint, of)?;
        let path = proof.path.iter().map(|hash| parse_hash(hash)).collect::<Result<_, _>>()?;
        let inclusion = Inclusion { index: LedgerIndex(proof.index), leaf_hash: parse_hash(&proof.hash)?, path };
        inclusion.check(checkpoint.size, checkpoint.root)?;
        Ok(ProvenLeaf { checkpoint, index: inclusion.index, hash: inclusion.leaf_hash })
    }

    /// Checks that `ancestors` are exactly the ancestors of a signed entry, and parses them. Their signatures need no check, because the entry
    /// names their ids, directly or through others.
    pub(super) fn past_of(&self, entry: &Entry, ancestors: &[Vec<u8>]) -> Result<Vec<Entry>, NotProven> {
        let part = "ancestors";
        let unreadable = |problem: String| NotProven::Unreadable { part, problem };
        if ancestors.len() > limits::MEMBERS * limits::PARENTS {
            return Err(unreadable(format!("{} of them", ancestors.len())));
        }
        let entries: Vec<Entry> =
            ancestors.iter().map(|signed| self.unsigned_entry(part, signed)).collect::<Result<_, _>>()?;
        let by_id: std::collections::HashMap<_, _> = entries.iter().map(|entry| (entry.id, entry)).collect();
        let (mut reached, mut next) = (BTreeSet::new(), entry.parents.clone());
        while let Some(id) = next.pop() {
            if reached.insert(id) {
                let parent = by_id.get(&id).ok_or_else(|| unreadable(format!("{id:?} is missing")))?;
                next.extend(&parent.parents);
            }
        }
        if reached.len() != entries.len() {
            return Err(unreadable("some of them are no ancestors".to_owned()));
        }
        Ok(entries)
    }
}

pub(super) fn agency(part: &'static str, id: &str) -> Result<AgencyId, NotProven> {
    id.parse().map_err(|error| NotProven::Unreadable { part, problem: format!("{error}") })
}

pub(super) fn by(part: &'static str, found: &AgencyId, expected: &AgencyId) -> Result<(), NotProven> {
    if found == expected {
        return Ok(());
    }
    Err(NotProven::ByAnother { part, found: found.clone(), expected: expected.clone() })
}

pub(super) fn no_contradiction(what: impl Into<String>) -> NotProven {
    NotProven::NoContradiction(what.into())
}

/// An entry in words: its body and its complaint.
pub(super) fn named(entry: &Entry) -> String {
    let complaint = entry.complaint.map(|id| format!(" of complaint {}", id.short())).unwrap_or_default();
    format!("{}{complaint}", entry.body.name())
}

pub(super) fn complaint_text(complaint: Option<ComplaintId>) -> Option<String> {
    complaint.map(|id| id.to_string())
}
