//! `sinergi complaint withdraw`: take back an offer that was not answered in time.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Withdraw;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint withdraw`.
#[derive(Args, Clone, Debug)]
pub struct WithdrawArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: WithdrawArgs, context: &Context) -> Result<(), Failure> {
    Deed {
        complaint: &args.complaint,
        attempt: "withdraw the offer",
        done: "offer withdrawn".to_owned(),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Withdraw(Withdraw {}),
    }
    .carry_out(context)
    .await
}
