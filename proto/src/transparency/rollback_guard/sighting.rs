//! What was seen of a node's ledger, by peers or by the node's own derived files, and how it compares with the ledger that is here.
//!
//! Invariant: what a peer shows counts only under this node's own signature.

use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Extent, Standing};
use crate::admission::signing_key;
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::entry::Entry;
use crate::tlog::checkpoint::Checkpoint;

/// Something that shows how far this node's ledger once reached. Serialised, it is a row of the file in which a node stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// The peer that showed it; `None`: this node's own files do.
    pub by: Option<AgencyId>,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// What.
    pub proof: Proof,
}

/// What shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A checkpoint that this node signed: the note.
    Checkpoint(String),
    /// An entry that this node signed, with its place: base64 of the `SignedEntry`.
    Entry(String),
    /// The store had been brought up to this end of a ledger.
    Applied {
        /// Epoch of the ledger that is here.
        epoch: u32,
        /// The end, as [`OwnTree::end`] counts.
        end: u64,
    },
    /// The tree had this many leaves.
    Tree {
        /// Epoch of the ledger that is here.
        epoch: u32,
        /// Leaves.
        size: u64,
    },
}

/// How this node's signatures are known.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// This agency.
    pub agency: &'a AgencyId,
    /// The charters, which hold its keys.
    pub charters: &'a Charters,
}

/// The ledger that is here.
pub trait OwnTree {
    /// Why it cannot be read.
    type Error;

    /// How far it reaches.
    fn extent(&self) -> Extent;

    /// The end of its records, as a number that grows whenever a record is appended in this epoch.
    fn end(&self) -> u64;

    /// The root over its first `size` leaves; there are so many.
    ///
    /// # Errors
    /// When it cannot be read.
    fn root_at(&self, size: u64) -> Result<[u8; 32], Self::Error>;

    /// The entry that is this leaf; there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn entry_at(&self, leaf: LedgerIndex) -> Result<EntryId, Self::Error>;
}

/// What a proof shows by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How far the ledger reached.
    pub extent: Extent,
    /// When that was signed, if a checkpoint says so.
    pub signed_at: Option<Timestamp>,
    content: Content,
}

/// What the ledger must hold within that extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Root([u8; 32]),
    Last(EntryId),
    End(u64),
    Nothing,
}

/// A proof that was compared with the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// How far the ledger reached when it was signed, as far as it shows.
    pub shown: Extent,
    /// How that compares with the ledger.
    pub standing: Standing,
    /// Of a checkpoint its time.
    pub signed_at: Option<Timestamp>,
}

impl Proof {
    /// What the node's own derived files show of a ledger that was longer than the one that is here: they are written after it. `applied`: the end of
    /// the ledger that the store was brought up to, as [`OwnTree::end`] counts; `lost_leaves`: leaves that the tree has beyond the ledger.
    pub fn by_own_files(ours: Extent, end: u64, applied: Option<u64>, lost_leaves: u64) -> Vec<Self> {
        let epoch = ours.epoch.0;
        let applied = applied.filter(|applied| *applied > end).map(|end| Self::Applied { epoch, end });
        let tree = (lost_leaves > 0).then(|| Self::Tree { epoch, size: ours.size + lost_leaves });
        applied.into_iter().chain(tree).collect()
    }

    /// What it shows; `None`: it does not bear this node's signature.
    pub fn shown(&self, signer: Signer<'_>) -> Option<Shown> {
        match self {
            Self::Checkpoint(note) => Shown::by_checkpoint(note.as_bytes(), signer),
            Self::Entry(signed) => Shown::by_entry(signed, signer),
            Self::Applied { epoch, end } => Some(Shown::by_own_file(*epoch, 0, Content::End(*end))),
            Self::Tree { epoch, size } => Some(Shown::by_own_file(*epoch, *size, Content::Nothing)),
        }
    }
}

impl Shown {
    /// What a checkpoint note shows; `None`: this node did not sign it.
    pub fn by_checkpoint(note: &[u8], signer: Signer<'_>) -> Option<Self> {
        // A key that has been replaced since signed what it signed.
        let keys = signer.charters.checkpoint_keys(signer.agency)?;
        let seen = Checkpoint::open(note, &signer.charters.newest().federation, signer.agency, &keys).ok()?;
        let seconds = seen.seconds.and_then(|seconds| i64::try_from(seconds).ok());
        let signed_at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let extent = Extent { epoch: seen.epoch, size: seen.size };
        Some(Self { extent, signed_at, content: Content::Root(seen.root) })
    }

    fn by_entry(signed: &str, signer: Signer<'_>) -> Option<Self> {
        let bytes = BASE64.decode(signed.as_bytes()).ok()?;
        let entry = Entry::parse(Bytes::from(bytes), &signer.charters.newest().federation).ok()?;
        if entry.author != *signer.agency || !signer.has_signed(&entry) {
            return None;
        }
        let extent = Extent { epoch: entry.place.epoch, size: entry.place.index.0.saturating_add(1) };
        Some(Self { extent, signed_at: None, content: Content::Last(entry.id) })
    }

    fn by_own_file(epoch: u32, size: u64, content: Content) -> Self {
        Self { extent: Extent { epoch: Epoch(epoch), size }, signed_at: None, content }
    }
}

impl Signer<'_> {
    /// By the key of the charter that the entry names; a ledger that was set back may lack that charter.
    fn has_signed(self, entry: &Entry) -> bool {
        let newest = || self.charters.newest().entry_key(self.agency, entry.key_id);
        let key = signing_key(entry, self.charters).ok().or_else(newest);
        key.is_some_and(|key| entry.verify(&key.public))
    }
}

impl Compared {
    /// Compares a proof with the ledger; `None`: it does not bear this node's signature.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of<T: OwnTree>(proof: &Proof, signer: Signer<'_>, tree: &T) -> Result<Option<Self>, T::Error> {
        let Some(Shown { extent, signed_at, content }) = proof.shown(signer) else { return Ok(None) };
        let standing = match content {
            // Positions tell what is longer, not sizes.
            Content::End(end) if extent.epoch == tree.extent().epoch && tree.end() < end => Standing::Longer,
            content => Standing::of(tree.extent(), extent, || content.is_in(tree, extent.size))?,
        };
        Ok(Some(Self { shown: extent, standing, signed_at }))
    }
}

impl Content {
    fn is_in<T: OwnTree>(self, tree: &T, size: u64) -> Result<bool, T::Error> {
        match self {
            Self::Root(root) => Ok(tree.root_at(size)? == root),
            Self::Last(entry) => Ok(tree.entry_at(LedgerIndex(size.saturating_sub(1)))? == entry),
            Self::End(_) | Self::Nothing => Ok(true),
        }
    }
}

impl Sighting {
    /// The finding in one line, without what to do. `ours`: how far the ledger reaches that is here.
    pub fn describe(&self, compared: &Compared, ours: Extent) -> String {
        let Compared { shown, standing, signed_at } = compared;
        let here = format!("this ledger has {} leaves in epoch {}", ours.size, ours.epoch);
        let by = self.by.as_ref().map_or("this node", AgencyId::as_str);
        let what = match &self.proof {
            Proof::Checkpoint(_) => {
                let time = signed_at.map_or_else(String::new, |time| format!(", signed {time:.0}"));
                format!("{by} holds our checkpoint of {} leaves in epoch {}{time}", shown.size, shown.epoch)
            }
            Proof::Entry(_) => {
                let index = shown.size.saturating_sub(1);
                format!("{by} holds our entry at leaf {index} of epoch {}", shown.epoch)
            }
            Proof::Applied { .. } => "the store was made of a ledger that was longer".to_owned(),
            Proof::Tree { size, .. } => format!("the tree had {size} leaves"),
        };
        match standing {
            Standing::Other => format!("{what}, and {here}, but others"),
            _ => format!("{what}, and {here}"),
        }
    }
}
