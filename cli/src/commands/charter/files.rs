//! Reads and writes files of charters, and of things that are checked with a charter.
//!
//! Invariants: a read is bounded, and a file is written completely or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sinergi_proto::base::limits;

use crate::charter::Paper;
use crate::failure::Failure;

/// The mode of the files. They are public, so only the user's umask limits it.
const MODE: u32 = 0o666;

/// Reads a draft or a note.
pub(super) fn read(path: &Path) -> Result<Paper, Failure> {
    let bytes = read_bytes(path)?;
    Paper::read(&bytes).map_err(|error| Failure::failed(format!("cannot use {}", path.display())).because(error))
}

/// Reads a file up to one byte beyond the limit of a charter, so that a longer file is detected.
pub(in crate::commands) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(path, limits::CHARTER_BYTES)
}

/// Reads a file up to one byte beyond a limit, so that a longer file is detected.
pub(super) fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::failed(format!("cannot read {}", path.display())).because(error))?;
    Ok(bytes)
}

/// Writes a new file. Fails if it exists.
pub(in crate::commands) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes, false).map_err(|error| {
        let failure = Failure::failed(format!("cannot write {}", path.display()));
        match error.kind() {
            io::ErrorKind::AlreadyExists => failure.because("the file exists already").help("name a new file"),
            _ => failure.because(error),
        }
    })
}

/// Replaces a file atomically.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes, true)
        .map_err(|error| Failure::failed(format!("cannot replace {}", path.display())).because(error))
}

fn write(path: &Path, bytes: &[u8], over: bool) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    if over {
        file.persist(path)?;
    } else {
        file.persist_noclobber(path)?;
    }
    File::open(directory)?.sync_all()
}
