//! `sinergi evidence export`: writes evidence to one file that can be checked with only the charter.

use std::path::PathBuf;

use clap::Args;
use sinergi_proto::operator_api::ExportEvidenceRequest;

use crate::failure::Failure;
use crate::options::Context;

/// Options of `evidence export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Ids from `sinergi evidence list` [default: all]
    #[arg(value_name = "EVIDENCE")]
    pub ids: Vec<String>,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
}

/// Runs the command.
pub(super) async fn run(args: ExportArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let answer = node.api.export_evidence(ExportEvidenceRequest { ids: args.ids }).await;
    let file = answer.map_err(|status| Failure::from_status("export evidence", &status))?.into_inner().file;
    std::fs::write(&args.to, &file).map_err(|error| {
        Failure::failed(format!("cannot write {}", args.to.display()))
            .because(error)
            .help("name a file in a folder that you may write to")
    })?;
    context.output.note(&format!(
        "wrote {} bytes to {}; `sinergi evidence verify {} --charter CHARTER` checks it on any machine",
        file.len(),
        args.to.display(),
        args.to.display()
    ));
    Ok(())
}
