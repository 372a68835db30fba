//! The envelope of an entry: signing, verifying, opening.
//!
//! Must not know the bodies.
//!
//! Invariants:
//! - a signature is over `"sinergi/entry/v1\0" || entry`, so it is valid for no other purpose;
//! - verification follows the ZIP-215 rules of Ed25519. By these rules batch and single verification accept the same signatures;
//! - an envelope has one form, so one entry with one signature gives one leaf.

use bytes::Bytes;
use ed25519_zebra::{Signature, VerificationKeyBytes};
use prost::Message;

use super::{Entry, Place, VERSION, check_sizes};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::base::key::{PublicKey, SigningKey};
use crate::base::refusal::{Refusal, RefusalCode};
use crate::wire;

const DOMAIN: &[u8] = b"sinergi/entry/v1\0";

/// A new entry without its signature. The engine fills in place, parents and clock just before it signs.
#[derive(Clone, Debug)]
pub struct EntryDraft {
    /// The federation.
    pub federation: String,
    /// The agency that signs.
    pub author: AgencyId,
    /// The charter version by which the entry is judged.
    pub charter_version: u64,
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

/// A newly signed entry.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The id of the entry.
    pub id: EntryId,
    /// The bytes of the `SignedEntry`: the leaf.
    pub bytes: Bytes,
}

impl EntryDraft {
    /// Signs the draft without checking it.
    pub fn sign(self, key: &SigningKey) -> Signed {
        let sealed = seal(&self.into_message(key), key);
        Signed { id: sealed.id, bytes: sealed.signed }
    }

    /// Signs the draft and returns the entry that [`Entry::parse`] would return for the bytes. The bytes are not decoded again.
    ///
    /// # Errors
    /// The refusal with which any node of the federation answers these bytes.
    pub fn sign_checked(self, key: &SigningKey) -> Result<Entry, Refusal> {
        let federation = self.federation.clone();
        let message = self.into_message(key);
        let Sealed { id, signed, entry, signature } = seal(&message, key);
        check_sizes(&signed, &entry)?;
        Entry::from_message(message, &federation, id, signed, entry, signature)
    }

    fn into_message(self, key: &SigningKey) -> wire::Entry {
        wire::Entry {
            version: VERSION,
            federation: self.federation,
            author: self.author.to_string(),
            key_id: key.id(),
            charter_version: self.charter_version,
            place: Some(wire::Place { epoch: self.place.epoch.0, index: self.place.index.0 }),
            complaint: self.complaint.map(|id| id.0.to_vec()).unwrap_or_default(),
            parents: self.parents.iter().map(|id| id.0.to_vec()).collect(),
            clock: self.clock.to_bits(),
            content: self.content,
            body: Some(self.body),
        }
    }
}

/// An encoded entry in its envelope.
struct Sealed {
    id: EntryId,
    signed: Bytes,
    /// The entry inside `signed`, as a slice of it.
    entry: Bytes,
    signature: [u8; 64],
}

fn seal(message: &wire::Entry, key: &SigningKey) -> Sealed {
    let mut domain_and_entry = Vec::with_capacity(DOMAIN.len() + message.encoded_len());
    domain_and_entry.extend_from_slice(DOMAIN);
    message.encode_raw(&mut domain_and_entry);
    let signature = key.sign(&domain_and_entry).to_bytes();
    let entry = Bytes::from(domain_and_entry).slice(DOMAIN.len()..);
    let id = EntryId::of(&entry);
    let length = entry.len();
    let envelope = EnvelopeView { entry, signature: Bytes::copy_from_slice(&signature) };
    let signed = Bytes::from(envelope.encode_to_vec());
    // The entry is the first field of the envelope: one byte of tag, the length, the bytes.
    let begin = 1 + prost::length_delimiter_len(length);
    Sealed { id, entry: signed.slice(begin..begin + length), signed, signature }
}

impl Entry {
    /// Whether the signature verifies under this key.
    pub fn verify(&self, key: &PublicKey) -> bool {
        key.verifies(&signed_message(&self.bytes), &self.signature)
    }

    /// Adds the signature to a batch. The batch accepts the same signatures as [`Self::verify`].
    pub fn queue_into(&self, batch: &mut ed25519_zebra::batch::Verifier, key: VerificationKeyBytes) {
        let message = signed_message(&self.bytes);
        batch.queue((key, Signature::from_bytes(&self.signature), message.as_slice()));
    }
}

fn signed_message(entry: &[u8]) -> Vec<u8> {
    [DOMAIN, entry].concat()
}

/// Finds the entry's bytes and the signature in a `SignedEntry`. The envelope must hold both fields, in their order, and nothing else.
pub(super) fn open_envelope(signed: &Bytes) -> Result<(Bytes, [u8; 64]), Refusal> {
    let undecodable = |detail: String| Refusal::new(RefusalCode::Undecodable, detail);
    let envelope =
        EnvelopeView::decode(signed.clone()).map_err(|error| undecodable(format!("signed entry: {error}")))?;
    let signature = <[u8; 64]>::try_from(envelope.signature.as_ref())
        .map_err(|_| undecodable(format!("signature of {} bytes, must be 64", envelope.signature.len())))?;
    if envelope.entry.is_empty() {
        return Err(undecodable("signed entry without an entry".to_owned()));
    }
    // Protobuf allows other encodings of the same envelope. A relay could use one: its leaf would differ from the author's leaf, and an
    // audit would accuse an honest agency.
    if envelope.encode_to_vec() != signed.as_ref() {
        return Err(undecodable("signed entry does not have the one allowed encoding".to_owned()));
    }
    Ok((envelope.entry, signature))
}

/// A `SignedEntry` whose fields are slices of the decoded bytes, so that nothing is copied.
#[derive(Clone, PartialEq, prost::Message)]
struct EnvelopeView {
    #[prost(bytes = "bytes", tag = "1")]
    entry: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    signature: Bytes,
}
