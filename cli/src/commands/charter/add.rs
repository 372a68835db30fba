//! `sinergi charter add`: adds agencies to a draft.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sinergi_daemon::storage::keys;

use super::files;
use crate::charter::{self, CharterWorkError, Paper};
use crate::failure::Failure;
use crate::options::Context;

/// Options of `charter add`.
#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// The draft
    #[arg(value_name = "DRAFT")]
    pub draft: PathBuf,
    /// The blocks that `init` wrote; add a parent before its children, or together with them in any order
    #[arg(value_name = "MEMBER.TOML", required = true)]
    pub members: Vec<PathBuf>,
    /// Let a block replace one with the same id
    #[arg(long)]
    pub replace: bool,
}

/// The changes to the draft.
#[derive(Serialize)]
struct Changed {
    file: PathBuf,
    version: u64,
    added: Vec<String>,
    replaced: Vec<String>,
    members: usize,
}

/// Runs the command.
pub(super) fn run(args: &AddArgs, context: &Context) -> Result<(), Failure> {
    let cannot = || Failure::failed(format!("cannot change {}", args.draft.display()));
    let paper = files::read(&args.draft)?;
    if matches!(paper, Paper::Note(_)) {
        return Err(cannot()
            .because(CharterWorkError::Signed)
            .help("add the agency to the next version: `sinergi charter new --successor-of FILE`"));
    }
    let mut text = paper.text().map_err(|error| cannot().because(error))?;
    let (mut added, mut replaced) = (Vec::new(), Vec::new());
    for file in &args.members {
        let failed = || Failure::failed(format!("cannot add {}", file.display()));
        let block = keys::read_public(file).map_err(|error| failed().because(error))?;
        for member in charter::member_blocks(&block).map_err(|error| failed().because(error))? {
            let id = member.id.to_string();
            match charter::add_member(&mut text, member, args.replace) {
                Ok(true) => replaced.push(id),
                Ok(false) => added.push(id),
                Err(error) => {
                    return Err(failed().because(error).help("with --replace the new block takes its place"));
                }
            }
        }
    }
    let draft = charter::draft(&text).map_err(|error| {
        cannot()
            .because(error)
            .help("nothing was changed; a parent must be listed before its children, or be added with them")
    })?;
    files::replace(&args.draft, draft.bytes())?;
    let changed =
        Changed { file: args.draft.clone(), version: text.version, added, replaced, members: text.member.len() };
    context.output.document(&changed, |_, changed| {
        let said = [("added", &changed.added), ("replaced", &changed.replaced)]
            .into_iter()
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(verb, ids)| format!("{verb} {}\n", ids.join(", ")));
        said.collect::<String>() + &format!("{} lists {} members", changed.file.display(), changed.members)
    })
}
