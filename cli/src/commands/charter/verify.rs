//! `sinergi charter verify`: checks whether a charter is trusted: its signatures, the chain from the first version, its validity. Exit code 5 if
//! it is not.

use std::path::PathBuf;

use clap::Args;
use data_encoding::HEXLOWER;
use serde::Serialize;
use sinergi_proto::charter::{Charter, CharterTrustError, Charters, TrustedList};

use super::files;
use super::trusted::read_list;
use super::validity::{self, Validity};
use crate::charter::Paper;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;

/// Options of `charter verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The signed charter
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// An earlier version; repeat it for all earlier versions, in any order, to prove the chain from the first one
    #[arg(long = "predecessor", value_name = "FILE")]
    pub predecessors: Vec<PathBuf>,
    /// A list of what stays trusted under revoked keys; repeat it for all lists that these versions name
    #[arg(long = "list", value_name = "LIST")]
    pub lists: Vec<PathBuf>,
}

/// The result of the check.
#[derive(Serialize)]
struct Verdict {
    file: PathBuf,
    version: u64,
    federation: String,
    hash: String,
    /// The oldest checked version. Only its own managers vouch for it.
    chain_from: u64,
    signed_by: Vec<String>,
    not_signed_by: Vec<String>,
    threshold: usize,
    validity: Validity,
    /// The problems; empty if the charter is trusted.
    problems: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<(), Failure> {
    let found = |error| Failure::findings(format!("{} is no charter", args.file.display())).because(error);
    let paper = Paper::read(&files::read_bytes(&args.file)?).map_err(found)?;
    let charter = paper.charter().map_err(found)?;
    let older = predecessors(args)?;
    if charter.version > 1 && older.is_empty() {
        return Err(Failure::usage(format!(
            "{} is version {}: the managers of version {} must have signed it too",
            args.file.display(),
            charter.version,
            charter.version - 1
        ))
        .help("name all earlier versions, each with --predecessor FILE"));
    }
    let (signers, mut problems) = match paper.signers() {
        Ok(signers) => (signers, Vec::new()),
        Err(error) => (Vec::new(), vec![error.to_string()]),
    };
    let lists: Vec<TrustedList> = args.lists.iter().map(|path| read_list(path)).collect::<Result<_, _>>()?;
    if let Err(error) = chain(&older, lists, &charter, &paper) {
        problems.push(error.to_string());
    }
    let validity = Validity::at(&charter, context.output.now);
    problems.extend(validity.problem().map(str::to_owned));
    let verdict = Verdict {
        file: args.file.clone(),
        version: charter.version,
        federation: charter.federation.clone(),
        hash: HEXLOWER.encode(&charter.hash),
        chain_from: older.first().map_or(charter.version, |(oldest, _)| oldest.version),
        not_signed_by: charter
            .managers
            .iter()
            .map(|manager| manager.name.clone())
            .filter(|name| !signers.contains(name))
            .collect(),
        signed_by: signers,
        threshold: charter.threshold,
        validity,
        problems,
    };
    context.output.document(&verdict, |output, verdict| page(output, verdict, &charter))?;
    match verdict.problems.len() {
        0 => Ok(()),
        _ => Err(Failure::findings(format!("{} is not trusted", args.file.display())).help(
            "collect the missing signatures with `sinergi charter sign`, get an unchanged copy from another agency, or name the missing list with \
             --list FILE",
        )),
    }
}

/// The earlier versions, oldest first.
fn predecessors(args: &VerifyArgs) -> Result<Vec<(Charter, Vec<u8>)>, Failure> {
    let mut older = Vec::new();
    for file in &args.predecessors {
        let bytes = files::read_bytes(file)?;
        let charter = Charter::parse(&bytes)
            .map_err(|error| Failure::findings(format!("{} is no charter", file.display())).because(error))?;
        older.push((charter, bytes));
    }
    older.sort_by_key(|(charter, _)| charter.version);
    Ok(older)
}

/// Checks the chain from the oldest version on. A draft cannot be part of it.
fn chain(
    older: &[(Charter, Vec<u8>)],
    lists: Vec<TrustedList>,
    charter: &Charter,
    paper: &Paper,
) -> Result<(), Box<dyn std::error::Error>> {
    let Paper::Note(note) = paper else {
        return Err(Box::new(CharterTrustError::BelowThreshold {
            version: charter.version,
            of: charter.version,
            signed: 0,
            managers: charter.managers.len(),
            threshold: charter.threshold,
        }));
    };
    let mut notes = older.iter().map(|(_, bytes)| bytes.as_slice()).chain([note.as_slice()]);
    let mut charters = Charters::self_signed(notes.next().unwrap_or(note))?;
    lists.into_iter().for_each(|list| charters.keep_list(list));
    for note in notes {
        charters.succeed(note)?;
    }
    Ok(())
}

fn page(output: &Output, verdict: &Verdict, charter: &Charter) -> String {
    let names = |names: &[String]| safe::line(&names.join(", "));
    let count = format!("{} of {}, {} must", verdict.signed_by.len(), charter.managers.len(), verdict.threshold);
    let mut text = output.facts(&[
        ("charter", format!("version {} of {}", verdict.version, verdict.federation)),
        ("hash", verdict.hash.clone()),
        (
            "chain",
            match verdict.chain_from {
                1 => String::new(),
                oldest => format!("checked from version {oldest} on, which its own managers vouch for"),
            },
        ),
        ("signed by", if verdict.signed_by.is_empty() { "nobody".to_owned() } else { names(&verdict.signed_by) }),
        ("not by", names(&verdict.not_signed_by)),
        ("signatures", count),
        ("valid", validity::told(output, charter)),
    ]);
    for problem in &verdict.problems {
        text.push('\n');
        text.push_str(&output.paint(Tone::Alarm, &output.wrapped(&safe::line(problem), "  ").replacen("  ", "! ", 1)));
    }
    if verdict.problems.is_empty() {
        text.push('\n');
        text.push_str(&output.paint(Tone::Good, "It is trusted."));
    }
    text
}
