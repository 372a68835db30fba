//! A ledger as `ledger checkpoint`, `ledger export` and `ledger verify` give it.

use sinergi_proto::operator_api;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A signed checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Checkpoint {
    /// `<federation>/<agency>/<epoch>`.
    pub origin: String,
    /// Leaves that it covers.
    pub size: u64,
    /// Root hash, base64.
    pub root: String,
    /// The whole signed note (C2SP `tlog-checkpoint`).
    pub note: String,
}

impl Checkpoint {
    /// Reads the first lines of a signed note; `None` if it is no checkpoint.
    pub fn read(note: &[u8]) -> Option<Self> {
        let note = std::str::from_utf8(note).ok()?.to_owned();
        let mut lines = note.lines();
        let (origin, size, root) = (lines.next()?.to_owned(), lines.next()?.parse().ok()?, lines.next()?.to_owned());
        Some(Self { origin, size, root, note })
    }
}

/// The result of a ledger's export.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// The folder.
    pub folder: PathBuf,
    /// The checkpoint in it, which covers everything else.
    pub checkpoint: Option<Checkpoint>,
    /// Files that were written, the checkpoint aside.
    pub files_written: u64,
    /// What they hold.
    pub bytes_written: u64,
    /// Files that were there already, of those that the ledger has grown by.
    pub files_kept: u64,
}

impl Export {
    /// One that has just begun.
    pub fn into(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), checkpoint: None, files_written: 0, bytes_written: 0, files_kept: 0 }
    }
}

/// The result of a ledger's verification.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Bytes that were checked.
    pub checked: u64,
    /// Bytes that the ledger has.
    pub total: u64,
    /// What is wrong; empty if nothing is.
    pub findings: Vec<VerificationFinding>,
}

document! {
    /// Something wrong in a ledger.
    VerificationFinding from operator_api::VerifyFinding as finding {
        /// The file.
        file: String,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        problem: String,
        /// What to do.
        advice: String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_from_its_note() {
        let note = "pilot/ksp/1\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n— pilot/ksp/1 9Ixo\n";
        let checkpoint = Checkpoint::read(note.as_bytes()).expect("a checkpoint");
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("pilot/ksp/1", 8));
        assert_eq!(checkpoint.note, note);
        assert!(Checkpoint::read(b"something else").is_none());
    }
}
