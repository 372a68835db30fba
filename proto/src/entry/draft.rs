//! Writing new entries: a draft becomes an entry, which is signed alone or together with others.
//!
//! Must not know the bodies.

use bytes::Bytes;
use prost::Message;

use super::{CharterName, Entry, OwnBatch, Place, VERSION, check_size, signed_bytes};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::base::key::SigningKey;
use crate::base::refusal::Refusal;
use crate::wire;

/// A new entry before it is written. The engine fills in place, parents and clock.
#[derive(Clone, Debug)]
pub struct EntryDraft {
    /// The federation.
    pub federation: String,
    /// The agency that signs.
    pub author: AgencyId,
    /// The charter by which the entry is judged.
    pub charter: CharterName,
    /// The leaf that the entry takes in the author's ledger.
    pub place: Place,
    /// The complaint; `None` for `Lodged` and node bodies.
    pub complaint: Option<ComplaintId>,
    /// The newest entries of the complaint.
    pub parents: Vec<EntryId>,
    /// The author's hybrid clock. It exceeds the clocks of all parents.
    pub clock: HybridClock,
    /// One commitment for each content.
    pub content: Vec<wire::ContentCommitment>,
    /// The event.
    pub body: wire::entry::Body,
}

/// An entry that was signed without being checked.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The id of the entry.
    pub id: EntryId,
    /// The bytes of the `SignedEntry`.
    pub bytes: Bytes,
}

impl EntryDraft {
    /// Writes the entry, without a signature. `key` is the key that will sign it. Returns the entry that [`Entry::parse`] would return for its
    /// bytes, without decoding them again.
    ///
    /// # Errors
    /// The refusal with which any node of the federation answers these bytes.
    pub fn write(self, key: &SigningKey) -> Result<Entry, Refusal> {
        let federation = self.federation.clone();
        let message = self.into_message(key);
        let bytes = Bytes::from(message.encode_to_vec());
        check_size(&bytes)?;
        Entry::from_message(message, &federation, bytes, None)
    }

    /// Signs the draft alone, without checking it.
    pub fn sign(self, key: &SigningKey) -> Signed {
        let bytes = Bytes::from(self.into_message(key).encode_to_vec());
        let id = EntryId::of(&bytes);
        let envelope = OwnBatch::sign(&[id], key).envelope(0);
        Signed { id, bytes: signed_bytes(bytes, Some(&envelope)) }
    }

    /// Writes the entry and signs it alone.
    ///
    /// # Errors
    /// The refusal with which any node of the federation answers these bytes.
    pub fn sign_checked(self, key: &SigningKey) -> Result<Entry, Refusal> {
        let mut entry = self.write(key)?;
        entry.envelope = Some(OwnBatch::sign(&[entry.id], key).envelope(0));
        Ok(entry)
    }

    fn into_message(self, key: &SigningKey) -> wire::Entry {
        wire::Entry {
            version: VERSION,
            federation: self.federation,
            author: self.author.to_string(),
            key_id: key.id(),
            charter_version: self.charter.version,
            charter_hash: self.charter.hash,
            place: Some(wire::Place { epoch: self.place.epoch.0, index: self.place.index.0 }),
            complaint: self.complaint.map(|id| id.0.to_vec()).unwrap_or_default(),
            parents: self.parents.iter().map(|id| id.0.to_vec()).collect(),
            clock: self.clock.to_bits(),
            content: self.content,
            body: Some(self.body),
        }
    }
}
