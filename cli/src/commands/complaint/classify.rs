//! `sinergi complaint classify`: decide category, priority and handling. In the ledger this is `Verified`; `complaint verify` checks signatures.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::limits;
use sinergi_proto::wire::Verify;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use super::lodge::code;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;
use crate::words::{Handling, Priority, typed};

/// Options of `complaint classify`.
#[derive(Args, Clone, Debug)]
pub struct ClassifyArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// Category code
    #[arg(long, value_name = "CODE", value_parser = code::<{ limits::CATEGORY_BYTES }>)]
    pub category: String,

    /// How soon it has to be handled
    #[arg(long, value_enum, value_name = "PRIORITY", default_value = "normal")]
    pub priority: Priority,

    /// How it is handled; decides how many working days there are
    #[arg(long, value_enum, value_name = "HANDLING", default_value = "routine")]
    pub handling: Handling,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: ClassifyArgs, context: &Context) -> Result<(), Failure> {
    let ClassifyArgs { complaint, category, priority, handling, note } = args;
    Deed {
        complaint: &complaint,
        attempt: "classify the complaint",
        done: format!("classified as {category}, priority {}, handling {}", typed(priority), typed(handling)),
        text: note.read()?,
        class: note.class,
        act: Act::Verify(Verify { category, priority: priority.into(), handling: handling.into() }),
    }
    .carry_out(context)
    .await
}
