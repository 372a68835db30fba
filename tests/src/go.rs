//! Programs in Go that check what Sinergi makes, with Go's own transparency-log packages, which share no code with it.
//!
//! Needs `go` and Debian's `golang-golang-x-mod-dev`. Where they are missing a test says so and checks nothing, unless
//! `SINERGI_REQUIRE_GO=1` says that they must be there, as in CI.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::program::{Said, said};

/// Where the programs are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop");
/// Where Debian puts the sources of Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// A program, built for one test, with a folder for what it is to check.
pub struct GoProgram {
    program: PathBuf,
    folder: TempDir,
}

impl GoProgram {
    /// Builds `interop/NAME.go`. `None`: Go or its package is not installed here, which was said aloud.
    pub fn build(name: &str) -> Option<Self> {
        let there = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success())
            && Path::new(PACKAGES).join("src/golang.org/x/mod/sumdb/note").is_dir();
        if !there {
            let required = std::env::var("SINERGI_REQUIRE_GO").is_ok_and(|value| value == "1");
            assert!(!required, "SINERGI_REQUIRE_GO=1, and go or {PACKAGES}/src/golang.org/x/mod is missing");
            // Not by `eprintln!`, which is kept from whoever runs the tests.
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

    /// The folder for what it is to check.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file there.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// What it says.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Said {
        said(Command::new(&self.program).args(arguments))
    }
}

/// Go's build cache lies beside Cargo's, so that its library is compiled once.
fn cache() -> PathBuf {
    let this = std::env::current_exe().expect("a program has a path");
    this.parent().expect("a program lies in a folder").join("go-cache")
}
