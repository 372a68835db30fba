//! The shared part of all commands that write one entry about a complaint: the complaint's name, the text, the request, the answer.

use clap::Args;
use sinergi_proto::base::ids::ComplaintName;
use sinergi_proto::operator_api::ActRequest;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::wire::Text;
use tonic::{Code, Status};

use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::text::NoteOptions;
use crate::view::{self, short_id};
use crate::words::ContentClass;

/// The complaint that a command acts on, and the text that goes with it.
#[derive(Args, Clone, Debug)]
pub struct OnComplaint {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// The text that goes with the action.
    #[command(flatten)]
    pub note: NoteOptions,
}

impl OnComplaint {
    /// Makes the act, with the text if one is given. `attempt` names the act in a failure ("accept the complaint"), `done` in the answer
    /// ("accepted").
    ///
    /// # Errors
    /// When the text cannot be read or sent.
    pub(super) fn deed(self, attempt: &'static str, done: impl Into<String>, act: Act) -> Result<Deed, Failure> {
        let text = self.note.read()?;
        Ok(Deed { complaint: self.complaint, attempt, done: done.into(), text, class: self.note.class, act })
    }

    /// Like [`Self::deed`], for an act whose text is mandatory.
    ///
    /// # Errors
    /// When there is no text, or it cannot be read or sent.
    pub(super) fn deed_in_words(self, attempt: &'static str, done: &str, act: Act) -> Result<Deed, Failure> {
        let text = Some(self.note.read_required()?);
        Ok(Deed { complaint: self.complaint, attempt, done: done.to_owned(), text, class: self.note.class, act })
    }
}

/// One act on a complaint.
pub(super) struct Deed {
    /// The complaint.
    pub(super) complaint: ComplaintName,
    /// The act's name in a failure: "accept the complaint".
    pub(super) attempt: &'static str,
    /// The act's name in the answer: "accepted".
    pub(super) done: String,
    /// The text that goes with the act.
    pub(super) text: Option<Text>,
    /// The text's class, if it is not the complaint's.
    pub(super) class: Option<ContentClass>,
    /// The act.
    pub(super) act: Act,
}

impl Deed {
    /// Carries the act out and shows the answer.
    pub(super) async fn carry_out(self, context: &Context) -> Result<(), Failure> {
        let (done, is_offer) = (self.done.clone(), matches!(self.act, Act::Forward(_) | Act::Reassign(_)));
        let act = self.write(context).await?;
        context.output.document(&act, |_: &Output, act| {
            let open = act.offered_to.as_ref().filter(|_| !is_offer);
            sentence(&done, act) + &open.map(|to| open_offer(to)).unwrap_or_default()
        })
    }

    /// Carries the act out and shows nothing.
    pub(super) async fn write(self, context: &Context) -> Result<view::Act, Failure> {
        let mut node = context.connect().await?;
        let request = ActRequest {
            complaint: self.complaint.as_str().to_owned(),
            text: self.text,
            class: self.class.map_or(0, i32::from),
            act: Some(self.act),
        };
        let answer = node.api.act(request).await;
        Ok(answer.map_err(|status| refusal(self.attempt, &status))?.into_inner().into())
    }
}

/// The failure for an error of the node, with advice.
pub(super) fn refusal(attempt: &str, status: &Status) -> Failure {
    let failure = Failure::from_status(attempt, status);
    match status.code() {
        Code::NotFound => failure.help("`sinergi complaint list` shows the complaints that this node knows"),
        Code::FailedPrecondition | Code::PermissionDenied => {
            failure.help("`sinergi complaint show ID` shows who holds it, what is offered and what happened")
        }
        _ => failure,
    }
}

/// The answer as a sentence.
pub(super) fn sentence(done: &str, act: &view::Act) -> String {
    format!(
        "Complaint {}: {done} (leaf {}, entry {})",
        short_id(&act.complaint),
        act.leaf_index,
        view::short_hash(&act.entry_id)
    )
}

/// The note about an offer that stays open after an act.
fn open_offer(to: &str) -> String {
    format!("\nAn offer to {to} is still open: {to} may accept the complaint as it is now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_the_complaint_the_act_and_the_leaf() {
        let act = view::Act {
            complaint: "0".repeat(42) + "7h3k2m9x0q",
            entry_id: "1a2b3c4d5e6f7788".to_owned(),
            leaf_index: 1042,
            offered_to: None,
        };
        assert_eq!(sentence("accepted", &act), "Complaint 7h3k2m9x0q: accepted (leaf 1042, entry 1a2b3c4d5e6f)");
    }
}
