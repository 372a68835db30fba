//! The folder of an export.
//!
//! Must not know the format of tiles: it writes files to the paths that the node gives.
//!
//! Invariants:
//! - a file is written completely or not at all, and a file that has the same bytes already is not changed;
//! - the checkpoint is written when everything else is on the disk, and files that only the checkpoint before needed are removed after that, so
//!   that no file that the checkpoint covers is ever missing, even after a power loss;
//! - nothing is written outside the folder.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use sinergi_proto::base::limits;
use sinergi_proto::operator_api::TileFile;

use crate::failure::Failure;

/// The path of the signed note.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The mode of the files. They are public, so only the user's umask limits it.
const MODE: u32 = 0o666;

/// The result of writing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The file was written.
    Now,
    /// The file existed already, with the same bytes.
    Before,
}

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
    /// Folders of partial tiles that are full now: at most one per level, and one of entries.
    outgrown: Vec<PathBuf>,
}

impl Folder {
    /// Creates the folder if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(path).map_err(|error| cannot("make the folder", path, error))?;
        Ok(Self { path: path.to_owned(), outgrown: Vec::new() })
    }

    /// The checkpoint of an earlier export; empty if there is none.
    pub(super) fn checkpoint(&self) -> Result<Vec<u8>, Failure> {
        let path = self.path.join(CHECKPOINT);
        let mut note = Vec::new();
        match File::open(&path).and_then(|file| file.take(limits::CHECKPOINT_BYTES as u64).read_to_end(&mut note)) {
            Ok(_) => Ok(note),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(note),
            Err(error) => Err(cannot("read", &path, error)),
        }
    }

    /// Writes a file.
    pub(super) fn put(&mut self, file: &TileFile) -> Result<Written, Failure> {
        let path = self.inside(&file.path)?;
        let written = self.write(&path, &file.data)?;
        let mut partial = path.into_os_string();
        partial.push(".p");
        if file.is_full && Path::new(&partial).is_dir() {
            self.outgrown.push(partial.into());
        }
        Ok(written)
    }

    /// Writes the checkpoint after everything else, and then removes the partial tiles that are full now.
    pub(super) fn publish(self, note: &[u8]) -> Result<(), Failure> {
        self.sync()?;
        self.write(&self.path.join(CHECKPOINT), note)?;
        self.sync()?;
        let remove = |partial: &PathBuf| fs::remove_dir_all(partial).map_err(|error| cannot("remove", partial, error));
        self.outgrown.iter().try_for_each(remove)
    }

    fn sync(&self) -> Result<(), Failure> {
        let synced = File::open(&self.path).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
        synced.map_err(|error| cannot("bring to the disk", &self.path, error))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<Written, Failure> {
        if holds(path, bytes) {
            return Ok(Written::Before);
        }
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(|error| cannot("make the folder", folder, error))?;
        let new = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
            file.write_all(bytes)?;
            file.persist(path)?;
            Ok(())
        };
        new().map_err(|error| cannot("write", path, error))?;
        Ok(Written::Now)
    }

    /// The path of a file of the tree in this folder. Fails if it would be outside.
    fn inside(&self, path: &str) -> Result<PathBuf, Failure> {
        let relative = Path::new(path);
        let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || !is_inside {
            return Err(Failure::failed(format!("the node gave a file for {path:?}, which is not inside the folder")));
        }
        Ok(self.path.join(relative))
    }
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let is_as_long = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
    is_as_long && fs::read(path).is_ok_and(|found| found == bytes)
}

fn cannot(action: &str, path: &Path, error: io::Error) -> Failure {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that disk and repeat the command; what was written is kept"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "run it as a user that may write there, or name another folder"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => {
            "a file stands where a folder belongs, or the reverse: name another folder"
        }
        _ => "name another folder, or repair this one and repeat the command; what was written is kept",
    };
    Failure::failed(format!("cannot {action} {}", path.display())).because(error).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, data: &[u8], is_full: bool) -> TileFile {
        TileFile { path: path.to_owned(), data: data.to_vec(), is_full, ..TileFile::default() }
    }

    #[test]
    fn a_full_tile_replaces_its_partial_ones_once_the_checkpoint_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let tiles = dir.path().join("new/tiles");
        let mut folder = Folder::open(&tiles).expect("made");
        for width in ["1", "7"] {
            let partial = file(&format!("tile/0/x001/067.p/{width}"), width.as_bytes(), false);
            assert_eq!(folder.put(&partial).expect("written"), Written::Now);
            assert_eq!(folder.put(&partial).expect("there"), Written::Before);
        }
        assert_eq!(folder.put(&file("tile/0/x001/067", b"full", true)).expect("written"), Written::Now);
        let names = || fs::read_dir(tiles.join("tile/0/x001")).expect("a listing").count();
        assert_eq!(names(), 2, "the partial ones are those of the checkpoint before");
        folder.publish(b"a note").expect("written");
        assert_eq!(names(), 1);
    }

    #[test]
    fn a_file_is_written_again_only_if_its_bytes_differ() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut folder = Folder::open(dir.path()).expect("there");
        let full = file("tile/0/000", b"full", true);
        let changed_at = || fs::metadata(dir.path().join("tile/0/000")).expect("there").modified().expect("a time");
        assert_eq!(folder.put(&full).expect("written"), Written::Now);
        let there = changed_at();
        assert_eq!(folder.put(&full).expect("there"), Written::Before);
        assert_eq!(changed_at(), there);
        fs::write(dir.path().join("tile/0/000"), b"flul").expect("damaged");
        assert_eq!(folder.put(&full).expect("written"), Written::Now);
        assert_eq!(fs::read(dir.path().join("tile/0/000")).expect("there"), b"full");
    }

    #[test]
    fn the_checkpoint_of_an_earlier_export_is_found() {
        let dir = tempfile::tempdir().expect("a folder");
        let open = || Folder::open(dir.path()).expect("there");
        assert!(open().checkpoint().expect("none").is_empty());
        open().publish(b"a note").expect("written");
        assert_eq!(open().checkpoint().expect("one"), b"a note");
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut folder = Folder::open(&dir.path().join("tiles")).expect("made");
        for path in ["", "../escaped", "/escaped", "tile/../../escaped", "."] {
            assert!(folder.put(&file(path, b"x", false)).is_err(), "{path}");
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a listing").count(), 1);
    }

    #[test]
    fn the_error_for_a_failed_write_names_the_path_and_gives_advice() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("tile"), b"a file").expect("written");
        let mut folder = Folder::open(dir.path()).expect("there");
        let report = folder.put(&file("tile/0/000", b"x", true)).expect_err("a file is in the way").report();
        assert!(report.contains("tile/0") && report.contains("help: a file stands"), "{report}");
        for (kind, words) in [
            (io::ErrorKind::StorageFull, "free space on that disk"),
            (io::ErrorKind::PermissionDenied, "run it as a user that may write there"),
        ] {
            let report = cannot("write", "tiles/tile/0/000".as_ref(), kind.into()).report();
            assert!(report.contains("cannot write tiles/tile/0/000") && report.contains(words), "{report}");
        }
    }
}
