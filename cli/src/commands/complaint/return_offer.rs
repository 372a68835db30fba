//! `sinergi complaint return`: decline a complaint that was offered to us, with a reason and a better address.

use clap::Args;
use sinergi_proto::ids::{AgencyId, ComplaintName};
use sinergi_proto::wire::Return;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;
use crate::words::{ReturnReason, typed};

/// Options of `complaint return`.
#[derive(Args, Clone, Debug)]
pub struct ReturnArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// Why it is declined
    #[arg(long, value_enum, value_name = "REASON")]
    pub reason: ReturnReason,

    /// The agency that it should go to
    #[arg(long, value_name = "AGENCY")]
    pub suggest: Option<AgencyId>,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: ReturnArgs, context: &Context) -> Result<(), Failure> {
    let suggested = args.suggest.as_ref().map_or_else(String::new, |agency| format!(", suggested {agency}"));
    Deed {
        complaint: &args.complaint,
        attempt: "return the complaint",
        done: format!("returned as {}{suggested}", typed(args.reason)),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Return(Return {
            reason: args.reason.into(),
            suggestion: args.suggest.map_or_else(String::new, String::from),
        }),
    }
    .carry_out(context)
    .await
}
