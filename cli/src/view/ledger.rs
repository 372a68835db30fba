//! The documents of a ledger, for `ledger checkpoint`, `ledger export` and `ledger verify`.

use sinergi_proto::operator_api;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A signed checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Checkpoint {
    /// The origin: `<federation>/<agency>/<epoch>`.
    pub origin: String,
    /// The number of leaves that it covers.
    pub size: u64,
    /// The root hash in base64.
    pub root: String,
    /// The signed note (C2SP `tlog-checkpoint`).
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
    /// The number of written files, without the checkpoint.
    pub files_written: u64,
    /// The size of these files in bytes.
    pub bytes_written: u64,
    /// The number of new files that existed already.
    pub files_kept: u64,
}

impl Export {
    /// An export that has just started.
    pub fn into(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), checkpoint: None, files_written: 0, bytes_written: 0, files_kept: 0 }
    }
}

/// The result of a ledger's verification.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// The number of checked bytes.
    pub checked: u64,
    /// The size of the ledger in bytes.
    pub total: u64,
    /// The problems; empty if there are none.
    pub findings: Vec<VerificationFinding>,
}

document! {
    /// A problem of a ledger.
    VerificationFinding from operator_api::VerifyFinding as finding {
        /// The file.
        file: String,
        /// The position in the file, in bytes.
        offset: u64,
        /// The problem, in words.
        problem: String,
        /// Advice for the operator.
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
