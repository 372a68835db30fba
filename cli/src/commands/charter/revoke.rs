//! `sinergi charter revoke`: takes the keys that a list names out of a draft, and revokes them there.

use std::path::PathBuf;

use clap::Args;
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::{files, trusted};
use crate::charter::{self, CharterWorkError, Paper};
use crate::failure::Failure;
use crate::options::Context;

/// Options of `charter revoke`.
#[derive(Args, Clone, Debug)]
pub struct RevokeArgs {
    /// The draft of the next version
    #[arg(value_name = "DRAFT")]
    pub draft: PathBuf,
    /// The list of what stays trusted under the keys, from `charter trusted make`
    #[arg(value_name = "LIST")]
    pub list: PathBuf,
}

/// The revocation in the draft.
#[derive(Serialize)]
struct Revoked {
    file: PathBuf,
    version: u64,
    agency: String,
    keys: Vec<String>,
    list: String,
    /// Number of keys that the draft still lists for the agency.
    keys_left: usize,
}

/// Runs the command.
pub(super) fn run(args: &RevokeArgs, context: &Context) -> Result<(), Failure> {
    let cannot = || Failure::failed(format!("cannot change {}", args.draft.display()));
    let paper = files::read(&args.draft)?;
    if matches!(paper, Paper::Note(_)) {
        let help = "revoke the keys in the next version: `sinergi charter new --successor-of FILE`";
        return Err(cannot().because(CharterWorkError::Signed).help(help));
    }
    let mut text = paper.text().map_err(|error| cannot().because(error))?;
    let list = trusted::read_list(&args.list)?;
    let keys_left = charter::revoke(&mut text, &list);
    let draft = charter::draft(&text).map_err(|error| cannot().because(error).help("nothing was changed"))?;
    files::replace(&args.draft, draft.bytes())?;
    let revoked = Revoked {
        file: args.draft.clone(),
        version: text.version,
        agency: list.agency().to_string(),
        keys: list.key_numbers().map(|number| format!("{number:08x}")).collect(),
        list: HEXLOWER.encode(&list.hash()),
        keys_left,
    };
    context.output.document(&revoked, |_, revoked| {
        let mut text = format!(
            "{} revokes {} of {}\nThe managers sign it, and get the list with it: a node needs both.",
            revoked.file.display(),
            revoked.keys.join(", "),
            revoked.agency
        );
        if revoked.keys_left == 0 {
            text += "\nThe agency has no keys left in it: add its new ones with `sinergi charter add --replace`.";
        }
        text
    })
}
