//! `sinergi charter sign`: adds a manager's signature. With the first signature a draft becomes a signed note.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sinergi_daemon::storage::keys;

use super::files;
use crate::charter::{CharterWorkError, Paper};
use crate::failure::Failure;
use crate::options::Context;

/// Options of `charter sign`.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// The draft, or the note with other signatures
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The manager or the key name that the key must belong to
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The manager's private key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Write the signed note to this new file, and do not change the other one
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The result of signing.
#[derive(Serialize)]
struct SignedView {
    file: PathBuf,
    version: u64,
    hash: String,
    manager: String,
    key: String,
    already_signed: bool,
    signed_by: Vec<String>,
    threshold: usize,
}

/// Runs the command.
pub(super) fn run(args: &SignArgs, context: &Context) -> Result<(), Failure> {
    let cannot = || Failure::failed(format!("cannot sign {}", args.file.display()));
    let paper = files::read(&args.file)?;
    let key = keys::load(&args.key).map_err(|error| cannot().because(error))?;
    let signed = paper.sign(args.name.as_deref(), &key).map_err(|error| {
        let help = match &error {
            CharterWorkError::UnknownKey { .. } => {
                format!("sign with the key of one of them; {} is another", args.key.display())
            }
            CharterWorkError::OtherManager { .. } => "name the manager whose key it is, or leave --name out".to_owned(),
            _ => "nothing was signed; see the text with `sinergi charter show`".to_owned(),
        };
        cannot().because(error).help(help)
    })?;
    let note = Paper::Note(signed.note);
    let charter = note.charter().map_err(|error| cannot().because(error))?;
    let signed_by =
        note.signers().map_err(|error| cannot().because(error).help("get an unchanged copy of the note"))?;
    let file = match &args.out {
        Some(out) => {
            files::write_new(out, note.bytes())?;
            out
        }
        None if signed.before => &args.file,
        None => {
            files::replace(&args.file, note.bytes())?;
            &args.file
        }
    };
    let view = SignedView {
        file: file.clone(),
        version: charter.version,
        hash: data_encoding::HEXLOWER.encode(&charter.hash),
        manager: signed.manager,
        key: signed.key,
        already_signed: signed.before,
        signed_by,
        threshold: charter.threshold,
    };
    context.output.document(&view, |_, view| sentence(view))
}

fn sentence(view: &SignedView) -> String {
    let done = if view.already_signed { "had signed before; nothing was added to" } else { "signed" };
    let missing = view.threshold.saturating_sub(view.signed_by.len());
    let rest = match missing {
        0 => "enough have signed".to_owned(),
        1 => "1 more signature is needed".to_owned(),
        count => format!("{count} more signatures are needed"),
    };
    format!(
        "{} {done} charter version {} ({})\nsigned by {}: {} of the {} that must, {rest}\nhash {}",
        view.manager,
        view.version,
        view.file.display(),
        view.signed_by.join(", "),
        view.signed_by.len(),
        view.threshold,
        view.hash
    )
}
