//! The charters of this node: files in a folder, the trusted chain in memory, shared.
//!
//! Invariants:
//! - nothing is trusted that [`Charters`] does not trust; the first is pinned by the configuration;
//! - versions are kept for ever: old entries are judged by the charter that they name;
//! - a new version is on the disk before it is used;
//! - another charter of a version that is here, signed by enough managers, is kept beside it as evidence and never used.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::{fmt, fs, io};

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
    /// Signed by enough managers, and another one of its version is trusted.
    #[error("{0}")]
    Rival(Rival),
}

/// What the files of rivals have between version and hash.
const RIVAL: &str = ".rival-";
/// Rivals kept: whoever can sign one can sign many.
const RIVALS: usize = 16;

/// A charter that the managers have signed beside the trusted one of the same version: a federation that goes by two charters falls apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The version of both.
    pub version: u64,
    /// The hash of the trusted one, in hexadecimal digits.
    pub trusted: String,
    /// The hash of the other.
    pub hash: String,
    /// Where the other is kept; `None`: it could not be.
    pub path: Option<PathBuf>,
}

impl Rival {
    /// The topic of its alarm.
    pub fn topic(&self) -> String {
        format!("rival-charter {} {}", self.version, self.hash)
    }

    /// What its alarm says.
    pub fn alarm(&self) -> String {
        let kept = match &self.path {
            Some(path) => format!("It is kept in {}", path.display()),
            None => "It could not be kept".to_owned(),
        };
        format!(
            "{self}. {kept}: ask the managers which of them holds; `sinergi charter show FILE` shows what stands in each"
        )
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, trusted, hash, .. } = self;
        write!(
            f,
            "the managers have signed two charters of version {version}: this node goes by {trusted}, not by {hash}"
        )
    }
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
    /// When it is not the trusted successor, or cannot be written. The directory stays as it was; a [`Rival`] is kept beside it if it can
    /// be.
    pub fn adopt(&self, note: &[u8]) -> Result<Arc<Charter>, DirectoryError> {
        // One at a time; who only reads does not wait for signatures and the disk.
        let _adopting = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut extended = Charters::clone(&self.charters());
        let path = self.files.file(extended.newest().version + 1);
        let adopted = match extended.succeed(note) {
            Ok(adopted) => adopted,
            Err(CharterTrustError::Rival { version, trusted, rival: hash }) => {
                let path = self.rival_file(version, &hash);
                let path = match self.keep_rival(&path, note) {
                    Ok(is_kept) => Some(path).filter(|_| is_kept),
                    Err(error) => {
                        tracing::error!("{error}");
                        None
                    }
                };
                return Err(DirectoryError::Rival(Rival { version, trusted, hash, path }));
            }
            Err(source) => return Err(DirectoryError::NotTrusted { path, source }),
        };
        write_durably(&path, note)?;
        *self.charters.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(extended);
        Ok(adopted)
    }

    /// The kept charters that are signed beside the trusted ones. A file that is no such charter is told to the log and left alone.
    ///
    /// # Errors
    /// When the folder, or one of them, cannot be read.
    pub fn rivals(&self) -> Result<Vec<Rival>, DirectoryError> {
        let mut rivals = Vec::new();
        for path in self.rival_files()? {
            match Charters::clone(&self.charters()).succeed(&read(&path)?) {
                Err(CharterTrustError::Rival { version, trusted, rival: hash }) => {
                    rivals.push(Rival { version, trusted, hash, path: Some(path) });
                }
                Err(error) => {
                    tracing::warn!("{} is no charter that was signed beside another: {error}", path.display())
                }
                Ok(_) => tracing::warn!("{} is a charter that this node could adopt", path.display()),
            }
        }
        Ok(rivals)
    }

    /// Whether it is kept: it is not beside too many others.
    fn keep_rival(&self, path: &Path, note: &[u8]) -> Result<bool, DirectoryError> {
        let kept = self.rival_files()?;
        if kept.iter().any(|kept| kept == path) {
            return Ok(true);
        }
        if kept.len() >= RIVALS {
            return Ok(false);
        }
        write_durably(path, note).map(|()| true)
    }

    fn rival_file(&self, version: u64, hash: &str) -> PathBuf {
        let beside = self.files.file(version);
        let name = beside.file_stem().unwrap_or_default().to_string_lossy();
        beside.with_file_name(format!("{name}{RIVAL}{hash}.note"))
    }

    fn rival_files(&self) -> Result<Vec<PathBuf>, DirectoryError> {
        let folder = &self.files.directory;
        let failed = |source| DirectoryError::File { action: "look for", path: folder.clone(), source };
        let entries: io::Result<Vec<_>> = fs::read_dir(folder).map_err(failed)?.collect();
        let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
        let is_rival = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains(RIVAL) && name.ends_with(".note")
        };
        let mut rivals: Vec<_> = paths.filter(is_rival).collect();
        rivals.sort();
        Ok(rivals)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DirectoryError> {
    fs::read(path).map_err(|source| DirectoryError::File { action: "read", path: path.to_owned(), source })
}

fn write_durably(path: &Path, note: &[u8]) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::File { action: "write", path: path.to_owned(), source };
    durable::replace(path, note).map_err(failed)
}
