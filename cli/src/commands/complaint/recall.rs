//! `sinergi complaint recall`: ask for an offer back before it is answered; the addressee's node returns it unless it has accepted.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Recall;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint recall`.
#[derive(Args, Clone, Debug)]
pub struct RecallArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: RecallArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "recall the offer",
        done: "asked the addressee to return it".to_owned(),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Recall(Recall {}),
    }
    .carry_out(context)
    .await
}
