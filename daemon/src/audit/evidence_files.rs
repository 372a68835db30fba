//! The files of the evidence folder: their names, and the room that findings against one agency may take.
//!
//! Must not know what a file holds.
//!
//! Invariants:
//! - a file exists as a whole or not at all;
//! - there are at most [`FILES`] files, and at most [`FILES_AGAINST_ONE`] of them accuse one agency. So one liar does not take the room of evidence
//!   against others;
//! - a statement never takes the place of a proven finding.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::evidence::{EvidenceError, Finding, Statement};

use crate::base::atomic_file;

/// Largest number of files.
const FILES: usize = 10_000;
/// Largest number of files that accuse one agency.
const FILES_AGAINST_ONE: usize = 500;
const ENDING: &str = "evidence";
/// Number of bytes of a finding's id in the name of its file.
const ID_BYTES: usize = 8;

/// The folder. Its user makes sure that one call of [`Self::room`] and [`Self::write`] at a time is under way.
pub(super) struct EvidenceFiles {
    pub(super) folder: PathBuf,
}

/// The name of a file without the ending: `ACCUSED-FINDING-ID`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName {
    accused: AgencyId,
    finding: Finding,
    text: String,
}

/// The room for one more file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// The finding is kept already.
    Kept,
    /// There is room.
    Free,
    /// There is room once this statement against the same agency is removed.
    InsteadOf(FileName),
}

/// Evidence cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A system call failed.
    #[error("evidence file {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file does not hold valid evidence.
    #[error("evidence file {}: {source}", path.display())]
    Evidence {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: EvidenceError,
    },
    /// There is no such file.
    #[error("there is no evidence {0:?}: see `sinergi evidence list`")]
    Unknown(String),
    /// The folder holds too many files.
    #[error("{} holds {FILES} evidence files already: move some elsewhere", .0.display())]
    Full(PathBuf),
    /// The folder holds too many files against one agency.
    #[error("{} holds {FILES_AGAINST_ONE} evidence files against {accused} already: move some elsewhere", folder.display())]
    FullOfOne {
        /// The agency.
        accused: AgencyId,
        /// The folder.
        folder: PathBuf,
    },
}

impl FileName {
    pub(super) fn of(statement: &Statement) -> Self {
        let Statement { id, finding, accused, .. } = statement;
        let text = format!("{accused}-{finding}-{}", HEXLOWER.encode(&id[..ID_BYTES]));
        Self { accused: accused.clone(), finding: *finding, text }
    }

    /// The name with this text. `None` if it names no finding, as that of a file which the operator put there.
    fn parse(text: &str) -> Option<Self> {
        let (rest, id) = text.rsplit_once('-')?;
        let (accused, finding) = rest.rsplit_once('-')?;
        let is_id = HEXLOWER.decode(id.as_bytes()).is_ok_and(|id| id.len() == ID_BYTES);
        let (accused, finding) = (accused.parse().ok()?, Finding::named(finding)?);
        is_id.then(|| Self { accused, finding, text: text.to_owned() })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl EvidenceFiles {
    /// The room for the file of a finding.
    ///
    /// # Errors
    /// There is none, or the folder cannot be read.
    pub(super) fn room(&self, new: &FileName) -> Result<Room, FolderError> {
        let path = self.path(new.as_str());
        let is_there = path.try_exists().map_err(|source| FolderError::Io { path, source })?;
        if is_there {
            // The newest silence says the most. Of all other findings the first proof is as good as any.
            return Ok(if new.finding == Finding::Unresponsive { Room::Free } else { Room::Kept });
        }
        let names = self.names()?;
        let against: Vec<FileName> =
            names.iter().filter_map(|name| FileName::parse(name)).filter(|name| name.accused == new.accused).collect();
        if against.len() >= FILES_AGAINST_ONE {
            let full = || FolderError::FullOfOne { accused: new.accused.clone(), folder: self.folder.clone() };
            let last = self.last_statement(against)?.filter(|_| new.finding.is_proven());
            return last.map(Room::InsteadOf).ok_or_else(full);
        }
        if names.len() >= FILES {
            return Err(FolderError::Full(self.folder.clone()));
        }
        Ok(Room::Free)
    }

    /// Writes the file of a finding into its room.
    ///
    /// # Errors
    /// It cannot be written, or the file in its place cannot be removed.
    pub(super) fn write(&self, name: &FileName, room: Room, content: &[u8]) -> Result<(), FolderError> {
        let path = self.path(name.as_str());
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| atomic_file::replace(&path, content));
        written.map_err(|source| FolderError::Io { path, source })?;
        if let Room::InsteadOf(statement) = room {
            let path = self.path(statement.as_str());
            std::fs::remove_file(&path).map_err(|source| FolderError::Io { path, source })?;
        }
        Ok(())
    }

    /// The statement among these that was kept last.
    fn last_statement(&self, names: Vec<FileName>) -> Result<Option<FileName>, FolderError> {
        let mut last: Option<(SystemTime, FileName)> = None;
        for name in names.into_iter().filter(|name| !name.finding.is_proven()) {
            let path = self.path(name.as_str());
            let written = path.metadata().and_then(|about| about.modified());
            let kept = (written.map_err(|source| FolderError::Io { path, source })?, name);
            if last.as_ref().is_none_or(|last| *last < kept) {
                last = Some(kept);
            }
        }
        Ok(last.map(|(_, name)| name))
    }

    /// The file with this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ENDING}"))
    }

    /// The names of all files, without the ending, in order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn names(&self) -> Result<Vec<String>, FolderError> {
        let io = |source| FolderError::Io { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(io)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    const CITY: &str = "kota-bandung";

    struct Folder {
        files: EvidenceFiles,
        _temporary: tempfile::TempDir,
    }

    fn folder() -> Folder {
        let temporary = tempfile::tempdir().expect("a folder");
        Folder { files: EvidenceFiles { folder: temporary.path().join("evidence") }, _temporary: temporary }
    }

    fn name(accused: &str, finding: Finding, number: u16) -> FileName {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let accused = accused.parse().expect("an agency id");
        FileName::of(&Statement { id, finding, accused, complaint: None, text: String::new() })
    }

    impl Folder {
        /// Keeps a finding as the daemon does. Returns whether it is kept now.
        fn keeps(&self, name: &FileName, content: &str) -> bool {
            match self.files.room(name) {
                Ok(Room::Kept) => true,
                Ok(room) => self.files.write(name, room, content.as_bytes()).is_ok(),
                Err(FolderError::FullOfOne { .. } | FolderError::Full(_)) => false,
                Err(error) => panic!("{error}"),
            }
        }

        /// Fills the part of the city with statements that were kept one second after another.
        fn fills(&self, finding: Finding) {
            for number in 0..500 {
                let name = name(CITY, finding, number);
                assert!(self.keeps(&name, "first"), "{number}");
                let file = File::options().write(true).open(self.files.path(name.as_str())).expect("a file");
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + u64::from(number));
                file.set_modified(at).expect("a time");
            }
        }

        fn holds(&self, name: &FileName) -> bool {
            self.files.path(name.as_str()).exists()
        }

        fn content(&self, name: &FileName) -> String {
            std::fs::read_to_string(self.files.path(name.as_str())).expect("a file")
        }
    }

    #[test]
    fn a_finding_is_kept_as_it_was_found_first_and_a_silence_as_it_was_found_last() {
        let folder = folder();
        for (finding, expected) in [(Finding::Omitted, "first"), (Finding::Unresponsive, "second")] {
            let name = name(CITY, finding, 1);
            assert!(folder.keeps(&name, "first") && folder.keeps(&name, "second"));
            assert_eq!(folder.content(&name), expected);
        }
        assert_eq!(folder.files.names().expect("names").len(), 2);
    }

    #[test]
    fn one_agency_fills_only_its_part_and_evidence_against_others_is_still_kept() {
        let folder = folder();
        folder.fills(Finding::Omitted);
        assert!(!folder.keeps(&name(CITY, Finding::Omitted, 500), "first"));
        // The name of the one agency begins with the name of the other.
        for other in ["kota", "kota-bandung-omitted", "prov-jabar"] {
            assert!(folder.keeps(&name(other, Finding::Withheld, 500), "first"), "{other}");
        }
        assert!(folder.keeps(&name(CITY, Finding::Omitted, 7), "again"), "it is kept already");
        assert_eq!(folder.files.names().expect("names").len(), 503);
    }

    #[test]
    fn a_proven_finding_replaces_the_statement_that_was_kept_last_and_never_a_proven_one() {
        let folder = folder();
        folder.fills(Finding::Withheld);
        assert!(!folder.keeps(&name(CITY, Finding::Unsigned, 500), "first"), "a statement replaces nothing");
        let proven = |number| name(CITY, Finding::Forked, number);
        assert!(folder.keeps(&proven(0), "first"));
        assert!(folder.holds(&proven(0)) && !folder.holds(&name(CITY, Finding::Withheld, 499)));
        assert!(folder.holds(&name(CITY, Finding::Withheld, 498)));
        assert!((1..500).all(|number| folder.keeps(&proven(number), "first")));
        assert!(!folder.keeps(&proven(500), "first"), "all are proven");
        assert!(!folder.keeps(&name(CITY, Finding::Withheld, 0), "first"), "all are proven");
        assert_eq!(folder.files.names().expect("names").len(), 500);
    }

    #[test]
    fn a_file_that_the_operator_put_there_accuses_nobody() {
        for other in ["all", "kota-bandung-omitted", "kota-bandung-unheard_of-0001000000000000", "kota-omitted-00"] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
        let name = name(CITY, Finding::RolledBack, 1);
        assert_eq!(FileName::parse(name.as_str()), Some(name));
    }
}
