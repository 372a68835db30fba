//! The charters of this node: files in a folder, the trusted chain in memory, shared.
//!
//! Invariants:
//! - nothing is trusted that [`Charters`] does not trust; the first is pinned by the configuration;
//! - versions are kept for ever: old entries are judged by the charter that they name;
//! - a new version is on the disk before it is used;
//! - another charter of a version that is here, signed by enough managers, is kept beside it as evidence and never used.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::base::node_limits;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sinergi_proto::charter::{Charter, CharterTrustError, Charters, Rival};
use tokio::sync::watch;

use crate::base::durable;

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
    /// A file that the operator has put there.
    #[error(
        "{} is no charter of this node yet, and another than the one to adopt: start the node again to go by it, or move it away",
        .0.display()
    )]
    InTheWay(PathBuf),
    /// Signed by enough managers, and another one of its version is trusted.
    #[error("{}", .0.rival)]
    Rival(FoundRival),
}

/// What the files of rivals have between version and hash.
const RIVAL: &str = ".rival-";

/// A rival of a charter of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRival {
    /// Which two they are.
    pub rival: Rival,
    /// The file of the trusted one.
    pub trusted: PathBuf,
    /// Where the other is kept; `None`: it is not.
    pub kept: Option<PathBuf>,
}

impl FoundRival {
    /// The topic of its alarm: one for all rivals of a version.
    pub fn topic(&self) -> String {
        format!("rival-charter {}", self.rival.version)
    }

    /// What its alarm says.
    pub fn alarm(&self) -> String {
        let trusted = self.trusted.display();
        let other = match &self.kept {
            Some(kept) => {
                format!("is kept in {}: move it away and start the node again when this is settled", kept.display())
            }
            None => "could not be kept: the log says why".to_owned(),
        };
        format!(
            "{}. Ask the managers which of them holds (`sinergi charter show {trusted}`); the other {other}",
            self.rival
        )
    }
}

/// The trusted charters, shared by everybody in the node.
#[derive(Clone)]
pub struct Directory {
    files: sinergi_config::Charter,
    charters: Arc<ArcSwap<Charters>>,
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
        let charters = Arc::new(ArcSwap::from_pointee(charters));
        Ok(Self { files: files.clone(), charters, adopting: Arc::default(), version })
    }

    /// All trusted charters.
    pub fn charters(&self) -> Arc<Charters> {
        self.charters.load_full()
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
    /// When it is not the trusted successor, or cannot be written. The directory stays as it was; a rival is kept
    /// beside it if it can be.
    pub fn adopt(&self, note: &[u8]) -> Result<Arc<Charter>, DirectoryError> {
        // One at a time; who only reads does not wait for signatures and the disk.
        let _adopting = self.adopting.lock();
        let mut extended = Charters::clone(&self.charters());
        let path = self.files.file(extended.newest().version + 1);
        let adopted = match extended.succeed(note) {
            Ok(adopted) => adopted,
            Err(CharterTrustError::Rival(rival)) => return Err(DirectoryError::Rival(self.found(rival, note))),
            Err(source) => return Err(DirectoryError::NotTrusted { path, source }),
        };
        if path.exists() && Charter::parse(&read(&path)?).map(|there| there.hash).ok() != Some(adopted.hash) {
            return Err(DirectoryError::InTheWay(path));
        }
        write_durably(&path, note)?;
        self.charters.store(Arc::new(extended));
        Ok(adopted)
    }

    /// The kept rivals. Of a file that is none the log says what it is; it is left alone.
    pub fn rivals(&self) -> Vec<FoundRival> {
        let paths = self.rival_files().unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Vec::new()
        });
        paths.into_iter().filter_map(|path| self.rival_in(path)).collect()
    }

    fn rival_in(&self, path: PathBuf) -> Option<FoundRival> {
        let file = path.display();
        let note = read(&path).inspect_err(|error| tracing::warn!("{error}")).ok()?;
        let charters = self.charters();
        if charters.has_text_of(&note) {
            tracing::warn!("{file} is a charter that this node goes by; it may be removed");
            return None;
        }
        match Charters::clone(&charters).succeed(&note) {
            Err(CharterTrustError::Rival(rival)) => {
                Some(FoundRival { trusted: self.files.file(rival.version), rival, kept: Some(path) })
            }
            Err(error) => {
                tracing::warn!("{file} is no charter that was signed beside one of this node: {error}");
                None
            }
            Ok(_) => {
                tracing::warn!("{file} is a charter that this node could adopt");
                None
            }
        }
    }

    /// Keeps a rival, if it can.
    fn found(&self, rival: Rival, note: &[u8]) -> FoundRival {
        let trusted = self.files.file(rival.version);
        let name = trusted.file_stem().unwrap_or_default().to_string_lossy();
        let path = trusted.with_file_name(format!("{name}{RIVAL}{}.note", rival.hash));
        let kept = match self.keep_rival(rival.version, &path, note) {
            Ok(()) => Some(path),
            Err(error) => {
                tracing::error!("{error}");
                None
            }
        };
        FoundRival { rival, trusted, kept }
    }

    fn keep_rival(&self, version: u64, path: &Path, note: &[u8]) -> Result<(), DirectoryError> {
        let kept = self.rival_files()?;
        if kept.iter().any(|kept| kept == path) && read(path)? == note {
            return Ok(());
        }
        let of_version = format!("{version:08}{RIVAL}");
        let others = kept.iter().filter(|kept| *kept != path && name_of(kept).starts_with(&of_version)).count();
        if others >= node_limits::RIVAL_CHARTERS {
            let source =
                io::Error::other(format!("{others} charters of version {version} are kept beside the trusted one"));
            return Err(DirectoryError::File { action: "keep", path: path.to_owned(), source });
        }
        write_durably(path, note)
    }

    fn rival_files(&self) -> Result<Vec<PathBuf>, DirectoryError> {
        let folder = &self.files.directory;
        let failed = |source| DirectoryError::File { action: "look for", path: folder.clone(), source };
        let entries: io::Result<Vec<_>> = fs::read_dir(folder).map_err(failed)?.collect();
        let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
        let mut rivals: Vec<_> =
            paths.filter(|path| name_of(path).contains(RIVAL) && name_of(path).ends_with(".note")).collect();
        rivals.sort();
        Ok(rivals)
    }
}

fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

fn read(path: &Path) -> Result<Vec<u8>, DirectoryError> {
    fs::read(path).map_err(|source| DirectoryError::File { action: "read", path: path.to_owned(), source })
}

fn write_durably(path: &Path, note: &[u8]) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::File { action: "write", path: path.to_owned(), source };
    durable::replace(path, note).map_err(failed)
}
