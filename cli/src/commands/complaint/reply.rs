//! `sinergi complaint reply`: record what the citizen says to it. The intake agency speaks for the citizen; supervisors and oversight
//! agencies can reopen what was closed without the citizen's reply code.

use clap::Args;
use sinergi_proto::ids::ComplaintName;
use sinergi_proto::wire::Reply;
use sinergi_proto::wire::act_request::Act;

use super::act::Deed;
use crate::failure::Failure;
use crate::options::Context;
use crate::text::NoteOptions;
use crate::words::{ReplyWord, typed};

/// Options of `complaint reply`.
#[derive(Args, Clone, Debug)]
pub struct ReplyArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// What the citizen says; supervisors and oversight agencies can say `dissatisfied` to what was closed without the citizen's reply
    /// code, which reopens it
    #[arg(long, value_enum, value_name = "WORD")]
    pub word: ReplyWord,

    /// The citizen's reply code from the receipt; without it the word is marked as the agency's own
    #[arg(long, value_name = "CODE")]
    pub reply_code: Option<String>,

    /// What is said with it.
    #[command(flatten)]
    pub note: NoteOptions,
}

/// Runs the command.
pub(super) async fn run(args: ReplyArgs, context: &Context) -> Result<(), Failure> {
    let own = if args.reply_code.is_some() { "" } else { ", without the citizen's reply code" };
    Deed {
        complaint: &args.complaint,
        attempt: "record the reply",
        done: format!("the citizen's word is {}{own}", typed(args.word)),
        text: args.note.read()?,
        class: args.note.class,
        act: Act::Reply(Reply { word: args.word.into(), reply_code: args.reply_code.unwrap_or_default() }),
    }
    .carry_out(context)
    .await
}
