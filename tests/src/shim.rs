//! Builds the libraries that are preloaded into nodes, from the C sources in `shim/`, once in each test binary.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Builds `shim/NAME.c`, and returns the path of the library.
pub fn build(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a program has a path");
    let target = this.ancestors().nth(3).expect("tests lie in <target>/<profile>/deps");
    let folder = target.join("tmp");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim").join(name).with_extension("c");
    let (made, shim) =
        (folder.join(format!("{name}-{}.so", std::process::id())), folder.join(name).with_extension("so"));
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .arg(&made)
        .arg(&source)
        .args(["-ldl", "-lpthread"]);
    let built = compiler.status();
    assert!(
        built.as_ref().is_ok_and(ExitStatus::success),
        "a C compiler must be there to build {} ({compiler:?}): {built:?}",
        source.display()
    );
    // A rename is atomic, and another test binary may build the library at the same time.
    std::fs::rename(&made, &shim).expect("in one folder");
    shim
}
