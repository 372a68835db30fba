//! The charters of this node: files in a folder, the trusted chain in memory, shared.
//!
//! Invariants:
//! - only [`Charters`] decides which charter is trusted; the configuration pins the first one;
//! - every version is kept for ever, because old entries are judged by the charter that they name;
//! - a new version is on the disk before it is used, and the lists of trusted entries that it names before it;
//! - a *rival* is never used. It is another charter of a version that is here, signed by enough managers. It is kept as evidence.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::base::node_limits;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sinergi_proto::charter::{Charter, CharterTrustError, Charters, ListName, Rival, TrustedList, TrustedListError};
use tokio::sync::watch;

use crate::base::alarms::AlarmKind;
use crate::base::atomic_file;

/// The charters cannot be loaded, or a charter cannot be adopted.
#[derive(Debug, thiserror::Error)]
pub enum CharterStoreError {
    /// The configuration pins no first charter.
    #[error(
        "no charter is pinned: `sinergi --node DIR charter adopt FILE` puts the federation's first charter in place"
    )]
    NotPinned,
    /// A file cannot be read or written.
    #[error("cannot {action} the charter {}: {source}", path.display())]
    File {
        /// The action, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A charter is not the trusted successor of the one before it.
    #[error("{}: {source}", path.display())]
    NotTrusted {
        /// The file that holds it, or would hold it.
        path: PathBuf,
        /// The rule that it breaks.
        source: CharterTrustError,
    },
    /// The file of the next version exists already and holds another charter. An operator has put it there.
    #[error(
        "{} exists and differs from the charter to adopt: start the node again to adopt that file, or move it away",
        .0.display()
    )]
    InTheWay(PathBuf),
    /// A file is no list of trusted entries.
    #[error("{}: {source}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: TrustedListError,
    },
    /// The charter needs a list of trusted entries that is not here.
    #[error("the charter revokes keys, and the list of what stays trusted is not here: {0}")]
    MissingList(ListName),
    /// The charter is a rival of a trusted one.
    #[error("{}", .0.rival)]
    Rival(FoundRival),
}

/// The part of a rival's file name between version and hash.
const RIVAL: &str = ".rival-";

/// A rival of a trusted charter: the same version, another text, signed by enough managers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRival {
    /// The version, and the hashes of both charters.
    pub rival: Rival,
    /// The file of the trusted charter.
    pub trusted: PathBuf,
    /// The file of the rival; `None` if it could not be kept.
    pub kept: Option<PathBuf>,
}

impl FoundRival {
    /// The topic of the alarm. All rivals of one version share it.
    pub fn topic(&self) -> String {
        AlarmKind::RivalCharter.about(self.rival.version)
    }

    /// The text of the alarm: which files differ, and what the operator does.
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

/// The trusted charters of this node, on the disk and in memory. Clones share them.
#[derive(Clone)]
pub struct CharterStore {
    files: sinergi_config::Charter,
    charters: Arc<ArcSwap<Charters>>,
    adopting: Arc<Mutex<()>>,
    version: Arc<watch::Sender<u64>>,
}

impl CharterStore {
    /// Loads all versions from the configured folder, beginning with the pinned first one.
    ///
    /// # Errors
    /// A version cannot be read or is not trusted.
    pub fn load(files: &sinergi_config::Charter) -> Result<Self, CharterStoreError> {
        let pin = files.pin.as_ref().ok_or(CharterStoreError::NotPinned)?;
        let path = files.file(1);
        let mut charters =
            Charters::pinned(&read(&path)?, &pin.0).map_err(|source| CharterStoreError::NotTrusted { path, source })?;
        let keep_lists = |charters: &mut Charters, note: &[u8]| -> Result<(), CharterStoreError> {
            for name in lists_of(note) {
                let path = files.list_file(&name.hash);
                // A charter whose list is not here is not trusted, and the error says which list it needs.
                if path.exists() {
                    let list = TrustedList::parse(read(&path)?);
                    charters.keep_list(list.map_err(|source| CharterStoreError::List { path, source })?);
                }
            }
            Ok(())
        };
        for version in 2.. {
            let path = files.file(version);
            if !path.exists() {
                break;
            }
            let note = read(&path)?;
            keep_lists(&mut charters, &note)?;
            charters.succeed(&note).map_err(|source| CharterStoreError::NotTrusted { path, source })?;
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

    /// A receiver of the newest version that was announced.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Sends the newest version to the receivers of [`Self::version`]. Call it when all that depends on the charter (such as the
    /// authorities for TLS) has been replaced too.
    pub fn announce(&self) {
        self.version.send_replace(self.newest().version);
    }

    /// Adopts the successor of the newest charter: checks it, writes it to the disk, and uses it. `list` is a list of trusted entries that it may name.
    ///
    /// # Errors
    /// It is not the trusted successor, needs another list that is not here, or cannot be written. The trusted charters stay as they were. A rival is
    /// written to a file of its own.
    pub fn adopt(&self, note: &[u8], list: Option<TrustedList>) -> Result<Arc<Charter>, CharterStoreError> {
        // One adoption at a time. Readers do not take this lock, so they do not wait for signature checks and the disk.
        let _adopting = self.adopting.lock();
        let mut extended = Charters::clone(&self.charters());
        let path = self.files.file(extended.newest().version + 1);
        let named = lists_of(note);
        // Only what the charter names is kept.
        let list = list.filter(|list| named.iter().any(|name| name.hash == list.hash()));
        list.into_iter().for_each(|list| extended.keep_list(list));
        let adopted = match extended.succeed(note) {
            Ok(adopted) => adopted,
            Err(CharterTrustError::Rival(rival)) => return Err(CharterStoreError::Rival(self.found(rival, note))),
            Err(CharterTrustError::MissingList { list, .. }) => {
                // The charter is right, so the lists of it that are here are kept until the others come.
                self.keep_lists(&named, &extended)?;
                self.charters.store(Arc::new(extended));
                return Err(CharterStoreError::MissingList(list));
            }
            Err(source) => return Err(CharterStoreError::NotTrusted { path, source }),
        };
        if path.exists() && Charter::parse(&read(&path)?).map(|there| there.hash).ok() != Some(adopted.hash) {
            return Err(CharterStoreError::InTheWay(path));
        }
        self.keep_lists(&named, &extended)?;
        write_durably(&path, note)?;
        self.charters.store(Arc::new(extended));
        Ok(adopted)
    }

    /// Writes the lists with these names to the disk, as far as they are here.
    fn keep_lists(&self, named: &[ListName], charters: &Charters) -> Result<(), CharterStoreError> {
        for list in named.iter().filter_map(|name| charters.list(&name.hash)) {
            let path = self.files.list_file(&list.hash());
            if !path.exists() {
                write_durably(&path, list.text())?;
            }
        }
        Ok(())
    }

    /// The kept rivals. A file that is named like a rival and is none is left alone, with a line in the log.
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
            tracing::warn!("{file} is a copy of a charter that this node trusts; it may be removed");
            return None;
        }
        match Charters::clone(&charters).succeed(&note) {
            Err(CharterTrustError::Rival(rival)) => {
                Some(FoundRival { trusted: self.files.file(rival.version), rival, kept: Some(path) })
            }
            Err(error) => {
                tracing::warn!("{file} is not a rival of a charter of this node: {error}");
                None
            }
            Ok(_) => {
                tracing::warn!("{file} is a charter that this node could adopt");
                None
            }
        }
    }

    /// Writes a rival to a file of its own. A failure is logged.
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

    fn keep_rival(&self, version: u64, path: &Path, note: &[u8]) -> Result<(), CharterStoreError> {
        let kept = self.rival_files()?;
        if kept.iter().any(|kept| kept == path) && read(path)? == note {
            return Ok(());
        }
        let of_version = format!("{version:08}{RIVAL}");
        let others = kept.iter().filter(|kept| *kept != path && name_of(kept).starts_with(&of_version)).count();
        if others >= node_limits::RIVAL_CHARTERS {
            let source =
                io::Error::other(format!("{others} charters of version {version} are kept beside the trusted one"));
            return Err(CharterStoreError::File { action: "keep", path: path.to_owned(), source });
        }
        write_durably(path, note)
    }

    fn rival_files(&self) -> Result<Vec<PathBuf>, CharterStoreError> {
        let folder = &self.files.directory;
        let failed = |source| CharterStoreError::File { action: "look for", path: folder.clone(), source };
        let entries: io::Result<Vec<_>> = fs::read_dir(folder).map_err(failed)?.collect();
        let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
        let mut rivals: Vec<_> =
            paths.filter(|path| name_of(path).contains(RIVAL) && name_of(path).ends_with(".note")).collect();
        rivals.sort();
        Ok(rivals)
    }
}

/// The lists of trusted entries that a charter names. None if it is no charter.
fn lists_of(note: &[u8]) -> Vec<ListName> {
    let charter = Charter::parse(note);
    charter.map(|charter| charter.revocations.iter().map(|revocation| revocation.list).collect()).unwrap_or_default()
}

fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

fn read(path: &Path) -> Result<Vec<u8>, CharterStoreError> {
    fs::read(path).map_err(|source| CharterStoreError::File { action: "read", path: path.to_owned(), source })
}

fn write_durably(path: &Path, note: &[u8]) -> Result<(), CharterStoreError> {
    let failed = |source| CharterStoreError::File { action: "write", path: path.to_owned(), source };
    atomic_file::replace(path, note).map_err(failed)
}
