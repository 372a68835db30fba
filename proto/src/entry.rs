//! Signed entries: parsing received bytes into domain types, and writing and signing new entries.
//!
//! Must not know other entries or the charter. [`crate::admission`] judges an entry by those.
//!
//! Invariants:
//! - the received bytes are the entry; they are kept beside the parsed form and are never encoded again;
//! - the envelope is no part of the entry: an entry with a bad envelope, or without any, parses as well;
//! - every field of a parsed [`Entry`] is within its limits;
//! - a body that this version does not know parses as [`Body::Unknown`]: such an entry is kept and relayed, and has no effect.

mod body;
pub mod content;
mod draft;
mod envelope;

pub use body::{Body, CaseAct, CustodyAct, Lodged, Proven};
pub use draft::{EntryDraft, Signed};
pub use envelope::{Envelope, OwnBatch, SignedBatch};

use bytes::Bytes;
use prost::Message;

use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::key::PublicKey;
use crate::base::limits;
use crate::base::refusal::{Refusal, RefusalCode};
use crate::wire;

/// The entry version that this code writes and reads.
pub const VERSION: u32 = 2;

/// A parsed entry with the bytes that it was parsed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The entry's id, made of `bytes`.
    pub id: EntryId,
    /// The agency that signed it.
    pub author: AgencyId,
    /// The author's entry key that signed it.
    pub key_id: u32,
    /// The charter by which every node judges it.
    pub charter: CharterName,
    /// The leaf that it takes in its author's ledger.
    pub place: Place,
    /// The complaint: derived for `Lodged`, `None` for node bodies.
    pub complaint: Option<ComplaintId>,
    /// The newest entries of the complaint that the author had.
    pub parents: Vec<EntryId>,
    /// The author's hybrid clock when it signed.
    pub clock: HybridClock,
    /// One commitment for each content that belongs to the entry.
    pub commitments: Vec<Commitment>,
    /// The event.
    pub body: Body,
    /// The serialised `Entry` as received. These bytes are the leaf, and the id is their hash.
    pub bytes: Bytes,
    /// The author's signature. `None` if the entry came without one that could verify, or is not signed yet.
    pub envelope: Option<Envelope>,
}

/// A charter as an entry names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct CharterName {
    /// The version.
    pub version: u64,
    /// The first 8 bytes, big-endian, of the SHA-256 of the charter's text.
    pub hash: u64,
}

/// The reason why bytes do not parse as an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes are refused, by every node.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The entry is of a later version than this program knows. A later program can read it.
    #[error("entry of version {0}, this program knows {VERSION}")]
    LaterVersion(u32),
}

/// A position in an author's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Epoch of the ledger.
    pub epoch: Epoch,
    /// Leaf index in that epoch.
    pub index: LedgerIndex,
}

/// The class of a content: it says which agencies may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum ContentClass {
    /// Participants may have it. Relays may carry it.
    Public,
    /// Participants may have it. It goes over a direct link only.
    Confidential,
    /// The intake agency has it, and each agency that it is disclosed to.
    Identity,
}

impl ContentClass {
    /// The wire representation.
    pub fn to_wire(self) -> wire::ContentClass {
        match self {
            Self::Public => wire::ContentClass::Public,
            Self::Confidential => wire::ContentClass::Confidential,
            Self::Identity => wire::ContentClass::Identity,
        }
    }

    /// The class with this wire number. `None` for an unspecified class. An unknown number is taken as [`Self::Identity`], the most
    /// restrictive class.
    pub fn from_wire(number: i32) -> Option<Self> {
        match wire::ContentClass::try_from(number) {
            Ok(wire::ContentClass::Unspecified) => None,
            Ok(wire::ContentClass::Public) => Some(Self::Public),
            Ok(wire::ContentClass::Confidential) => Some(Self::Confidential),
            Ok(wire::ContentClass::Identity) | Err(_) => Some(Self::Identity),
        }
    }
}

/// The commitment of an entry to one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// SHA-256(`"sinergi/content/v1\0" || salt || bytes`).
    pub hash: [u8; 32],
    /// Length of the content in bytes, without the salt.
    pub length: u32,
    /// The class of the content.
    pub class: ContentClass,
}

impl Entry {
    /// Parses the bytes of a `SignedEntry` made for `federation`. Checks all rules that need nothing but the entry's bytes.
    ///
    /// # Errors
    /// The refusal with which any node of the federation answers these bytes, or a later version.
    pub fn parse(signed: Bytes, federation: &str) -> Result<Self, ParseError> {
        let (bytes, envelope) = open(signed)?;
        if bytes.is_empty() {
            return Err(Refusal::new(RefusalCode::Undecodable, "signed entry without an entry").into());
        }
        Self::parse_bare(bytes, envelope, federation)
    }

    /// Parses the bytes of an `Entry`, which is a leaf, with its envelope.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_bare(bytes: Bytes, envelope: Option<Envelope>, federation: &str) -> Result<Self, ParseError> {
        let message = wire::Entry::decode(bytes.clone());
        // A later version may have other types of fields, and larger entries.
        let version = match &message {
            Ok(message) => message.version,
            Err(_) => FixedFields::of(&bytes).map(|fixed| fixed.version).unwrap_or_default(),
        };
        if version > VERSION {
            return Err(ParseError::LaterVersion(version));
        }
        check_size(&bytes)?;
        let message = message.map_err(|error| Refusal::new(RefusalCode::Undecodable, format!("entry: {error}")))?;
        Ok(Self::from_message(message, federation, bytes, envelope)?)
    }

    /// The bytes of the `SignedEntry`.
    pub fn signed(&self) -> Bytes {
        signed_bytes(self.bytes.clone(), self.envelope.as_ref())
    }

    /// Whether the signature verifies under this key.
    pub fn verify(&self, key: &PublicKey) -> bool {
        let envelope = self.envelope.as_ref();
        envelope.is_some_and(|envelope| key.verifies(&envelope.batch_of(&self.id).message(), envelope.signature()))
    }

    fn from_message(
        message: wire::Entry,
        federation: &str,
        bytes: Bytes,
        envelope: Option<Envelope>,
    ) -> Result<Self, Refusal> {
        if message.version != VERSION {
            return Err(Refusal::new(
                RefusalCode::UnsupportedVersion,
                format!("entry version {}, the lowest is {VERSION}", message.version),
            ));
        }
        if message.federation != federation {
            return Err(Refusal::new(
                RefusalCode::OtherFederation,
                format!("made for federation {:?}, this is {federation:?}", clip(&message.federation)),
            ));
        }
        let author: AgencyId = message.author.parse().map_err(|error| malformed(format!("author: {error}")))?;
        let clock = HybridClock::from_bits(message.clock);
        let place =
            message.place.filter(|place| place.epoch > 0).ok_or_else(|| malformed("no place, or one in epoch 0"))?;
        if message.charter_version == 0 {
            return Err(malformed("names no charter version"));
        }
        let parents = parse_parents(&message.parents)?;
        let commitments = parse_commitments(&message.content)?;
        let body = Body::parse(message.body)?;
        let id = EntryId::of(&bytes);
        let complaint = complaint_of(&body, &message.complaint, &parents, clock, &id)?;
        Ok(Self {
            id,
            author,
            key_id: message.key_id,
            charter: CharterName { version: message.charter_version, hash: message.charter_hash },
            place: Place { epoch: Epoch(place.epoch), index: LedgerIndex(place.index) },
            complaint,
            parents,
            clock,
            commitments,
            body,
            bytes,
            envelope,
        })
    }
}

/// Opens a `SignedEntry`: the bytes of the entry, and its envelope if that could verify.
///
/// # Errors
/// When the bytes hold no entry.
pub fn open(signed: Bytes) -> Result<(Bytes, Option<Envelope>), Refusal> {
    let undecodable = |detail: String| Refusal::new(RefusalCode::Undecodable, detail);
    let wire::SignedEntry { entry, envelope } =
        wire::SignedEntry::decode(signed).map_err(|error| undecodable(format!("signed entry: {error}")))?;
    Ok((entry, envelope.as_ref().and_then(Envelope::parse)))
}

/// The id of the entry in a `SignedEntry`, whatever its bytes say. `None` if the bytes hold no entry.
pub fn id_in(signed: &[u8]) -> Option<EntryId> {
    let (entry, _) = open(Bytes::copy_from_slice(signed)).ok()?;
    Some(EntryId::of(&entry))
}

/// The bytes of the `SignedEntry` with this entry and envelope.
pub fn signed_bytes(entry: Bytes, envelope: Option<&Envelope>) -> Bytes {
    wire::SignedEntry { entry, envelope: envelope.map(Envelope::to_wire) }.encode_to_vec().into()
}

/// The author that the entry in a `SignedEntry` names, also if the entry is of a later version. `None` if it names none.
pub fn author_in(signed: Bytes) -> Option<AgencyId> {
    let (entry, _) = open(signed).ok()?;
    FixedFields::of(&entry)?.author.parse().ok()
}

/// The fields of an entry that have the same numbers and types in every version.
#[derive(Clone, PartialEq, prost::Message)]
struct FixedFields {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "3")]
    author: String,
}

impl FixedFields {
    fn of(entry: &Bytes) -> Option<Self> {
        Self::decode(entry.clone()).ok()
    }
}

fn check_size(entry: &Bytes) -> Result<(), Refusal> {
    if entry.len() > limits::ENTRY_BYTES {
        let detail = format!("entry of {} bytes, at most {}", entry.len(), limits::ENTRY_BYTES);
        return Err(Refusal::new(RefusalCode::TooLarge, detail));
    }
    Ok(())
}

/// The complaint that an entry belongs to. Checks that the named complaint and the parents fit the body.
fn complaint_of(
    body: &Body,
    named: &[u8],
    parents: &[EntryId],
    clock: HybridClock,
    id: &EntryId,
) -> Result<Option<ComplaintId>, Refusal> {
    match body {
        Body::Lodged(_) => {
            if !named.is_empty() || !parents.is_empty() {
                return Err(malformed("Lodged names a complaint or parents; it alone has neither"));
            }
            Ok(Some(ComplaintId::of_lodged(clock, id)))
        }
        Body::Node(_) => {
            if !named.is_empty() {
                return Err(malformed("a node entry names a complaint; it is of none"));
            }
            Ok(None)
        }
        // A body of a later version belongs to a complaint exactly if the entry names one.
        Body::Unknown if named.is_empty() => Ok(None),
        Body::Custody { .. } | Body::Case { .. } | Body::Proven(_) | Body::Unknown => {
            let complaint = ComplaintId::from_slice(named)
                .ok_or_else(|| malformed(format!("complaint id of {} bytes, must be 32", named.len())))?;
            if parents.is_empty() {
                return Err(Refusal::new(RefusalCode::NoParents, "only Lodged has no parents"));
            }
            Ok(Some(complaint))
        }
    }
}

fn parse_parents(parents: &[Vec<u8>]) -> Result<Vec<EntryId>, Refusal> {
    if parents.len() > limits::PARENTS {
        return Err(Refusal::new(
            RefusalCode::TooLarge,
            format!("{} parents, at most {}", parents.len(), limits::PARENTS),
        ));
    }
    parents.iter().map(|id| parse_entry_id("parent", id)).collect()
}

fn parse_commitments(commitments: &[wire::ContentCommitment]) -> Result<Vec<Commitment>, Refusal> {
    if commitments.len() > limits::COMMITMENTS {
        return Err(Refusal::new(
            RefusalCode::TooLarge,
            format!("{} content commitments, at most {}", commitments.len(), limits::COMMITMENTS),
        ));
    }
    commitments
        .iter()
        .map(|commitment| {
            let hash = <[u8; 32]>::try_from(commitment.hash.as_slice())
                .map_err(|_| malformed(format!("content hash of {} bytes, must be 32", commitment.hash.len())))?;
            if commitment.length as usize > limits::CONTENT_BYTES {
                return Err(Refusal::new(
                    RefusalCode::TooLarge,
                    format!("content of {} bytes, at most {}", commitment.length, limits::CONTENT_BYTES),
                ));
            }
            let class =
                ContentClass::from_wire(commitment.class).ok_or_else(|| malformed("content without a class"))?;
            Ok(Commitment { hash, length: commitment.length, class })
        })
        .collect()
}

pub(crate) fn parse_entry_id(field: &str, bytes: &[u8]) -> Result<EntryId, Refusal> {
    EntryId::from_slice(bytes).ok_or_else(|| malformed(format!("{field} of {} bytes, must be 32", bytes.len())))
}

pub(crate) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::Malformed, detail)
}

pub(crate) fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
