//! Opens the store. A damaged store is moved aside and replaced by an empty one, which is filled from the ledger.

use std::fs;
use std::path::{Path, PathBuf};

use super::paged::Paged;
use super::tree::{Health, Tree, guarded};
use super::{Store, StoreError};

/// Layout of keys and values. A store of another layout is rebuilt.
const LAYOUT: u64 = 8;
/// How often sled's flusher runs: its garbage collection happens only there.
const FLUSH_EVERY_MILLIS: u64 = 500;

/// How the store was opened.
#[derive(Debug)]
pub enum StoreOpened {
    /// A store of this layout, or an empty one.
    AsItWas,
    /// The old store could not be used. It was moved aside, and the new one is empty.
    MovedAside {
        /// The present path of the old store.
        to: PathBuf,
        /// The problem of the old store, in words.
        reason: String,
    },
}

/// Opens the store in `dir` with a cache of `cache_bytes`.
///
/// # Errors
/// An empty store cannot be opened, or the damaged one cannot be moved aside.
pub fn open(dir: &Path, cache_bytes: u64) -> Result<(Store, StoreOpened), StoreError> {
    remove_unfinished_snapshots(dir);
    let reason = match guarded(|| open_layout(dir, cache_bytes)) {
        Ok(store) => return Ok((store, StoreOpened::AsItWas)),
        Err(error) if !error.is_damage() => return Err(error),
        Err(error) => error.found(),
    };
    let to = set_aside(dir)?;
    let store = open_layout(dir, cache_bytes)?;
    Ok((store, StoreOpened::MovedAside { to, reason }))
}

/// Opens the existing store, or an empty one.
fn open_layout(dir: &Path, cache_bytes: u64) -> Result<Store, StoreError> {
    let store = open_trees(dir, cache_bytes)?;
    match store.layout()? {
        Some(LAYOUT) => {}
        None if store.is_empty()? => store.set_layout(LAYOUT)?,
        other => return Err(StoreError::Layout { found: other, known: LAYOUT }),
    }
    Ok(store)
}

fn open_trees(dir: &Path, cache_bytes: u64) -> Result<Store, StoreError> {
    let db =
        sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(Some(FLUSH_EVERY_MILLIS)).open()?;
    let health = Health::good();
    let tree = |name| Tree::open(&db, name, &health);
    let paged = |name| Ok::<_, StoreError>(Paged::new(tree(name)?, name));
    Ok(Store {
        timeline: tree("timeline")?,
        complaint: paged("complaint")?,
        queue: paged("queue")?,
        duty: tree("duty")?,
        external: tree("external")?,
        peer: tree("peer")?,
        receipt: tree("receipt")?,
        receipt_of_leaf: tree("receipt_of_leaf")?,
        refused: tree("refused")?,
        unsettled: tree("unsettled")?,
        send_again: tree("send_again")?,
        deferred: tree("deferred")?,
        spent: tree("spent")?,
        meta: tree("meta")?,
        db,
        health,
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

/// Renames an unusable store out of the way and returns its new path. The next store to be opened is empty.
///
/// # Errors
/// The folder cannot be renamed.
pub fn set_aside(dir: &Path) -> Result<PathBuf, StoreError> {
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
        Ok(self.meta.first()?.is_none() && self.complaint.last_key()?.is_none() && self.timeline.first()?.is_none())
    }
}
