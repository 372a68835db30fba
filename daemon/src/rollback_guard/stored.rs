//! The file in which a node keeps what contradicts its ledger, so that a restart does not forget it and `sinergi recover` knows of it.

use std::fs;
use std::path::{Path, PathBuf};

use sinergi_proto::transparency::rollback_guard::Sighting;

use crate::base::durable;

/// Where a node keeps what contradicts its ledger.
pub fn file(data: &Path) -> PathBuf {
    data.join("set-back.json")
}

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
