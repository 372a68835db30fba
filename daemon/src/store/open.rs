//! Opening the store: a damaged one is moved aside and an empty one takes its place, to be filled from the ledger.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Store, StoreError};

/// Layout of keys and values. A store of another layout is rebuilt.
const LAYOUT: u64 = 2;
/// How often sled's flusher runs: its garbage collection happens only there.
const FLUSH_EVERY_MILLIS: u64 = 500;

/// What was found.
#[derive(Debug)]
pub enum StoreOpened {
    /// A store of this layout, or an empty one.
    AsItWas,
    /// The old one could not be used; it lies there now.
    MovedAside {
        /// Where.
        to: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Opens the store in `dir` with a cache of `cache_bytes`.
///
/// # Errors
/// When even an empty store cannot be opened, or the damaged one cannot be moved aside.
pub fn open(dir: &Path, cache_bytes: u64) -> Result<(Store, StoreOpened), StoreError> {
    remove_unfinished_snapshots(dir);
    let reason = match open_trees(dir, cache_bytes) {
        Ok(store) => match store.layout()? {
            Some(LAYOUT) => return Ok((store, StoreOpened::AsItWas)),
            None if store.is_empty()? => {
                store.set_layout(LAYOUT)?;
                return Ok((store, StoreOpened::AsItWas));
            }
            other => format!("its layout is {other:?}, this program's {LAYOUT}"),
        },
        // Another process has it open: nothing is wrong with it.
        Err(sled::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(sled::Error::Io(error).into());
        }
        Err(error) => error.to_string(),
    };
    let to = move_aside(dir)?;
    let store = open_trees(dir, cache_bytes)?;
    store.set_layout(LAYOUT)?;
    Ok((store, StoreOpened::MovedAside { to, reason }))
}

fn open_trees(dir: &Path, cache_bytes: u64) -> Result<Store, sled::Error> {
    let db =
        sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(Some(FLUSH_EVERY_MILLIS)).open()?;
    Ok(Store {
        timeline: db.open_tree("timeline")?,
        complaint: db.open_tree("complaint")?,
        queue: db.open_tree("queue")?,
        recalled: db.open_tree("recalled")?,
        external: db.open_tree("external")?,
        peer: db.open_tree("peer")?,
        refused: db.open_tree("refused")?,
        deferred: db.open_tree("deferred")?,
        meta: db.open_tree("meta")?,
        db,
    })
}

/// A snapshot that a crash left half written makes `open` fail with `Corruption` (sled issues 1527, 1533); without it the store opens.
fn remove_unfinished_snapshots(dir: &Path) {
    let Ok(files) = fs::read_dir(dir) else { return };
    for file in files.flatten() {
        if file.file_name().to_string_lossy().ends_with(".generating") {
            match fs::remove_file(file.path()) {
                Ok(()) => tracing::warn!(file = %file.path().display(), "removed a snapshot that was never finished"),
                Err(error) => {
                    tracing::warn!(file = %file.path().display(), %error, "cannot remove an unfinished snapshot")
                }
            }
        }
    }
}

fn move_aside(dir: &Path) -> Result<PathBuf, StoreError> {
    let aside = |source| StoreError::Aside { path: dir.to_owned(), source };
    let free = |number: &u32| !dir.with_extension(format!("damaged-{number}")).exists();
    let number = (1..).find(free).unwrap_or(1);
    let to = dir.with_extension(format!("damaged-{number}"));
    fs::rename(dir, &to).map_err(aside)?;
    Ok(to)
}

impl Store {
    fn layout(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.meta.get("layout")?.and_then(|value| value.as_ref().try_into().ok()).map(u64::from_be_bytes))
    }

    fn set_layout(&self, layout: u64) -> Result<(), StoreError> {
        self.meta.insert("layout", &layout.to_be_bytes())?;
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.meta.first()?.is_none() && self.complaint.first()?.is_none() && self.timeline.first()?.is_none())
    }
}
