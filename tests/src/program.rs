//! The programs under test, which lie beside the test that runs; and the command line as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What is built: what agencies install, and what the demo starts beside it.
const PROGRAMS: [&str; 3] = ["sinergi", "sinergid", "sinergi-liar"];
/// An environment variable that names a folder. The programs are taken from there, and nothing is built. Compares the figures of two releases.
const PREBUILT: &str = "SINERGI_PROGRAMS";

/// The `sinergi` command line.
pub fn sinergi() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| folder().join("sinergi"))
}

/// The `sinergid` daemon.
pub fn sinergid() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| folder().join("sinergid"))
}

/// The folder of the programs under test, all of them current: where cargo put this program as well.
///
/// The first call has cargo build them, in this program's profile. Cargo finds them current at once when `cargo build` has built the workspace
/// in that profile. Otherwise it compiles what has changed and links them. For that the whole workspace must be named: for `--package` alone
/// cargo selects other features of the dependencies, and compiles all of them a second time. Cargo reports its progress on standard error,
/// because a benchmark that compiles first must not look like one that hangs.
///
/// If the environment variable `SINERGI_PROGRAMS` names a folder, the programs there are used as they are.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os(PREBUILT) {
        // Absolute, because a test may run a program in another folder.
        Some(folder) => Path::new(&folder).canonicalize().expect("SINERGI_PROGRAMS names a folder"),
        None => build(),
    })
}

fn build() -> PathBuf {
    let this = std::env::current_exe().expect("a program has a path");
    // Tests lie in <target>/<folder of the profile>/deps, programs one folder above.
    let own = this.parent().expect("a program lies in a folder");
    let folder = if own.ends_with("deps") { own.parent().expect("deps lies in a profile's folder") } else { own };
    let target = folder.parent().expect("profiles lie in the target folder");
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
    command.args(["build", "--workspace", "--profile", profile_of(folder)]);
    command.args(PROGRAMS.iter().flat_map(|program| ["--bin", program]));
    let built = command.status().expect("cargo runs");
    assert!(built.success(), "{PROGRAMS:?} cannot be built");
    folder.to_owned()
}

/// The profile whose products lie in a folder. The folder of `dev` is not named after it.
fn profile_of(folder: &Path) -> &str {
    match folder.file_name().and_then(|name| name.to_str()).expect("a profile's folder has a name") {
        "debug" => "dev",
        name => name,
    }
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
