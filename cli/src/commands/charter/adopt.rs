//! `sinergi charter adopt`: stores the federation's first charter in a node's folder, and pins its hash.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::files;
use crate::commands::init::adopt_first_charter;
use crate::failure::Failure;
use crate::options::Context;

/// Options of `charter adopt`.
#[derive(Args, Clone, Debug)]
pub struct AdoptArgs {
    /// The signed first charter
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The adopted charter.
#[derive(Serialize)]
struct Adopted {
    node: PathBuf,
    pin: String,
}

/// Runs the command.
pub(super) fn run(args: &AdoptArgs, context: &Context) -> Result<(), Failure> {
    let folder = context.target.folder().ok_or_else(|| {
        Failure::usage("adopting a charter needs the node's folder, and --socket names only its socket")
            .help("name the node's folder with --node DIR")
    })?;
    let pin = adopt_first_charter(folder, &files::read_bytes(&args.file)?)?;
    let adopted = Adopted { node: folder.to_owned(), pin: pin.to_string() };
    context.output.document(&adopted, |_, adopted| {
        let node = adopted.node.display();
        format!(
            "the node in {node} pins the charter\n  {}\nCompare this hash with another agency over a second channel, \
             then start the node: `sinergi --node {node} run`.",
            adopted.pin
        )
    })
}
