//! `sinergi complaint archive`: propose to put a complaint away without an answer. Nothing vanishes on one signature: another agency has to
//! approve it.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Archive;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use super::proposal;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;
use crate::words::{ArchiveReason, typed};

/// Options of `complaint archive`.
#[derive(Args, Clone, Debug)]
pub struct ArchiveArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// Why it is put away
    #[arg(long, value_enum, value_name = "REASON")]
    pub reason: ArchiveReason,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: ArchiveArgs, context: &Context) -> Result<(), Failure> {
    let deed = Deed {
        complaint: &args.complaint,
        attempt: "propose to archive the complaint",
        done: format!("proposed to archive it as {}", typed(args.reason)),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Archive(Archive { reason: args.reason.into() }),
    };
    proposal::propose(deed, "Nothing changes until another agency approves it", context).await
}
