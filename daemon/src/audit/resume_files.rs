//! The points from which the next audits go on, in the node's data folder: one file for each agency.
//!
//! ```text
//! sinergi audit 1\n   hash of the rest as a leaf (32 bytes)   postcard
//! ```
//!
//! Must not know what a point means.
//!
//! Invariant: a file that is missing, damaged or of another format means that the next audit begins at the start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::tlog::tree::leaf_hash;
use sinergi_proto::transparency::audit::resume::Resume;

use crate::base::atomic_file;
use crate::storage::ledger::Position;

const HEADER: &[u8] = b"sinergi audit 1\n";
/// The folder in the node's data folder.
const FOLDER: &str = "audits";

/// The files.
#[derive(Clone, Debug)]
pub(super) struct ResumeFiles {
    folder: PathBuf,
}

impl ResumeFiles {
    /// The files of the node with this data folder, which starts with a ledger that ends here. Removes the points that do not fit: the ledger may have
    /// lost records since, and other ones may come in their place.
    pub(super) fn open(data: &Path, epoch: Epoch, end: Position) -> Self {
        let files = Self { folder: data.join(FOLDER) };
        for entry in fs::read_dir(&files.folder).into_iter().flatten().flatten() {
            let agency = entry.file_name().to_str().and_then(|name| name.parse::<AgencyId>().ok());
            let is_of = |resume: Resume| resume.is_of(epoch, end.to_bits());
            if agency.and_then(|agency| files.load(&agency)).is_some_and(is_of) {
                continue;
            }
            if let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!("{}: {error}: it is of another ledger, and should be removed", entry.path().display());
            }
        }
        files
    }

    /// The point from which the audit of an agency goes on.
    pub(super) fn load(&self, agency: &AgencyId) -> Option<Resume> {
        let bytes = fs::read(self.path(agency)).ok()?;
        let (sum, point) = bytes.strip_prefix(HEADER)?.split_at_checked(32)?;
        if leaf_hash(point) != sum {
            tracing::warn!("{}: damaged: the next audit begins at the start", self.path(agency).display());
            return None;
        }
        postcard::from_bytes(point).ok()
    }

    /// Keeps the point for the next audit of an agency. If it cannot be kept, the next audit goes on from an earlier one.
    pub(super) fn keep(&self, agency: &AgencyId, resume: &Resume) {
        let kept = || -> io::Result<()> {
            let point = postcard::to_allocvec(resume).map_err(io::Error::other)?;
            fs::create_dir_all(&self.folder)?;
            atomic_file::replace(&self.path(agency), &[HEADER, &leaf_hash(&point), &point].concat())
        };
        if let Err(error) = kept() {
            tracing::warn!("{}: {error}: the next audit begins earlier", self.path(agency).display());
        }
    }

    fn path(&self, agency: &AgencyId) -> PathBuf {
        self.folder.join(agency.as_str())
    }
}
