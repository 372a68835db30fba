//! Go programs that check Sinergi's formats with Go's transparency-log packages, which share no code with Sinergi.
//!
//! They need `go` and Debian's `golang-golang-x-mod-dev`. If these are missing, a test says so and checks nothing. With
//! `SINERGI_REQUIRE_GO=1`, as in CI, it fails.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::program::{Said, said};

/// The folder of the programs.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop");
/// The folder of Debian's Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// A program that was built for one test, with a folder for the files that it checks.
pub struct GoProgram {
    program: PathBuf,
    folder: TempDir,
}

impl GoProgram {
    /// Builds `interop/NAME.go`. Returns `None`, after a message, if Go or its package is not installed.
    pub fn build(name: &str) -> Option<Self> {
        let is_installed = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success())
            && Path::new(PACKAGES).join("src/golang.org/x/mod/sumdb/note").is_dir();
        if !is_installed {
            let required = std::env::var("SINERGI_REQUIRE_GO").is_ok_and(|value| value == "1");
            assert!(!required, "SINERGI_REQUIRE_GO=1, and go or {PACKAGES}/src/golang.org/x/mod is missing");
            // The test harness hides the output of `eprintln!`.
            let _ = writeln!(
                std::io::stderr(),
                "NOT CHECKED against Go: install golang-go and golang-golang-x-mod-dev; SINERGI_REQUIRE_GO=1 insists"
            );
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join(name);
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(Path::new(SOURCES).join(format!("{name}.go")));
        build.env("GO111MODULE", "off").env("GOPATH", PACKAGES).env("GOFLAGS", "").env("GOCACHE", cache());
        let built = said(&mut build);
        assert_eq!(built.code, 0, "{built:?}");
        Some(Self { program, folder })
    }

    /// The folder for the files that it checks.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into its folder, and returns the path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// Runs it to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Said {
        said(Command::new(&self.program).args(arguments))
    }
}

/// Go's build cache, in the target folder, so that Go compiles its library once.
fn cache() -> PathBuf {
    let this = std::env::current_exe().expect("a program has a path");
    this.parent().expect("a program lies in a folder").join("go-cache")
}
