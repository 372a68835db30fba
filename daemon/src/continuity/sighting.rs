//! What was seen of this node's ledger: by peers, or by this node's own derived files; and how it stands to the ledger that is here.
//!
//! Invariants: what a peer shows counts only under this node's own signature; what contradicts the ledger is kept in a file, so that a restart
//! does not forget it and `sinergi recover` knows of it.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sinergi_config::Federation;
use sinergi_proto::admission::signing_key;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::continuity::{Extent, Standing};
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::{AgencyId, EntryId, Epoch, LedgerIndex};

use crate::case::{CaseError, Leaf};
use crate::directory::Directory;
use crate::durable;
use crate::ledger::LedgerReader;

/// What is wrong with the file of the sightings.
#[derive(Debug, thiserror::Error)]
pub enum SightingsError {
    /// The system refused something.
    #[error(
        "cannot {action} {}, which says what peers saw of this node's ledger: {source}; mend what the system says (space, rights, the \
         disk), then try again",
        path.display()
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what this program writes.
    #[error(
        "{}, which says what peers saw of this node's ledger, is damaged: {source}; put it back from a backup, or, while all its peers can \
         be reached, move it away and start the node: they show it again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Something that shows how far this node's ledger once reached.
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
        /// The end, as one number.
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

/// A sighting that was compared with the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// How far the ledger reached when it was signed, as far as it shows.
    pub shown: Extent,
    /// How that stands to the ledger.
    pub standing: Standing,
    /// Of a checkpoint its time.
    pub signed_at: Option<Timestamp>,
}

/// How this agency's signatures are known.
#[derive(Clone)]
pub struct OwnKeys {
    /// This agency.
    pub agency: AgencyId,
    /// Its federation.
    pub federation: Federation,
    /// The charters, which hold its keys.
    pub directory: Directory,
}

/// The ledger that is here, and whose it is.
#[derive(Clone)]
pub struct OwnLedger {
    /// Whose.
    pub keys: OwnKeys,
    /// The ledger.
    pub reader: LedgerReader,
}

/// What a proof shows, by itself.
pub struct Shown {
    /// How far the ledger reached.
    pub extent: Extent,
    signed_at: Option<Timestamp>,
    content: Content,
}

/// What the ledger must hold within that extent.
enum Content {
    Root([u8; 32]),
    Last(EntryId),
    End(u64),
    Nothing,
}

impl OwnKeys {
    /// What a proof shows; `None`: it does not bear this agency's signature.
    pub fn read(&self, proof: &Proof) -> Option<Shown> {
        match proof {
            Proof::Checkpoint(note) => self.read_checkpoint(note.as_bytes()),
            Proof::Entry(signed) => self.read_entry(signed),
            Proof::Applied { epoch, end } => {
                let extent = Extent { epoch: Epoch(*epoch), size: 0 };
                Some(Shown { extent, signed_at: None, content: Content::End(*end) })
            }
            Proof::Tree { epoch, size } => {
                let extent = Extent { epoch: Epoch(*epoch), size: *size };
                Some(Shown { extent, signed_at: None, content: Content::Nothing })
            }
        }
    }

    /// What a checkpoint of this agency shows.
    pub fn read_checkpoint(&self, note: &[u8]) -> Option<Shown> {
        let keys = self.directory.newest().checkpoint_keys(&self.agency)?;
        let seen = Checkpoint::open(note, self.federation.as_str(), &self.agency, &keys).ok()?;
        let seconds = seen.seconds.and_then(|seconds| i64::try_from(seconds).ok());
        let signed_at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let extent = Extent { epoch: seen.epoch, size: seen.size };
        Some(Shown { extent, signed_at, content: Content::Root(seen.root) })
    }

    fn read_entry(&self, signed: &str) -> Option<Shown> {
        let bytes = BASE64.decode(signed.as_bytes()).ok()?;
        let entry = Entry::parse(Bytes::from(bytes), self.federation.as_str()).ok()?;
        if entry.author != self.agency || !self.has_signed(&entry) {
            return None;
        }
        let extent = Extent { epoch: entry.place.epoch, size: entry.place.index.0.saturating_add(1) };
        Some(Shown { extent, signed_at: None, content: Content::Last(entry.id) })
    }

    /// By the key of the charter that the entry names; a ledger that was set back may lack that charter.
    fn has_signed(&self, entry: &Entry) -> bool {
        let charters = self.directory.charters();
        let newest = || charters.newest().entry_key(&self.agency, entry.key_id);
        let key = signing_key(entry, &charters).ok().or_else(newest);
        key.is_some_and(|key| entry.verify(&key.public))
    }
}

impl OwnLedger {
    /// How far it reaches.
    pub fn extent(&self) -> Extent {
        Extent { epoch: self.reader.epoch(), size: self.reader.size() }
    }

    /// How a sighting stands to it; `None`: it does not bear this agency's signature. Blocks.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn compare(&self, proof: &Proof) -> Result<Option<Compared>, CaseError> {
        let Some(Shown { extent, signed_at, content }) = self.keys.read(proof) else { return Ok(None) };
        let standing = match content {
            // Positions tell what is longer, not sizes.
            Content::End(end) if extent.epoch == self.reader.epoch() && self.reader.end().to_bits() < end => {
                Standing::Longer
            }
            content => Standing::of(self.extent(), extent, || self.holds(extent, &content))?,
        };
        Ok(Some(Compared { shown: extent, standing, signed_at }))
    }

    fn holds(&self, extent: Extent, content: &Content) -> Result<bool, CaseError> {
        match content {
            Content::Root(root) => Ok(self.reader.root_at(extent.size)?.0 == *root),
            Content::Last(entry) => {
                let record = self.reader.leaf(LedgerIndex(extent.size.saturating_sub(1)))?;
                Ok(Leaf::parse(record, self.keys.federation.as_str())?.entry.id == *entry)
            }
            Content::End(_) | Content::Nothing => Ok(true),
        }
    }
}

impl Sighting {
    /// The finding in one line, without what to do.
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

/// Reads the kept sightings; none if there is no file.
///
/// # Errors
/// When it cannot be read, or is not what this program writes.
pub fn load(path: &Path) -> Result<Vec<Sighting>, SightingsError> {
    let path_of = || path.to_owned();
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|source| SightingsError::Damaged { path: path_of(), source })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(SightingsError::Io { action: "read", path: path_of(), source }),
    }
}

/// Keeps the sightings durably; without any the file goes.
///
/// # Errors
/// When it cannot be written.
pub fn keep(path: &Path, sightings: &[Sighting]) -> Result<(), SightingsError> {
    let failed = |action, source| SightingsError::Io { action, path: path.to_owned(), source };
    if !sightings.is_empty() {
        let text = serde_json::to_vec_pretty(sightings).expect("texts and numbers are JSON");
        return durable::replace(path, &text).map_err(|source| failed("write", source));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", error)),
        _ => Ok(()),
    }
}
