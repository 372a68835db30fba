//! The file `set-back.json`: the sightings that contradict the ledger. A restart and `sinergi recover` read them.

use std::fs;
use std::path::{Path, PathBuf};

use sinergi_proto::transparency::rollback_guard::Sighting;

use crate::base::atomic_file;

/// The path of the file with the sightings, in the node's data folder.
pub fn file(data: &Path) -> PathBuf {
    data.join("set-back.json")
}

/// The file with the sightings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SightingsError {
    /// A system call failed.
    #[error(
        "cannot {action} {}, which says what peers saw of this node's ledger: {source}; mend what the system says (space, rights, the \
         disk), then try again",
        path.display()
    )]
    Io {
        /// The action, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file does not hold sightings.
    #[error(
        "{}, which says what peers saw of this node's ledger, is damaged: {source}; put it back from a backup, or, while all its peers can \
         be reached, move it away and start the node: they show it again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The error in its JSON.
        source: serde_json::Error,
    },
}

/// Reads the stored sightings; none if there is no file.
///
/// # Errors
/// The file cannot be read, or does not hold sightings.
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

/// Stores the sightings durably. An empty list removes the file.
///
/// # Errors
/// The file cannot be written or removed.
pub fn keep(path: &Path, sightings: &[Sighting]) -> Result<(), SightingsError> {
    let failed = |action, source| SightingsError::Io { action, path: path.to_owned(), source };
    if !sightings.is_empty() {
        let text = serde_json::to_vec_pretty(sightings).expect("texts and numbers are JSON");
        return atomic_file::replace(path, &text).map_err(|source| failed("write", source));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", error)),
        _ => Ok(()),
    }
}
