//! The mark: how far the ledger has come, kept in a file outside the data folder.
//!
//! If an old copy of the data folder is put in place, the mark is newer than the ledger. So the node notices at its start that the ledger was set back,
//! even if it can reach no peer. A mark that is missing, or that was restored with the copy, proves nothing.
//!
//! Must not decide anything: the rollback guard compares the mark with the ledger.
//!
//! Invariant: the ledger was durable up to the mark when the mark was written.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::transparency::rollback_guard::Extent;

use crate::base::atomic_file;

/// The mark is written at most so often. After a crash it may be older by so much.
pub const EVERY: Duration = Duration::from_secs(1);

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    agency: AgencyId,
    epoch: u32,
    size: u64,
}

/// Reads the mark of an agency's ledger; `None` if there is no file, or a file that is no mark.
///
/// # Errors
/// The file cannot be read, or is the mark of another agency.
pub fn read(path: &Path, own: &AgencyId) -> io::Result<Option<Extent>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice::<Stored>(&bytes) {
        Ok(Stored { agency, .. }) if agency != *own => Err(io::Error::other(format!(
            "it is the mark of {agency}; set `ledger.mark` in sinergid.toml to a file of this node's own"
        ))),
        Ok(Stored { epoch, size, .. }) => Ok(Some(Extent { epoch: Epoch(epoch), size })),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the mark of the ledger is damaged; it counts as missing");
            Ok(None)
        }
    }
}

/// Writes the mark durably. `extent` is durable in the ledger.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, own: &AgencyId, extent: Extent) -> io::Result<()> {
    let stored = Stored { agency: own.clone(), epoch: extent.epoch.0, size: extent.size };
    let mut text = serde_json::to_vec(&stored).expect("numbers are JSON");
    text.push(b'\n');
    atomic_file::replace(path, &text)
}

/// Removes the mark durably, so that the next start asks a peer or the operator.
///
/// # Errors
/// The file cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => atomic_file::sync_folder_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_damaged_one_counts_as_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger-mark");
        let own: AgencyId = "kota-bandung".parse().expect("an id");
        assert_eq!(read(&path, &own).expect("readable"), None);
        for size in [0, 7, u64::MAX] {
            let extent = Extent { epoch: Epoch(3), size };
            write(&path, &own, extent).expect("written");
            assert_eq!(read(&path, &own).expect("readable"), Some(extent));
        }
        let foreign = read(&path, &"kota-cimahi".parse().expect("an id")).expect_err("two nodes with one file");
        assert!(foreign.to_string().contains("the mark of kota-bandung"), "{foreign}");
        fs::write(&path, "epoch 3").expect("written");
        assert_eq!(read(&path, &own).expect("readable"), None);
        remove(&path).and_then(|()| remove(&path)).expect("removed, or gone before");
        assert!(!path.exists());
        assert!(read(folder.path(), &own).is_err(), "a folder is no file");
    }
}
