//! The node's evidence files: one for each finding, whole in itself, so that a copy of it is an export.
//!
//! Invariants:
//! - a file is there whole or not at all;
//! - the same accusation is kept once, and a folder that is full says so.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::Charters;
use sinergi_proto::transparency::evidence::{Evidence, EvidenceError, Opened, accusation_id, accusations_of};
use sinergi_proto::wire;

use crate::base::durable;
use crate::base::time::now_millis;

/// Files that are kept.
const FILES: usize = 10_000;
const ENDING: &str = "evidence";

/// Where a node keeps evidence.
#[derive(Clone, Debug)]
pub struct EvidenceFolder(PathBuf);

/// One file.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its name without the ending.
    pub id: String,
    /// The file's content, checked.
    pub opened: Opened,
}

/// Why evidence cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system.
    #[error("evidence file {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there is no evidence.
    #[error("evidence file {}: {source}", path.display())]
    Evidence {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EvidenceError,
    },
    /// No such file.
    #[error("there is no evidence {0:?}: see `sinergi evidence list`")]
    Unknown(String),
    /// Too many.
    #[error("{} holds {FILES} evidence files already: move some elsewhere", .0.display())]
    Full(PathBuf),
}

impl EvidenceFolder {
    /// The folder in a node's data.
    pub fn of(data: &Path) -> Self {
        Self(data.join("evidence"))
    }

    /// Keeps an accusation as a file; its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(
        &self,
        accuser: &AgencyId,
        charters: &Charters,
        key: &SigningKey,
        accusation: &wire::Accusation,
        finding: &str,
    ) -> Result<String, FolderError> {
        let digest = HEXLOWER.encode(&accusation_id(accusation)[..8]);
        let id = format!("{}-{finding}-{digest}", accusation.accused);
        let path = self.path(&id);
        let io = |source| FolderError::Io { path: path.clone(), source };
        if path.try_exists().map_err(io)? {
            return Ok(id);
        }
        std::fs::create_dir_all(&self.0).map_err(io)?;
        if self.names()?.len() >= FILES {
            return Err(FolderError::Full(self.0.clone()));
        }
        let accusations = vec![accusation.clone()];
        let file = Evidence { accuser, made_at: now_millis(), charters, accusations }.sign(key);
        durable::replace(&path, &file).map_err(io)?;
        Ok(id)
    }

    /// All evidence, in the order of names; a file that does not hold is left out and logged.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self, charters: &Charters) -> Result<Vec<Kept>, FolderError> {
        let mut kept = Vec::new();
        for id in self.names()? {
            match self.open(&id, charters) {
                Ok((_, opened)) => kept.push(Kept { id, opened }),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        Ok(kept)
    }

    /// One file with all these accusations.
    ///
    /// # Errors
    /// When one of them is not there, or does not hold.
    pub fn export(
        &self,
        ids: &[String],
        accuser: &AgencyId,
        charters: &Charters,
        key: &SigningKey,
    ) -> Result<Vec<u8>, FolderError> {
        let mut accusations = Vec::new();
        let mut made_at = 0;
        for id in ids {
            let (file, opened) = self.open(id, charters)?;
            made_at = opened.made_at.max(made_at);
            let evidence = |source| FolderError::Evidence { path: self.path(id), source };
            accusations.extend(accusations_of(&file).map_err(evidence)?);
        }
        Ok(Evidence { accuser, made_at, charters, accusations }.sign(key))
    }

    fn open(&self, id: &str, charters: &Charters) -> Result<(Vec<u8>, Opened), FolderError> {
        let unknown = || FolderError::Unknown(id.chars().take(120).collect());
        if !self.names()?.iter().any(|name| name == id) {
            return Err(unknown());
        }
        let path = self.path(id);
        let file = std::fs::read(&path).map_err(|source| FolderError::Io { path: path.clone(), source })?;
        let opened = Opened::judge(&file, charters.newest());
        let opened = opened.map_err(|source| FolderError::Evidence { path, source })?;
        Ok((file, opened))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.{ENDING}"))
    }

    fn names(&self) -> Result<Vec<String>, FolderError> {
        let io = |source| FolderError::Io { path: self.0.clone(), source };
        let entries = match std::fs::read_dir(&self.0) {
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
