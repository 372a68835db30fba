//! Copies and searches folders of nodes.

use std::fs;
use std::path::{Path, PathBuf};

/// Copies a folder and everything in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a file");
        }
    }
}

/// The files below a folder that contain these bytes.
pub fn files_with(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match fs::read(&path) {
                _ if path.is_dir() => folders.push(path),
                Ok(held) if held.windows(bytes.len()).any(|window| window == bytes) => found.push(path),
                // A socket cannot be read, and a file may be removed during the search.
                _ => {}
            }
        }
    }
    found
}
