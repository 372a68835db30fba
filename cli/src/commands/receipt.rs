//! `sinergi receipt ID`: the citizen's proof that a complaint was lodged, with time and agency. `sinergi receipt --verify FILE --charter CHARTER`
//! checks a receipt without a node; exit code 5 if it is not valid.

mod verify;

use std::path::{Path, PathBuf};

use clap::Args;
use sinergi_proto::base::ids::ComplaintName;
use sinergi_proto::citizen::ReplyCode;
use sinergi_proto::operator_api::GetLodgingProofRequest;
use tonic::Code;

use super::charter::files;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Format;
use crate::view::{Receipt, short_id};

const ABOUT: &str = "\
A receipt is a C2SP tlog-proof: the signed entry of the lodging, its place in the agency's ledger, and the agency's signed checkpoint with its
time. Give it to the citizen together with the reply code, which is not part of the receipt and is not stored. The receipt
holds the public key that belongs to the code.";

/// Options of `receipt`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT)]
pub struct ReceiptArgs {
    /// The complaint; ask the intake agency's node
    #[arg(value_name = "ID", required_unless_present = "verify", conflicts_with_all = ["verify", "charter"])]
    pub complaint: Option<ComplaintName>,

    /// Write the receipt to this new file [default: print it]
    #[arg(long, value_name = "FILE", conflicts_with = "verify")]
    pub to: Option<PathBuf>,

    /// Check that this reply code belongs to the complaint; the node never gets it
    #[arg(long, value_name = "CODE")]
    pub code: Option<ReplyCode>,

    /// Check this receipt, without a node
    #[arg(long, value_name = "FILE", requires = "charter")]
    pub verify: Option<PathBuf>,

    /// The signed charter whose keys are used for the check
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub charter: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(args: &ReceiptArgs, context: &Context) -> Result<(), Failure> {
    match (&args.verify, &args.charter, &args.complaint) {
        (Some(file), Some(charter), _) => verify::run(file, charter, args.code.as_ref(), context),
        (_, _, Some(complaint)) => fetch(complaint, args, context).await,
        // The parser's rules allow no other combination.
        _ => Err(Failure::usage("name a complaint, or a receipt with --verify and --charter")),
    }
}

async fn fetch(complaint: &ComplaintName, args: &ReceiptArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let checked = args.code.is_some();
    let request = GetLodgingProofRequest { complaint: complaint.as_str().to_owned() };
    let proof = node.api.get_lodging_proof(request).await.map_err(|status| {
        let failure = Failure::from_status("give the receipt", &status);
        match status.code() {
            Code::NotFound => failure.help("`sinergi complaint list` shows the complaints that this node knows"),
            _ => failure,
        }
    })?;
    let proof = proof.into_inner();
    if args.code.as_ref().is_some_and(|code| proof.citizen_key != code.public()) {
        return Err(Failure::refused("the reply code does not belong to this complaint")
            .help("compare it with the code that the citizen got at the lodging"));
    }
    if let Some(path) = &args.to {
        files::write_new(path, &proof.file)?;
    }
    let receipt = Receipt::read(&proof, args.to.clone(), checked.then_some(true))
        .ok_or_else(|| Failure::failed("the node's answer is no receipt"))?;
    match (context.output.format, &args.to) {
        (Format::Json, _) => context.output.json(&receipt),
        (Format::Table, Some(path)) => context.output.text(&written(path, &receipt)),
        (Format::Table, None) => {
            if checked {
                context.output.note("The reply code belongs to this complaint.");
            }
            context.output.bytes(&proof.file)
        }
    }
}

/// The answer after writing a file. It is not wrapped, so that the path can be copied.
fn written(path: &Path, receipt: &Receipt) -> String {
    let mut text = format!("The receipt of complaint {} is in {}.", short_id(&receipt.complaint), path.display());
    if receipt.reply_code_fits == Some(true) {
        text += "\nThe reply code belongs to this complaint.";
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::command_line::Cli;

    #[test]
    fn a_receipt_is_either_printed_or_checked() {
        let code = |line: &str| {
            let typed = std::iter::once("sinergi").chain(line.split_whitespace());
            Cli::try_parse_from(typed).map_or_else(|error| error.exit_code(), |_| 0)
        };
        for good in [
            "receipt 0123456789 --to r --code 0000-0000-0000-0000-0000-0000-002x",
            "receipt --verify r --charter c --code O000OOOO000000000000oooo002X",
        ] {
            assert_eq!(code(good), 0, "{good}");
        }
        for bad in [
            "receipt",
            "receipt --verify r",
            "receipt 0123456789 --charter c",
            "receipt 0123456789 --verify r --charter c",
            "receipt --verify r --charter c --to x",
        ] {
            assert_eq!(code(bad), 2, "{bad}");
        }
    }
}
