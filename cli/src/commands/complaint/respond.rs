//! `sinergi complaint respond`: answer the citizen. The answer is the text.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Respond;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint respond`.
#[derive(Args, Clone, Debug)]
pub struct RespondArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: RespondArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "answer the citizen",
        done: "answered".to_owned(),
        text: Some(args.note.read_required()?),
        class: args.note.class,
        act: Act::Respond(Respond {}),
    }
    .carry_out(context)
    .await
}
