//! The folder of evidence: one file for each finding, named by the finding's id. A file needs no other file, so a copy of it can be given to others. A finding of dishonesty
//! also raises an alarm.
//!
//! Must not judge anything: the statement comes from proto's judge.
//!
//! Invariants:
//! - a file exists as a whole or not at all;
//! - a finding is kept once, and its file stays as it is when the finding is found again. Only the file of `unresponsive` is replaced;
//! - a full folder takes no more files, and reports that.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::transparency::evidence::{Evidence, EvidenceError, Finding, Opened, Statement, accusations_of};
use sinergi_proto::wire;

use crate::base::alarms::Alarms;
use crate::base::atomic_file;
use crate::base::time::now_millis;
use crate::storage::charters::CharterStore;

/// Largest number of files.
const FILES: usize = 10_000;
const ENDING: &str = "evidence";
/// Number of bytes of a finding's id in the name of its file.
const ID_BYTES: usize = 8;

/// The folder in which a node keeps evidence. The node signs each file as the accuser. Cheap to clone.
#[derive(Clone)]
pub struct EvidenceFolder {
    folder: PathBuf,
    accuser: AgencyId,
    key: SigningKey,
    charter_store: CharterStore,
    alarms: Alarms,
}

/// One file of evidence.
#[derive(Clone, Debug)]
pub struct EvidenceFile {
    /// Its name without the ending.
    pub id: String,
    /// The file's content, judged.
    pub opened: Opened,
}

/// Evidence cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A system call failed.
    #[error("evidence file {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file does not hold valid evidence.
    #[error("evidence file {}: {source}", path.display())]
    Evidence {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: EvidenceError,
    },
    /// There is no such file.
    #[error("there is no evidence {0:?}: see `sinergi evidence list`")]
    Unknown(String),
    /// The folder holds too many files.
    #[error("{} holds {FILES} evidence files already: move some elsewhere", .0.display())]
    Full(PathBuf),
}

impl EvidenceFolder {
    /// The folder in a node's data folder. `accuser` is the node's agency, and `key` is the key that signs its entries.
    pub fn of(data: &Path, accuser: AgencyId, key: SigningKey, charter_store: CharterStore, alarms: Alarms) -> Self {
        Self { folder: data.join("evidence"), accuser, key, charter_store, alarms }
    }

    /// Keeps a finding as evidence, and raises an alarm if it accuses an agency of dishonesty. Returns the name of the file; `None` if it could not
    /// be kept.
    pub(crate) fn keep(&self, accusation: &wire::Accusation, statement: &Statement) -> Option<String> {
        let Statement { finding, accused, text, .. } = statement;
        let topic = format!("audit {accused}");
        match self.write(accusation, statement) {
            Ok(id) => {
                if finding.is_dishonest() {
                    let advice = "show it to your supervisor and to an oversight agency";
                    let what = format!(
                        "{accused} {finding}: {text} `sinergi evidence export {id}` writes the evidence; {advice}"
                    );
                    self.alarms.raise(topic, what);
                } else {
                    tracing::info!(peer = %accused, evidence = id, "{finding}: {text}");
                }
                Some(id)
            }
            Err(error) => {
                let what = format!("{accused} {finding}: {text} The evidence could not be kept: {error}");
                self.alarms.raise(topic, what);
                None
            }
        }
    }

    /// Writes an accusation to a file, and returns the file's name without the ending.
    fn write(&self, accusation: &wire::Accusation, statement: &Statement) -> Result<String, FolderError> {
        let Statement { finding, accused, .. } = statement;
        let id = format!("{accused}-{finding}-{}", HEXLOWER.encode(&statement.id[..ID_BYTES]));
        let path = self.path(&id);
        let io = |source| FolderError::Io { path: path.clone(), source };
        // The newest silence says the most; of all other findings the first proof is as good as any.
        if *finding != Finding::Unresponsive && path.try_exists().map_err(io)? {
            return Ok(id);
        }
        std::fs::create_dir_all(&self.folder).map_err(io)?;
        if self.names()?.len() >= FILES {
            return Err(FolderError::Full(self.folder.clone()));
        }
        let accusations = vec![accusation.clone()];
        let file = self.signed(now_millis(), accusations);
        atomic_file::replace(&path, &file).map_err(io)?;
        Ok(id)
    }

    /// All evidence, in the order of names. A file without valid evidence is left out and logged.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<EvidenceFile>, FolderError> {
        let mut kept = Vec::new();
        for id in self.names()? {
            match self.open(&id) {
                Ok((_, opened)) => kept.push(EvidenceFile { id, opened }),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        Ok(kept)
    }

    /// The bytes of one evidence file with the accusations of all these files.
    ///
    /// # Errors
    /// One of them does not exist, or does not hold valid evidence.
    pub fn export(&self, ids: &[String]) -> Result<Vec<u8>, FolderError> {
        let mut accusations = Vec::new();
        let mut made_at = 0;
        for id in ids {
            let (file, opened) = self.open(id)?;
            made_at = opened.made_at.max(made_at);
            let evidence = |source| FolderError::Evidence { path: self.path(id), source };
            accusations.extend(accusations_of(&file).map_err(evidence)?);
        }
        Ok(self.signed(made_at, accusations))
    }

    fn signed(&self, made_at: u64, accusations: Vec<wire::Accusation>) -> Vec<u8> {
        Evidence { accuser: &self.accuser, made_at, charters: &self.charter_store.charters(), accusations }
            .sign(&self.key)
    }

    fn open(&self, id: &str) -> Result<(Vec<u8>, Opened), FolderError> {
        let unknown = || FolderError::Unknown(id.chars().take(120).collect());
        if !self.names()?.iter().any(|name| name == id) {
            return Err(unknown());
        }
        let path = self.path(id);
        let file = std::fs::read(&path).map_err(|source| FolderError::Io { path: path.clone(), source })?;
        let opened = Opened::judge(&file, &self.charter_store.newest());
        let opened = opened.map_err(|source| FolderError::Evidence { path, source })?;
        Ok((file, opened))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{ENDING}"))
    }

    fn names(&self) -> Result<Vec<String>, FolderError> {
        let io = |source| FolderError::Io { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(io)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}
