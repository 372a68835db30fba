//! The programs under test: built once a test binary, beside the test itself; and the command line as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The `sinergi` command line, built for this test run.
pub fn sinergi() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("sinergi-cli", "sinergi"))
}

/// The `sinergid` daemon, built for this test run.
pub fn sinergid() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("sinergi-daemon", "sinergid"))
}

/// Builds a binary in the profile of this test, into the folder that this test was built into.
fn build(package: &str, binary: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a program has a path");
    // Tests lie in <target>/<profile>/deps, programs one folder above.
    let folder = this.parent().expect("a program lies in a folder");
    let in_deps = folder.file_name().is_some_and(|name| name == "deps");
    let profile = if in_deps { folder.parent().expect("deps lies in a profile's folder") } else { folder };
    let target = profile.parent().expect("profiles lie in the target folder");
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["build", "--quiet", "--package", package, "--bin", binary]).env("CARGO_TARGET_DIR", target);
    if profile.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    let built = command.status().expect("cargo runs");
    assert!(built.success(), "{binary} cannot be built");
    profile.join(binary)
}

/// What a command of the command line said.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `sinergi --node FOLDER ARGUMENTS` as a script would.
pub fn run_on(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(sinergi());
    command.arg("--node").arg(folder).args(arguments);
    said(&mut command)
}

/// Runs `sinergi ARGUMENTS` in a folder.
pub fn run_in(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(sinergi());
    command.current_dir(folder).args(arguments);
    said(&mut command)
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    for variable in ["SINERGI_NODE", "SINERGI_SOCKET", "SINERGI_OUTPUT"] {
        command.env_remove(variable);
    }
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    Said {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
