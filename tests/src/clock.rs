//! A node's clocks, which a test sets while the node runs. The node is a real process. `shim/clock.c` is preloaded between it and the C
//! library.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::NamedTempFile;

use crate::shim;

/// Bytes of a number of seconds in the control file.
const SECONDS: usize = size_of::<i64>();

/// The clocks of one node, or of several.
pub struct Clock {
    control: NamedTempFile,
}

impl Clock {
    /// Clocks that are right.
    pub fn right() -> Self {
        let mut control = NamedTempFile::new().expect("a temporary file");
        control.write_all(&[0; 2 * SECONDS]).expect("written");
        Self { control }
    }

    /// The environment variables that give a process these clocks.
    pub fn environment(&self) -> Vec<(String, OsString)> {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let shim: &Path = BUILT.get_or_init(|| shim::build("clock"));
        vec![("LD_PRELOAD".to_owned(), shim.into()), ("SINERGI_CLOCK".to_owned(), self.control.path().into())]
    }

    /// Sets the wall clock ahead of the right time by these seconds, or behind it if the number is negative.
    pub fn set_ahead(&self, seconds: i64) {
        self.write(seconds, 0);
    }

    /// Lets the time be so many seconds later than it really is: for the wall clock, and for the clock since the start of the machine.
    pub fn set_passed(&self, seconds: i64) {
        self.write(seconds, SECONDS as u64);
    }

    fn write(&self, seconds: i64, at: u64) {
        let file: &File = self.control.as_file();
        file.write_all_at(&seconds.to_ne_bytes(), at).expect("written");
    }
}
