//! The charters of this node: files in a folder, the trusted chain in memory, shared.
//!
//! Invariants:
//! - nothing is trusted that [`Charters`] does not trust; the first is pinned by the configuration;
//! - versions are kept for ever: old entries are judged by the charter that they name;
//! - a new version is on the disk before it is used.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sinergi_proto::charter::{Charter, CharterTrustError, Charters};
use tokio::sync::watch;

use crate::durable;

/// Why the charters cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No pin in the configuration.
    #[error(
        "no charter is pinned: `sinergi --node DIR charter adopt FILE` puts the federation's first charter in place"
    )]
    NotPinned,
    /// A file cannot be read or written.
    #[error("cannot {action} the charter {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Not trusted.
    #[error("{}: {source}", path.display())]
    NotTrusted {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: CharterTrustError,
    },
}

/// The trusted charters, shared by everybody in the node.
#[derive(Clone)]
pub struct Directory {
    files: sinergi_config::Charter,
    charters: Arc<RwLock<Arc<Charters>>>,
    adopting: Arc<Mutex<()>>,
    version: Arc<watch::Sender<u64>>,
}

impl Directory {
    /// Loads all versions from the configured folder, beginning with the pinned first.
    ///
    /// # Errors
    /// When one cannot be read or is not trusted.
    pub fn load(files: &sinergi_config::Charter) -> Result<Self, DirectoryError> {
        let pin = files.pin.as_ref().ok_or(DirectoryError::NotPinned)?;
        let path = files.file(1);
        let mut charters =
            Charters::pinned(&read(&path)?, &pin.0).map_err(|source| DirectoryError::NotTrusted { path, source })?;
        for version in 2.. {
            let path = files.file(version);
            if !path.exists() {
                break;
            }
            charters.succeed(&read(&path)?).map_err(|source| DirectoryError::NotTrusted { path, source })?;
        }
        let version = Arc::new(watch::Sender::new(charters.newest().version));
        let charters = Arc::new(RwLock::new(Arc::new(charters)));
        Ok(Self { files: files.clone(), charters, adopting: Arc::default(), version })
    }

    /// All trusted charters.
    pub fn charters(&self) -> Arc<Charters> {
        Arc::clone(&self.charters.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest charter.
    pub fn newest(&self) -> Arc<Charter> {
        Arc::clone(self.charters().newest())
    }

    /// The newest version that was announced, now and as it changes.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Tells everybody who follows [`Self::version`] that the newest charter, and whatever depends on it, is in place.
    pub fn announce(&self) {
        self.version.send_replace(self.newest().version);
    }

    /// Adopts the successor of the newest charter: checks it, writes it to the disk, and uses it.
    ///
    /// # Errors
    /// When it is not the trusted successor, or cannot be written. The directory stays as it was.
    pub fn adopt(&self, note: &[u8]) -> Result<Arc<Charter>, DirectoryError> {
        // One at a time; who only reads does not wait for signatures and the disk.
        let _adopting = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut extended = Charters::clone(&self.charters());
        let path = self.files.file(extended.newest().version + 1);
        let adopted =
            extended.succeed(note).map_err(|source| DirectoryError::NotTrusted { path: path.clone(), source })?;
        write_durably(&path, note)?;
        *self.charters.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(extended);
        Ok(adopted)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DirectoryError> {
    fs::read(path).map_err(|source| DirectoryError::File { action: "read", path: path.to_owned(), source })
}

fn write_durably(path: &Path, note: &[u8]) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::File { action: "write", path: path.to_owned(), source };
    durable::replace(path, note).map_err(failed)
}
