//! `sinergi complaint remark`: leave a note that stays. Only supervisors and oversight agencies can.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Remark;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint remark`.
#[derive(Args, Clone, Debug)]
pub struct RemarkArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// The note.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: RemarkArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "remark on the complaint",
        done: "remarked".to_owned(),
        text: Some(args.note.read_required()?),
        class: args.note.class,
        act: Act::Remark(Remark {}),
    }
    .carry_out(context)
    .await
}
