//! `sinergi charter adopt`: stores the federation's first charter in a node's folder, and pins its hash. Later versions come over the links; a node
//! that no link reaches gets them in this way as well.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sinergi_config::{Config, defaults};
use sinergi_daemon::storage::charters::{CharterStore, CharterStoreError};
use sinergi_proto::charter::Charter;

use super::files;
use super::trusted::read_list;
use crate::commands::init::adopt_first_charter;
use crate::failure::Failure;
use crate::options::Context;

/// Options of `charter adopt`.
#[derive(Args, Clone, Debug)]
pub struct AdoptArgs {
    /// The signed first charter, or the one that follows the newest charter in the folder
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A list of what stays trusted under revoked keys, which the charter names
    #[arg(long = "list", value_name = "LIST")]
    pub lists: Vec<PathBuf>,
}

/// The adopted charter.
#[derive(Serialize)]
struct Adopted {
    node: PathBuf,
    pin: String,
}

/// The adopted successor.
#[derive(Serialize)]
struct AdoptedSuccessor {
    folder: PathBuf,
    version: u64,
}

/// Runs the command.
pub(super) fn run(args: &AdoptArgs, context: &Context) -> Result<(), Failure> {
    let folder = context.target.folder().ok_or_else(|| {
        Failure::usage("adopting a charter needs the node's folder, and --socket names only its socket")
            .help("name the node's folder with --node DIR")
    })?;
    let config = Config::load(&folder.join(defaults::FILE));
    let config = config.map_err(|error| Failure::failed("cannot read the node's configuration").because(error))?;
    let note = files::read_bytes(&args.file)?;
    if config.charter.pin.is_some() && Charter::parse(&note).is_ok_and(|charter| charter.version > 1) {
        return adopt_successor(args, &config, &note, context);
    }
    let pin = adopt_first_charter(folder, &note)?;
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

/// Stores the successor of the newest charter. The node uses it from its next start on.
fn adopt_successor(args: &AdoptArgs, config: &Config, note: &[u8], context: &Context) -> Result<(), Failure> {
    let cannot = || Failure::failed(format!("cannot adopt {}", args.file.display()));
    let store = CharterStore::load(&config.charter).map_err(|error| cannot().because(error))?;
    let mut lists = args.lists.iter();
    let adopted = loop {
        let list = lists.next().map(|path| read_list(path)).transpose()?;
        let is_last = list.is_none();
        match store.adopt(note, list) {
            Ok(adopted) => break adopted,
            // The list was kept, and another one may be the missing one.
            Err(CharterStoreError::MissingList(_)) if !is_last => {}
            Err(error @ CharterStoreError::MissingList(_)) => {
                return Err(cannot().because(error).help("name the file with the list: --list FILE"));
            }
            Err(error) => return Err(cannot().because(error)),
        }
    };
    let version = AdoptedSuccessor { folder: config.charter.directory.clone(), version: adopted.version };
    context.output.document(&version, |_, adopted| {
        format!(
            "charter version {} is in {}\nRestart the node if it runs, so that it uses it.",
            adopted.version,
            adopted.folder.display()
        )
    })
}
