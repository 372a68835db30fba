//! `sinergi complaint resolve`: say how the work ended.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Resolve;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;
use crate::words::{Outcome, typed};

/// Options of `complaint resolve`.
#[derive(Args, Clone, Debug)]
pub struct ResolveArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// How it ended
    #[arg(long, value_enum, value_name = "OUTCOME")]
    pub outcome: Outcome,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: ResolveArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "resolve the complaint",
        done: format!("resolved as {}", typed(args.outcome)),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Resolve(Resolve { outcome: args.outcome.into() }),
    }
    .carry_out(context)
    .await
}
