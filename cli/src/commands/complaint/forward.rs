//! `sinergi complaint forward`: offer custody to another agency. We stay accountable until it accepts.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Forward;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use super::offer::OfferOptions;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;

/// Options of `complaint forward`.
#[derive(Args, Clone, Debug)]
pub struct ForwardArgs {
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
pub(super) async fn run(args: ForwardArgs, context: &Context) -> Result<(), Failure> {
    let offer = args.offer;
    let answer_by = offer.answer_by(&context.output)?;
    Deed {
        complaint: &args.complaint,
        attempt: "forward the complaint",
        done: format!("offered to {}, we stay accountable until it accepts", offer.to),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Forward(Forward { to: offer.to.into(), reason: offer.reason.into(), answer_by }),
    }
    .carry_out(context)
    .await
}
