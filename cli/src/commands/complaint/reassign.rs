//! `sinergi complaint reassign`: offer custody to another agency in the holder's place. Only a supervisor of the holder can, and over an open
//! offer only when its time and the clock margin have passed.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Reassign;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use super::offer::OfferOptions;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint reassign`.
#[derive(Args, Clone, Debug)]
pub struct ReassignArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// The offer.
    #[command(flatten)]
    pub offer: OfferOptions,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: ReassignArgs, context: &Context) -> Result<(), Failure> {
    let offer = args.offer;
    let answer_by = offer.answer_by(&context.output)?;
    Deed {
        complaint: &args.complaint,
        attempt: "reassign the complaint",
        done: format!("offered to {} in the holder's place; the holder stays accountable until it accepts", offer.to),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Reassign(Reassign { to: offer.to.into(), reason: offer.reason.into(), answer_by }),
    }
    .carry_out(context)
    .await
}
