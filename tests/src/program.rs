//! The programs under test, and the command line as a user runs it. The programs are in the same folder as the running test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The programs that are built: those that agencies install, and the one that only the demo starts.
const PROGRAMS: [&str; 3] = ["sinergi", "sinergid", "sinergi-liar"];
/// The environment variable with a folder of programs to use instead of building them, to compare two releases.
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

/// The folder with the programs under test, all of them up to date. Cargo puts this program there as well.
///
/// The first call runs cargo to build them in this program's profile. That is fast if `cargo build` has built the workspace in that profile
/// before. The build names the whole workspace, because with `--package` cargo selects other features of the dependencies, and compiles all
/// of them a second time. Cargo reports its progress on standard error, because a benchmark that compiles first must not look like one that
/// hangs.
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
    // Tests are in <target>/<folder of the profile>/deps, and programs one folder above.
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

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
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

/// Runs a command to its end, without the environment variables that `sinergi` reads.
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
