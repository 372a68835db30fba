//! Decodes and authenticates the items of a received frame.
//!
//! Must not know complaints. An authentic item is not admitted yet.
//!
//! Invariant: each item gives one result, in order, whatever its bytes.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::admission::{Verdict, VerifiedBatches, authenticate};
use crate::base::ids::EntryId;
use crate::base::limits;
use crate::base::refusal::{DeferralCode, Refusal};
use crate::charter::Charters;
use crate::entry::{self, Entry, ParseError};
use crate::wire;

/// The result for one received item.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The item holds no entry of this federation, or its author or key is unknown.
    Refused {
        /// The id of the entry, or another hash of the bytes if they hold no entry.
        entry: EntryId,
        /// The refusal.
        refusal: Refusal,
        /// The bytes of the received `SignedEntry`.
        bytes: Bytes,
    },
    /// The entry cannot be authenticated yet: it names a charter that is not here, is of a later version, or has no envelope that verifies.
    Deferred {
        /// The id of the entry.
        entry: EntryId,
        /// The thing that is missing.
        code: DeferralCode,
        /// The same for people.
        detail: String,
        /// The received item.
        item: wire::Item,
    },
    /// The entry is authentic.
    Authentic(Box<Authentic>),
}

/// An authentic entry with the contents that came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Authentic {
    /// The parsed entry.
    pub entry: Entry,
    /// The received item: the entry's bytes and the contents.
    pub item: wire::Item,
}

/// Decodes and authenticates the items of one frame. Result `i` is for item `i`.
pub fn receive_items(
    items: Vec<wire::Item>,
    federation: &str,
    charters: &Charters,
    known: &VerifiedBatches,
    rng: impl rand::CryptoRng,
) -> Vec<Received> {
    let mut parsed: Vec<(Option<Entry>, Result<wire::Item, Received>)> = Vec::with_capacity(items.len());
    for mut item in items {
        cut_contents(&mut item);
        match Entry::parse(item.signed_entry.clone(), federation) {
            Ok(entry) => parsed.push((Some(entry), Ok(item))),
            Err(error) => parsed.push((None, Err(not_parsed(error, item)))),
        }
    }
    let entries: Vec<Entry> = parsed.iter_mut().filter_map(|(entry, _)| entry.take()).collect();
    let verdicts = authenticate(&entries, charters, known, rng);
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

fn not_parsed(error: ParseError, item: wire::Item) -> Received {
    let entry = id_of(&item.signed_entry);
    match error {
        ParseError::Refused(refusal) => Received::Refused { entry, refusal, bytes: item.signed_entry },
        ParseError::LaterVersion(_) => {
            Received::Deferred { entry, code: DeferralCode::LaterVersion, detail: error.to_string(), item }
        }
    }
}

/// Empties contents that are over a limit, so that they fit no commitment and are refused alone. They say nothing about the entry: whoever passes it on
/// chooses them.
fn cut_contents(item: &mut wire::Item) {
    item.content.truncate(limits::COMMITMENTS);
    for content in &mut item.content {
        if content.data.len() > limits::CONTENT_BYTES || content.salt.len() > 32 {
            (content.data, content.salt) = (Bytes::new(), Vec::new());
        }
    }
}

fn judged(entry: Entry, verdict: Verdict, item: wire::Item) -> Received {
    match verdict {
        Verdict::Admit => Received::Authentic(Box::new(Authentic { entry, item })),
        Verdict::Refuse(refusal) => Received::Refused { entry: entry.id, refusal, bytes: item.signed_entry },
        Verdict::Defer { code, detail } => Received::Deferred { entry: entry.id, code, detail, item },
    }
}

/// The domain of the names of bytes that hold no entry.
const NO_ENTRY: &[u8] = b"sinergi/no-entry/v2\0";

/// The id by which a receipt names a refused item. It is the id of the entry, which the sender computes from the same bytes. Bytes that hold no entry are
/// named by a hash of their own domain, so that nobody can get a refusal that names an entry for bytes that are not that entry.
fn id_of(signed: &Bytes) -> EntryId {
    match entry::open(signed.clone()) {
        Ok((entry, _)) if !entry.is_empty() => EntryId::of(&entry),
        _ => EntryId(Sha256::new().chain_update(NO_ENTRY).chain_update(signed).finalize().into()),
    }
}
