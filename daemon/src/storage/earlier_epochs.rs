//! The ledgers of earlier epochs, which `sinergi recover` moved aside (`ledger.epoch-N`). Texts that are erased are overwritten there, too.
//!
//! Must not know why something is erased.
//!
//! Invariants:
//! - nothing but the bodies of erased contents changes, so an old ledger still proves what it proved;
//! - an entry is listed as done only after its contents are overwritten, durably. So a crash leaves work that the next start does again.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use sinergi_proto::base::ids::{EntryId, LedgerIndex};
use sinergi_proto::wire;

use super::ledger::{self, EraseError, OpenError, Position, Record, RecordKind, Salvage};
use super::record_codec::Header;

/// The file in an old ledger's folder that lists the entries whose contents were overwritten, 32 bytes each.
const DONE: &str = "erased";

/// The reason why erased texts are still in an old ledger.
#[derive(Debug, thiserror::Error)]
pub enum EarlierEpochError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The action, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The old ledger cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A text cannot be overwritten.
    #[error(transparent)]
    Erase(#[from] EraseError),
}

/// The old ledgers beside a ledger.
pub struct EarlierEpochs {
    ledger: PathBuf,
}

impl EarlierEpochs {
    /// The old ledgers beside the ledger in this folder.
    pub fn beside(ledger: &Path) -> Self {
        Self { ledger: ledger.to_owned() }
    }

    /// Overwrites the contents of these entries in every old ledger. Reads the old ledgers as a whole, except for entries that are done. Returns the
    /// number of contents that were overwritten.
    ///
    /// # Errors
    /// One of the contents could not be overwritten in an old ledger. All old ledgers are tried; the error is of the first that failed.
    pub fn erase(&self, entries: &BTreeSet<EntryId>) -> Result<u32, EarlierEpochError> {
        let mut erased = 0;
        let mut first_error = None;
        for folder in self.folders()? {
            match erase_in(&folder, entries) {
                Ok(here) => erased += here,
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        first_error.map_or(Ok(erased), Err)
    }

    /// The folders of old ledgers.
    fn folders(&self) -> Result<Vec<PathBuf>, EarlierEpochError> {
        let (Some(beside), Some(name)) = (self.ledger.parent(), self.ledger.file_stem()) else { return Ok(Vec::new()) };
        let prefix = format!("{}.epoch-", name.to_string_lossy());
        let failed = failed("list", beside);
        let mut folders = Vec::new();
        for entry in fs::read_dir(beside).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            let is_meant = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
            if is_meant && path.is_dir() {
                folders.push(path);
            }
        }
        Ok(folders)
    }
}

fn erase_in(folder: &Path, entries: &BTreeSet<EntryId>) -> Result<u32, EarlierEpochError> {
    let done = done_in(folder)?;
    let entries: BTreeSet<EntryId> = entries.difference(&done).copied().collect();
    if entries.is_empty() {
        return Ok(0);
    }
    let mut erased = 0;
    if let Some(salvage) = ledger::salvage(folder)? {
        for position in contents_of(&salvage, &entries) {
            erased += u32::from(salvage.erase_body(position)?);
        }
    }
    note_done(folder, &entries)?;
    Ok(erased)
}

/// The records that hold contents of these entries. Damaged records are skipped.
fn contents_of(salvage: &Salvage, entries: &BTreeSet<EntryId>) -> Vec<Position> {
    let mut records = salvage.reader.records_from(salvage.reader.start());
    let (mut leaves, mut found) = (BTreeSet::<LedgerIndex>::new(), Vec::new());
    while let Some(record) = records.next() {
        match record {
            Ok(record) if record.kind == RecordKind::Leaf => {
                leaves.extend(record.leaf().filter(|_| entries.contains(&EntryId::of(&record.body))));
            }
            Ok(record) if holds_content_of(&record, &leaves, entries) => found.push(record.position),
            Ok(_) => {}
            Err(_) => {
                if records.pass_over_damage().is_none() && !records.pass_to_next_record() {
                    break;
                }
            }
        }
    }
    found
}

/// Whether a record holds a content of one of these leaves, or is an item with contents that waits for one of these entries.
fn holds_content_of(record: &Record, leaves: &BTreeSet<LedgerIndex>, entries: &BTreeSet<EntryId>) -> bool {
    match Header::of(record) {
        Ok(Header::Content(_)) => record.leaf().is_some_and(|leaf| leaves.contains(&leaf)),
        Ok(Header::Deferred(header)) => {
            let has_content = || wire::Item::decode(record.body.as_slice()).is_ok_and(|item| !item.content.is_empty());
            entries.contains(&header.entry) && (record.erased || has_content())
        }
        _ => false,
    }
}

fn done_in(folder: &Path) -> Result<BTreeSet<EntryId>, EarlierEpochError> {
    let path = folder.join(DONE);
    match fs::read(&path) {
        // If the last id is torn, its entry counts as not done, and its contents are overwritten again.
        Ok(bytes) => Ok(bytes.chunks_exact(32).filter_map(EntryId::from_slice).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(source) => Err(failed("read", &path)(source)),
    }
}

fn note_done(folder: &Path, entries: &BTreeSet<EntryId>) -> Result<(), EarlierEpochError> {
    let path = folder.join(DONE);
    let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.0).collect();
    let append = || {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let torn = file.metadata()?.len() % 32;
        // Ids begin at multiples of 32, also after a torn write.
        if torn > 0 {
            file.write_all(&[0; 32][..32 - usize::try_from(torn).unwrap_or_default()])?;
        }
        file.write_all(&bytes)?;
        file.sync_data()
    };
    append().map_err(failed("write", &path))
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> EarlierEpochError {
    let path = path.to_owned();
    move |source| EarlierEpochError::Io { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_list_of_what_is_done_forgets_the_torn_id_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let ids = [1, 2, 3].map(|byte| EntryId([byte; 32]));
        note_done(folder.path(), &BTreeSet::from([ids[0], ids[1]])).expect("written");
        let path = folder.path().join(DONE);
        let bytes = fs::read(&path).expect("there");
        fs::write(&path, &bytes[..50]).expect("torn");
        assert_eq!(done_in(folder.path()).expect("read"), BTreeSet::from([ids[0]]));
        note_done(folder.path(), &BTreeSet::from([ids[2]])).expect("written");
        assert!(done_in(folder.path()).expect("read").is_superset(&BTreeSet::from([ids[0], ids[2]])));
    }

    #[test]
    fn only_the_folders_of_earlier_epochs_are_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["ledger", "ledger.epoch-1", "ledger.epoch-1-2", "store.epoch-1", "ledger.recovering"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        let earlier = EarlierEpochs::beside(&folder.path().join("ledger"));
        let mut found: Vec<_> = earlier
            .folders()
            .expect("listed")
            .into_iter()
            .filter_map(|path| Some(path.file_name()?.to_owned()))
            .collect();
        found.sort();
        assert_eq!(found, ["ledger.epoch-1", "ledger.epoch-1-2"]);
        assert_eq!(earlier.erase(&BTreeSet::from([EntryId([1; 32])])).expect("nothing is there"), 0);
    }
}
