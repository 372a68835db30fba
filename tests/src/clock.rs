//! A node's wall clock, which a test sets while the node runs. The node is a real process. `shim/clock.c` is preloaded between it and the C
//! library.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::NamedTempFile;

use crate::shim;

/// The wall clock of one node.
pub struct Clock {
    control: NamedTempFile,
}

impl Clock {
    /// A clock that is right.
    pub fn right() -> Self {
        let mut control = NamedTempFile::new().expect("a temporary file");
        control.write_all(&0_i64.to_ne_bytes()).expect("written");
        Self { control }
    }

    /// The environment variables that give a process this clock.
    pub fn environment(&self) -> Vec<(String, OsString)> {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let shim: &Path = BUILT.get_or_init(|| shim::build("clock"));
        vec![("LD_PRELOAD".to_owned(), shim.into()), ("SINERGI_CLOCK".to_owned(), self.control.path().into())]
    }

    /// Sets the clock ahead of the right time by these seconds, or behind it if the number is negative.
    pub fn set_ahead(&self, seconds: i64) {
        let file: &File = self.control.as_file();
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("written");
    }
}
