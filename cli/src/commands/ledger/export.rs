//! `sinergi ledger export --tiles DIR`: writes the ledger as a C2SP tlog-tiles tree to a folder. Any web server can serve the folder, and any
//! client of that format can read and check it.
//!
//! A repeated export adds the new files. The checkpoint is written last, when everything that it covers is on the disk.

mod folder;

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sinergi_proto::operator_api::ExportTilesRequest;

use self::folder::{Folder, Written};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::view::{Checkpoint, Export};

/// Options of `ledger export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Write a C2SP tlog-tiles tree: checkpoint, hash tiles and entry bundles, never a text. A folder with an earlier export gets only
    /// the new files; delete its `checkpoint` to have every file compared
    #[arg(long, value_name = "DIR", required = true)]
    pub tiles: PathBuf,
}

/// Runs the command.
pub(super) async fn run(args: &ExportArgs, context: &Context) -> Result<(), Failure> {
    let what = "export its ledger";
    let mut folder = Folder::open(&args.tiles)?;
    let mut node = context.connect().await?;
    let answer = node.api.export_tiles(ExportTilesRequest { checkpoint: folder.checkpoint()? }).await;
    let mut stream = answer.map_err(|status| Failure::from_status(what, &status))?.into_inner();
    // The bar goes to stderr, and is shown only if that is a terminal.
    let style = ProgressStyle::with_template("exporting {wide_bar} {human_pos} of {human_len} entries, {eta} left")
        .expect("the template is well-formed");
    let bar = ProgressBar::new(0).with_style(style);
    let mut export = Export::into(&args.tiles);
    let mut checkpoint = None;
    while let Some(file) = stream.message().await.map_err(|status| Failure::from_status(what, &status))? {
        bar.set_length(file.size);
        bar.set_position(file.written);
        if file.path == folder::CHECKPOINT {
            checkpoint = Some(file.data);
            continue;
        }
        match folder.put(&file)? {
            Written::Now => {
                export.files_written += 1;
                export.bytes_written += file.data.len() as u64;
            }
            Written::Before => export.files_kept += 1,
        }
    }
    bar.finish_and_clear();
    let note = checkpoint.ok_or_else(|| {
        Failure::failed("the node stopped before all was exported; what was written is kept")
            .help("repeat the command; the node's log tells why it stopped")
    })?;
    folder.publish(&note)?;
    export.checkpoint =
        Some(Checkpoint::read(&note).ok_or_else(|| Failure::failed("the node's answer is no checkpoint"))?);
    context.output.document(&export, page)
}

/// The answer. It is not wrapped, so that the path can be copied.
fn page(_: &Output, export: &Export) -> String {
    let (origin, size) =
        export.checkpoint.as_ref().map_or(("", 0), |checkpoint| (checkpoint.origin.as_str(), checkpoint.size));
    let entries = if size == 1 { "1 entry".to_owned() } else { format!("{size} entries") };
    let kept = match export.files_kept {
        0 => String::new(),
        kept => format!(", {kept} were there"),
    };
    format!(
        "{} holds the {entries} of {origin} as tlog-tiles.\n{} files written ({}){kept}.",
        export.folder.display(),
        export.files_written,
        indicatif::BinaryBytes(export.bytes_written)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_the_folder_the_ledger_and_the_written_files() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let mut export = Export::into("tiles".as_ref());
        export.checkpoint = Checkpoint::read(b"pilot/ksp/1\n300\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n");
        (export.files_written, export.bytes_written, export.files_kept) = (5, 2048, 2);
        let expected =
            "tiles holds the 300 entries of pilot/ksp/1 as tlog-tiles.\n5 files written (2.00 KiB), 2 were there.";
        assert_eq!(page(&output, &export), expected);
    }
}
