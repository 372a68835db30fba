//! `sinergi complaint link`: say that a complaint is the same matter as another one, and is handled with it. Only the holder can.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Link;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint link`.
#[derive(Args, Clone, Debug)]
pub struct LinkArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// The complaint that it is handled with
    #[arg(long, value_name = "ID")]
    pub duplicate_of: ComplaintName,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: LinkArgs, context: &Context) -> Result<(), Failure> {
    let other = args.duplicate_of.as_str().to_owned();
    Deed {
        complaint: &args.complaint,
        attempt: "link the complaint",
        done: format!("is handled with {other}"),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Link(Link { duplicate_of: other }),
    }
    .carry_out(context)
    .await
}
