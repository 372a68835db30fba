//! The folder of the demo's nodes: the user's or a temporary one.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The folder of all nodes.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// Deletes the folder when it is dropped.
    temporary: Option<tempfile::TempDir>,
}

impl Place {
    /// The given folder, which must be empty or new. If none is given, a temporary folder.
    ///
    /// # Errors
    /// The folder is not empty, or cannot be created.
    pub fn make(given: Option<&Path>) -> Result<Self, Failure> {
        let Some(given) = given else {
            let folder = tempfile::Builder::new().prefix("sinergi-demo-").tempdir();
            let folder = folder.map_err(|error| Failure::failed("cannot make a temporary folder").because(error))?;
            return Ok(Self { path: folder.path().to_owned(), temporary: Some(folder) });
        };
        let cannot = |error| Failure::failed(format!("cannot use the folder {}", given.display())).because(error);
        std::fs::create_dir_all(given).map_err(cannot)?;
        if std::fs::read_dir(given).map_err(cannot)?.next().is_some() {
            return Err(Failure::usage(format!("{} is not empty: a demo needs an empty folder", given.display()))
                .help(
                    "name another folder, or remove what is there; a node of an earlier demo runs with \
                     `sinergi --node DIR/X run`",
                ));
        }
        // Absolute, because the nodes are started with this path, and the user may use it from another folder.
        let path = std::path::absolute(given).map_err(cannot)?;
        Ok(Self { path, temporary: None })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a folder that would be deleted. `None` if it is kept anyway.
    pub fn keep(&mut self) -> Option<&Path> {
        self.temporary.take().map(tempfile::TempDir::keep)?;
        Some(&self.path)
    }

    /// Whether the folder is kept.
    pub fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_folder_that_holds_something_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let new = folder.path().join("a/b");
        let place = Place::make(Some(&new)).expect("made");
        assert_eq!((place.path(), place.is_kept()), (new.as_path(), true));
        let failure = Place::make(Some(folder.path())).expect_err("not empty");
        assert!(failure.message().contains("is not empty"), "{}", failure.message());
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn a_temporary_folder_is_removed_unless_it_is_kept() {
        let place = Place::make(None).expect("made");
        let path = place.path().to_owned();
        assert!(path.exists() && !place.is_kept());
        drop(place);
        assert!(!path.exists());
        let mut place = Place::make(None).expect("made");
        let path = place.keep().expect("it would have been removed").to_owned();
        drop(place);
        std::fs::remove_dir_all(path).expect("it stayed");
    }
}
