//! Sightings: proofs of how far a node's ledger once reached, by peers or by the node's own derived files, and their comparison with the ledger
//! that is here.
//!
//! Must not know the state of the guard.
//!
//! Invariant: a peer's proof counts only under this node's own signature.

use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Extent, Relation};
use crate::admission::signing_key;
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::Charters;
use crate::entry::Entry;

/// A proof of how far this node's ledger once reached. Serialised, it is a row of the file in which a node stores sightings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// The peer that showed it. `None` if this node's own files show it.
    pub by: Option<AgencyId>,
    /// Time of the sighting, in milliseconds since 1970.
    pub at: u64,
    /// The proof.
    pub proof: Proof,
}

/// The proof in a sighting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A checkpoint that this node signed, as a note.
    Checkpoint(String),
    /// An entry that this node signed, with its place, as base64 of the `SignedEntry`.
    Entry(String),
    /// The store was derived from a ledger up to this end.
    Applied {
        /// Epoch of the ledger that is here.
        epoch: u32,
        /// The end, as [`OwnTree::end`] counts.
        end: u64,
    },
    /// The mark outside the data folder says that the ledger had so many leaves.
    Mark {
        /// Epoch of the ledger.
        epoch: u32,
        /// Number of leaves.
        size: u64,
    },
    /// The stored tree has so many leaves.
    Tree {
        /// Epoch of the ledger that is here.
        epoch: u32,
        /// Number of leaves.
        size: u64,
    },
}

/// The facts by which this node recognises its own signatures.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// This node's agency.
    pub agency: &'a AgencyId,
    /// The charters, which list its keys.
    pub charters: &'a Charters,
}

/// The ledger that is here.
pub trait OwnTree {
    /// The error of a ledger that cannot be read.
    type Error;

    /// The extent of the ledger.
    fn extent(&self) -> Extent;

    /// The end of the ledger's records, as a number that grows with every record that is appended in this epoch.
    fn end(&self) -> u64;

    /// The root over the first `size` leaves. The caller asks only for sizes within the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn root_at(&self, size: u64) -> Result<[u8; 32], Self::Error>;

    /// The id of the entry of a leaf. The caller asks only for leaves within the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn entry_at(&self, leaf: LedgerIndex) -> Result<EntryId, Self::Error>;
}

/// The ledger that a proof shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownLedger {
    /// The extent of the ledger at that time.
    pub extent: Extent,
    /// Time of the checkpoint. `None` if the proof is no checkpoint, or one without a time.
    pub signed_at: Option<Timestamp>,
    content: Content,
}

/// The content that the ledger must have within that extent.
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
    /// The extent of the shown ledger.
    pub shown: Extent,
    /// The relation of the shown ledger to the one here.
    pub relation: Relation,
    /// Time of the checkpoint. `None` if the proof is no checkpoint, or one without a time.
    pub signed_at: Option<Timestamp>,
}

impl Proof {
    /// The proofs in the node's own derived files that the ledger was longer. These files are written after the ledger, so they are never ahead of
    /// it otherwise.
    ///
    /// `applied` is the end of the ledger up to which the store was derived, as [`OwnTree::end`] counts. `lost_leaves` is the number of leaves that
    /// the tree has beyond the ledger.
    pub fn by_own_files(ours: Extent, end: u64, applied: Option<u64>, lost_leaves: u64) -> Vec<Self> {
        let epoch = ours.epoch.0;
        let applied = applied.filter(|applied| *applied > end).map(|end| Self::Applied { epoch, end });
        let tree = (lost_leaves > 0).then(|| Self::Tree { epoch, size: ours.size + lost_leaves });
        applied.into_iter().chain(tree).collect()
    }

    /// The proof in the mark, which is kept outside the data folder. Only a newer one contradicts the ledger.
    pub fn by_mark(mark: Extent) -> Self {
        Self::Mark { epoch: mark.epoch.0, size: mark.size }
    }

    /// The ledger that the proof shows. `None` if it does not bear this node's signature.
    pub fn shown(&self, signer: Signer<'_>) -> Option<ShownLedger> {
        match self {
            Self::Checkpoint(note) => ShownLedger::by_checkpoint(note.as_bytes(), signer),
            Self::Entry(signed) => ShownLedger::by_entry(signed, signer),
            Self::Applied { epoch, end } => Some(ShownLedger::by_own_file(*epoch, 0, Content::End(*end))),
            Self::Mark { epoch, size } | Self::Tree { epoch, size } => {
                Some(ShownLedger::by_own_file(*epoch, *size, Content::Nothing))
            }
        }
    }
}

impl ShownLedger {
    /// The ledger that a checkpoint note shows. `None` if this node did not sign it.
    pub fn by_checkpoint(note: &[u8], signer: Signer<'_>) -> Option<Self> {
        // A signature under a replaced key still counts. One under a revoked key proves nothing, because a thief may have made it.
        let seen = signer.charters.open_checkpoint(note, signer.agency).ok()?;
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
    /// Whether this node signed an entry under a key that is not revoked, by the charter that the entry names. A ledger that was set back may lack that charter; then the newest
    /// one decides.
    fn has_signed(self, entry: &Entry) -> bool {
        let newest = || self.charters.newest().entry_key(self.agency, entry.key_id);
        let key = signing_key(entry, self.charters).ok().or_else(newest);
        let is_disputed = self.charters.disputes_entry(self.agency, entry.key_id, &entry.id);
        !is_disputed && key.is_some_and(|key| entry.verify(&key.public))
    }
}

impl Compared {
    /// Compares a proof with the ledger here. `None` if it does not bear this node's signature, or shows an epoch so late that no honest node has begun
    /// it. With a stolen key anybody could show such an epoch, and no later one could be begun.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of<T: OwnTree>(proof: &Proof, signer: Signer<'_>, tree: &T) -> Result<Option<Self>, T::Error> {
        let Some(ShownLedger { extent, signed_at, content }) = proof.shown(signer) else { return Ok(None) };
        let ours = tree.extent();
        let is_signed = matches!(proof, Proof::Checkpoint(_) | Proof::Entry(_));
        // A ledger without leaves says nothing of its epoch.
        if is_signed && ours.size > 0 && extent.epoch.0 > ours.epoch.latest_to_believe() {
            return Ok(None);
        }
        let relation = match content {
            // This proof has no size in leaves, so the ends are compared.
            Content::End(end) if extent.epoch == ours.epoch && tree.end() < end => Relation::Longer,
            content => Relation::of(ours, extent, || content.is_in(tree, extent.size))?,
        };
        Ok(Some(Self { shown: extent, relation, signed_at }))
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
    /// The extent that the mark outside the data folder shows, if this is a sighting of it.
    pub fn marked(&self) -> Option<Extent> {
        match self.proof {
            Proof::Mark { epoch, size } => Some(Extent { epoch: Epoch(epoch), size }),
            _ => None,
        }
    }

    /// The conflicts between the ledger here and what `peer` shows of it at time `at`, in milliseconds since 1970. `checkpoint` is a note, and
    /// `entry` the bytes of a `SignedEntry`; either may be empty. Each conflict means that the ledger was set back or lost.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn conflicts_shown_by<T: OwnTree>(
        peer: &AgencyId,
        at: u64,
        checkpoint: Vec<u8>,
        entry: &[u8],
        signer: Signer<'_>,
        tree: &T,
    ) -> Result<Vec<(Self, Compared)>, T::Error> {
        let note = String::from_utf8(checkpoint).ok().filter(|note| note.len() <= limits::CHECKPOINT_BYTES);
        let mut conflicts = Vec::new();
        for proof in note.map(Proof::Checkpoint).into_iter().chain([Proof::Entry(BASE64.encode(entry))]) {
            if let Some(compared) =
                Compared::of(&proof, signer, tree)?.filter(|compared| compared.relation.is_conflict())
            {
                conflicts.push((Self { by: Some(peer.clone()), at, proof }, compared));
            }
        }
        Ok(conflicts)
    }

    /// The sighting in one line, without advice. `ours` is the extent of the ledger here.
    pub fn describe(&self, compared: &Compared, ours: Extent) -> String {
        let Compared { shown, relation, signed_at } = compared;
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
            Proof::Mark { epoch, size } => format!("the mark beside the keys says {size} leaves in epoch {epoch}"),
            Proof::Tree { size, .. } => format!("the tree had {size} leaves"),
        };
        match relation {
            Relation::Other => format!("{what}, and {here}, but others"),
            _ => format!("{what}, and {here}"),
        }
    }
}
