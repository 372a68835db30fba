//! Making and opening the envelope of an entry: id, signature, key id.
//!
//! Ed25519 by the ZIP-215 rules, under which batch and single verification accept the same signatures on every node.

use bytes::Bytes;
use ed25519_zebra::{Signature, VerificationKeyBytes};
use prost::Message;
use sha2::{Digest, Sha256};

use super::{Entry, Place, VERSION, check_sizes};
use crate::clock::HybridClock;
use crate::ids::{AgencyId, ComplaintId, EntryId};
use crate::key::{PublicKey, SigningKey};
use crate::refusal::{Refusal, RefusalCode};
use crate::wire;

const DOMAIN: &[u8] = b"sinergi/entry/v1\0";

/// How an agency's key is named in entries and receipts: the first 4 bytes of SHA-256 over the public key.
pub fn key_id(public: &PublicKey) -> u32 {
    let digest = Sha256::new().chain_update(b"sinergi/key/v1\0").chain_update(public.as_ref()).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Everything of a new entry but the signature. Place, parents and clock are filled in by the writer, just before it signs.
#[derive(Clone, Debug)]
pub struct EntryDraft {
    /// The federation.
    pub federation: String,
    /// Who signs.
    pub author: AgencyId,
    /// The charter version that judges it.
    pub charter_version: u64,
    /// The leaf that it takes.
    pub place: Place,
    /// The complaint; `None` for `Lodged` and node bodies.
    pub complaint: Option<ComplaintId>,
    /// The complaint's newest entries.
    pub parents: Vec<EntryId>,
    /// The clock.
    pub clock: HybridClock,
    /// What it commits to.
    pub content: Vec<wire::ContentCommitment>,
    /// What happened.
    pub body: wire::entry::Body,
}

/// An entry that has just been signed: its id and the leaf data.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The id.
    pub id: EntryId,
    /// The bytes of the `SignedEntry`.
    pub bytes: Bytes,
}

impl EntryDraft {
    /// Signs the draft, whatever is in it.
    pub fn sign(self, key: &SigningKey) -> Signed {
        let sealed = seal(&self.into_message(key), key);
        Signed { id: sealed.id, bytes: sealed.signed }
    }

    /// Signs the draft and gives the entry that [`Entry::parse`] would read from its bytes, without reading them back.
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

/// An entry in its envelope.
struct Sealed {
    id: EntryId,
    signed: Bytes,
    /// The entry inside `signed`.
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
    // The envelope's first field: its tag, the length, the entry.
    let begin = 1 + prost::length_delimiter_len(length);
    Sealed { id, entry: signed.slice(begin..begin + length), signed, signature }
}

impl Entry {
    /// Checks the signature against the author's key.
    pub fn verify(&self, key: &PublicKey) -> bool {
        key.verifies(&signed_message(&self.bytes), &self.signature)
    }

    /// Puts the signature into a batch: the same signatures are accepted as by [`Self::verify`].
    pub fn queue_into(&self, batch: &mut ed25519_zebra::batch::Verifier, key: VerificationKeyBytes) {
        let message = signed_message(&self.bytes);
        batch.queue((key, Signature::from_bytes(&self.signature), message.as_slice()));
    }
}

fn signed_message(entry: &[u8]) -> Vec<u8> {
    [DOMAIN, entry].concat()
}

/// Finds the entry's bytes and the signature in the bytes of a `SignedEntry`: the fields in their order, and nothing else.
pub(super) fn open_envelope(signed: &Bytes) -> Result<(Bytes, [u8; 64]), Refusal> {
    let undecodable = |detail: String| Refusal::new(RefusalCode::Undecodable, detail);
    let envelope =
        EnvelopeView::decode(signed.clone()).map_err(|error| undecodable(format!("signed entry: {error}")))?;
    let signature = <[u8; 64]>::try_from(envelope.signature.as_ref())
        .map_err(|_| undecodable(format!("signature of {} bytes, must be 64", envelope.signature.len())))?;
    if envelope.entry.is_empty() {
        return Err(undecodable("signed entry without an entry".to_owned()));
    }
    // A relay could write the same envelope in another way: its leaf would differ from the author's, and an audit accuse the wrong one.
    if envelope.encode_to_vec() != signed.as_ref() {
        return Err(undecodable("signed entry is not written in the one way that is allowed".to_owned()));
    }
    Ok((envelope.entry, signature))
}

/// `SignedEntry` whose fields are slices of the bytes that it was decoded from.
#[derive(Clone, PartialEq, prost::Message)]
struct EnvelopeView {
    #[prost(bytes = "bytes", tag = "1")]
    entry: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    signature: Bytes,
}
