//! `sinergi complaint progress`: say what is being done.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Progress;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;
use crate::words::{ProgressState, typed};

/// Options of `complaint progress`.
#[derive(Args, Clone, Debug)]
pub struct ProgressArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// What is being done
    #[arg(long, value_enum, value_name = "STATE")]
    pub state: ProgressState,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: ProgressArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "record the progress",
        done: typed(args.state),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Progress(Progress { state: args.state.into() }),
    }
    .carry_out(context)
    .await
}
