//! `sinergi charter key`: makes the key with which a manager signs charters. Charters list the public key, as a C2SP verifier key.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sinergi_config::Federation;
use sinergi_daemon::storage::keys;
use sinergi_proto::tlog::note::NoteKey;

use crate::charter::{manager_key_name, verifier_key};
use crate::failure::Failure;
use crate::options::Context;

/// Options of `charter key`.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// The manager, as in kemendagri; or the key's full name, as in lapor.go.id/manager/kemendagri
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The federation, which makes the key's full name together with the manager
    #[arg(long, value_name = "NAME")]
    pub federation: Option<Federation>,
    /// The new file for the private key
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// The new key.
#[derive(Serialize)]
struct NewKey {
    /// The file with the private key.
    file: PathBuf,
    /// The key's name in signed notes.
    name: String,
    /// The public key, for `charter new --manager`.
    verifier_key: String,
}

/// Runs the command.
pub(super) fn run(args: &KeyArgs, context: &Context) -> Result<(), Failure> {
    let name = key_name(args)?;
    let made = keys::generate().and_then(|key| {
        let verifier = verifier_key(&name, &key).to_string();
        // A name that is not allowed in a verifier key is refused before the file is written.
        NoteKey::parse(&verifier).map(|_| keys::write_new(&args.out, &key).map(|()| verifier)).ok().transpose()
    });
    let verifier_key =
        made.map_err(|error| Failure::failed("cannot make the key").because(error))?.ok_or_else(|| {
            Failure::usage(format!(
                "{name:?} is not allowed as the name of a key: must not be empty or have spaces or \"+\""
            ))
            .help("name the manager with --name, as in --name kemendagri --federation lapor.go.id")
        })?;
    context.output.document(&NewKey { file: args.out.clone(), name, verifier_key }, |_, key| {
        format!(
            "wrote {}\nverifier key: {}\nKeep the file secret. Give the verifier key to the author of the charter: \
             `sinergi charter new --manager NAME=KEY`.",
            key.file.display(),
            key.verifier_key
        )
    })
}

fn key_name(args: &KeyArgs) -> Result<String, Failure> {
    match &args.federation {
        Some(_) if args.name.contains('/') => {
            Err(Failure::usage(format!("{:?} is the full name of a key already", args.name))
                .help("leave --federation out, or name only the manager with --name"))
        }
        Some(federation) => Ok(manager_key_name(federation, &args.name)),
        None if args.name.contains('/') => Ok(args.name.clone()),
        None => Err(Failure::usage(format!("{:?} names a manager, but not the federation", args.name))
            .help("add --federation NAME, or give the key's full name, as in lapor.go.id/manager/kemendagri")),
    }
}
