//! Signed entries: parsing received bytes into domain types, and signing new entries.
//!
//! Must not know other entries or the charter. [`crate::admission`] judges an entry by those.
//!
//! Invariants:
//! - the received bytes are the entry; they are kept beside the parsed form and are never encoded again;
//! - every field of a parsed [`Entry`] is within its limits;
//! - a body that this version does not know parses as [`Body::Unknown`]: such an entry is kept and relayed, and has no effect.

mod body;
pub mod content;
mod sign;

pub use body::{Body, CaseAct, CustodyAct, Lodged};
pub use sign::{EntryDraft, Signed};

use bytes::Bytes;
use prost::Message;

use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::base::refusal::{Refusal, RefusalCode};
use crate::wire;

/// The entry version that this code writes and reads.
pub const VERSION: u32 = 1;

/// A parsed entry with the bytes that it was parsed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The entry's id, made of `bytes`.
    pub id: EntryId,
    /// The agency that signed it.
    pub author: AgencyId,
    /// The author's entry key that signed it.
    pub key_id: u32,
    /// The charter version by which every node judges it.
    pub charter_version: u64,
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
    /// The `SignedEntry` as received. These bytes are the leaf.
    pub signed: Bytes,
    /// The `Entry` inside `signed`. The signature and the id are over these bytes.
    pub bytes: Bytes,
    /// The author's Ed25519 signature.
    pub signature: [u8; 64],
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
    /// Parses the bytes of a `SignedEntry` made for `federation`. Checks all rules that need nothing but the bytes.
    ///
    /// # Errors
    /// The refusal with which any node of the federation answers these bytes.
    pub fn parse(signed: Bytes, federation: &str) -> Result<Self, Refusal> {
        check_envelope(&signed)?;
        let (bytes, signature) = sign::open_envelope(&signed)?;
        check_sizes(&signed, &bytes)?;
        let message = wire::Entry::decode(bytes.clone())
            .map_err(|error| Refusal::new(RefusalCode::Undecodable, format!("entry: {error}")))?;
        let id = EntryId::of(&bytes);
        Self::from_message(message, federation, id, signed, bytes, signature)
    }

    fn from_message(
        message: wire::Entry,
        federation: &str,
        id: EntryId,
        signed: Bytes,
        bytes: Bytes,
        signature: [u8; 64],
    ) -> Result<Self, Refusal> {
        if message.version != VERSION {
            return Err(Refusal::new(
                RefusalCode::UnsupportedVersion,
                format!("entry version {}, this node knows {VERSION}", message.version),
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
        let complaint = complaint_of(&body, &message.complaint, &parents, clock, &id)?;
        Ok(Self {
            id,
            author,
            key_id: message.key_id,
            charter_version: message.charter_version,
            place: Place { epoch: Epoch(place.epoch), index: LedgerIndex(place.index) },
            complaint,
            parents,
            clock,
            commitments,
            body,
            signed,
            bytes,
            signature,
        })
    }
}

fn check_envelope(signed: &Bytes) -> Result<(), Refusal> {
    let limit = limits::ENTRY_BYTES + 128;
    if signed.len() > limit {
        let detail = format!("signed entry of {} bytes, at most {limit}", signed.len());
        return Err(Refusal::new(RefusalCode::TooLarge, detail));
    }
    Ok(())
}

/// Checks the sizes of an entry and of the envelope around it.
fn check_sizes(signed: &Bytes, entry: &Bytes) -> Result<(), Refusal> {
    check_envelope(signed)?;
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
        Body::Custody { .. } | Body::Case { .. } | Body::Unknown => {
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
