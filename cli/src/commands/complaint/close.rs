//! `sinergi complaint close`: end a complaint, after the citizen's reply or after silence. Only the intake agency can.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::act_request::Act;
use sinergi_proto::wire::{Close, CloseCause};

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint close`.
#[derive(Args, Clone, Debug)]
pub struct CloseArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// Close because the citizen was silent for this many working days, instead of by reply
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub silence_days: Option<u32>,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: CloseArgs, context: &Context) -> Result<(), Failure> {
    let (cause, done) = match args.silence_days {
        Some(days) => (CloseCause::Silence, format!("closed after {days} working days of silence")),
        None => (CloseCause::Reply, "closed by the citizen's reply".to_owned()),
    };
    Deed {
        complaint: &args.complaint,
        attempt: "close the complaint",
        done,
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Close(Close { cause: cause.into(), silence_working_days: args.silence_days.unwrap_or(0) }),
    }
    .carry_out(context)
    .await
}
