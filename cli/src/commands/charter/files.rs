//! The files of charters, and of what is checked under them: read within the limit, written as a whole.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sinergi_proto::base::limits;

use crate::charter::Paper;
use crate::failure::Failure;

/// They are public: readable as far as the user's umask lets them.
const MODE: u32 = 0o666;

/// Reads a draft or a note.
pub(super) fn read(path: &Path) -> Result<Paper, Failure> {
    let bytes = read_bytes(path)?;
    Paper::read(&bytes).map_err(|error| Failure::failed(format!("cannot use {}", path.display())).because(error))
}

/// Reads the bytes of a charter's file: at most one more than a charter may have, so that a longer one is seen to be so.
pub(in crate::commands) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limits::CHARTER_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::failed(format!("cannot read {}", path.display())).because(error))?;
    Ok(bytes)
}

/// Writes a file that is not there yet.
pub(in crate::commands) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes, false).map_err(|error| {
        let failure = Failure::failed(format!("cannot write {}", path.display()));
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                failure.because("the file exists already").help("name a file that does not")
            }
            _ => failure.because(error),
        }
    })
}

/// Puts a whole new file in the place of an old one.
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
