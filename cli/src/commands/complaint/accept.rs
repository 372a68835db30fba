//! `sinergi complaint accept`: take custody of a complaint that was offered to us.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Accept;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint accept`.
#[derive(Args, Clone, Debug)]
pub struct AcceptArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: AcceptArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "accept the complaint",
        done: "accepted, we are accountable now".to_owned(),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Accept(Accept {}),
    }
    .carry_out(context)
    .await
}
