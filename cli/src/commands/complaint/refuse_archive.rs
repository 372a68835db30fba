//! `sinergi complaint refuse`: refuse that a complaint is put away; the holder has to go on with it. By whoever could approve it.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::RefuseArchive;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint refuse`.
#[derive(Args, Clone, Debug)]
pub struct RefuseArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: RefuseArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "refuse the archiving",
        done: "the archiving is refused, the holder goes on with it".to_owned(),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::RefuseArchive(RefuseArchive {}),
    }
    .carry_out(context)
    .await
}
