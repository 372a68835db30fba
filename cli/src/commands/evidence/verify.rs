//! `sinergi evidence verify`: judges an evidence file with only the charter, without a node or a network. Exit code 5 if it is not valid.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use sinergi_proto::base::limits;
use sinergi_proto::charter::Charter;
use sinergi_proto::transparency::evidence::{Opened, Reader};

use super::described;
use crate::charter::Paper;
use crate::commands::charter::trusted::read_list;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::Finding;

/// Options of `evidence verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The evidence file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The signed charter that you trust. Repeat it for newer versions: the evidence is judged by the newest
    #[arg(long = "charter", value_name = "CHARTER", required = true)]
    pub charters: Vec<PathBuf>,

    /// A list of what stays trusted under revoked keys; repeat it for all lists that the charters name
    #[arg(long = "list", value_name = "LIST")]
    pub lists: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<(), Failure> {
    let findings = judged(args)?;
    context.output.document(&findings, |output, findings| page(output, findings))
}

/// The findings that the file proves under the charter.
///
/// # Errors
/// The evidence is not valid, or a file cannot be read.
pub fn judged(args: &VerifyArgs) -> Result<Vec<Finding>, Failure> {
    let mut charters = args.charters.iter().map(|path| charter(path)).collect::<Result<Vec<_>, _>>()?;
    charters.sort_by_key(|charter| charter.version);
    let lists = args.lists.iter().map(|path| read_list(path)).collect::<Result<Vec<_>, _>>()?;
    let reader = Reader { charters: &charters, lists: &lists };
    let opened = Opened::judge(&read(&args.file, limits::EVIDENCE_BYTES)?, reader).map_err(|error| {
        Failure::findings(format!("{} proves nothing", args.file.display()))
            .because(error)
            .help("get the file again from the accuser, and the charter, with the lists that it names, from a manager of the federation")
    })?;
    Ok(Finding::of_file(opened))
}

fn charter(path: &Path) -> Result<Arc<Charter>, Failure> {
    let unusable = |error| Failure::failed(format!("{} is no charter", path.display())).because(error);
    let paper = Paper::read(&read(path, limits::CHARTER_BYTES)?).map_err(unusable)?;
    paper.charter().map(Arc::new).map_err(unusable)
}

fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::failed(format!("cannot read {}", path.display())).because(error);
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > most as u64 {
        return Err(Failure::failed(format!("{} has {length} bytes, at most {most}", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

fn page(output: &Output, findings: &[Finding]) -> String {
    let accuser = findings.first().and_then(|finding| finding.accuser.as_ref()).map(|id| safe::line(id));
    let made =
        findings.first().and_then(|finding| finding.made_at).map(|at| format!(" on {at:.0}")).unwrap_or_default();
    let head = format!("The evidence is valid. It was made by {}{made}.", accuser.unwrap_or_default());
    let mut parts = vec![output.paint(Tone::Good, &head)];
    parts.extend(findings.iter().map(|finding| described(output, finding)));
    parts.join("\n")
}
