//! `sinergi ledger checkpoint`: prints the newest signed checkpoint, byte for byte, so that any tool for the C2SP formats can read it.

use sinergi_proto::operator_api::GetCheckpointRequest;

use crate::failure::Failure;
use crate::options::Context;
use crate::output::Format;
use crate::view::Checkpoint;

/// Runs the command.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let answer = node.api.get_checkpoint(GetCheckpointRequest {}).await;
    let note = answer.map_err(|status| Failure::from_status("show its checkpoint", &status))?.into_inner().note;
    match context.output.format {
        Format::Table => context.output.bytes(&note),
        Format::Json => {
            let checkpoint = Checkpoint::read(&note).ok_or_else(|| {
                Failure::failed("the node's answer is no checkpoint").help("--output table shows it as it is")
            })?;
            context.output.json(&checkpoint)
        }
    }
}
