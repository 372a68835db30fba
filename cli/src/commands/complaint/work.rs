//! The commands that change the case: the holder's work and answers, and closing.

use clap::Subcommand;
use sinergi_proto::base::ids::ComplaintName;
use sinergi_proto::base::limits;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::{Close, Link, Progress, Resolve, Respond, Verify};
use sinergi_proto::wire::CloseCause;

use super::act::{Deed, OnComplaint};
use super::lodge::code;
use crate::failure::Failure;
use crate::words::{Handling, Outcome, Priority, ProgressState, typed};

/// The steps of the work on a complaint, from its classification to its end.
#[derive(Subcommand, Debug)]
pub enum Work {
    // In the ledger this is `Verified`. The command has another name because `complaint verify` checks signatures.
    /// Decide category, priority and handling
    Classify {
        /// Category code
        #[arg(long, value_name = "CODE", value_parser = code::<{ limits::CATEGORY_BYTES }>)]
        category: String,
        /// The priority of the complaint
        #[arg(long, value_enum, value_name = "PRIORITY", default_value = "normal")]
        priority: Priority,
        /// The handling of the complaint, which sets the deadline in working days
        #[arg(long, value_enum, value_name = "HANDLING", default_value = "routine")]
        handling: Handling,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Record the progress of the work
    Progress {
        /// The progress
        #[arg(long, value_enum, value_name = "STATE")]
        state: ProgressState,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Answer the citizen
    Respond(OnComplaint),
    /// Record the outcome of the work
    Resolve {
        /// The outcome
        #[arg(long, value_enum, value_name = "OUTCOME")]
        outcome: Outcome,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Close a complaint on the citizen's word, after a silence, or on the agency's own word
    Close {
        /// Close because the citizen has not replied to the last answer for as long as the charter says
        #[arg(long, conflicts_with = "own_word")]
        silence: bool,
        /// Close without the citizen's word. Everybody sees it, and a supervisor or an oversight agency may reopen the case
        #[arg(long)]
        own_word: bool,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Record that a complaint is handled together with another one
    Link {
        /// The other complaint
        #[arg(long, value_name = "ID")]
        duplicate_of: ComplaintName,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
}

impl Work {
    /// The act to request from the node.
    pub(super) fn deed(self) -> Result<Deed, Failure> {
        match self {
            Self::Classify { category, priority, handling, on } => {
                let (soon, how) = (typed(priority), typed(handling));
                let done = format!("classified as {category}, priority {soon}, handling {how}");
                let act = Act::Verify(Verify { category, priority: priority.into(), handling: handling.into() });
                on.deed("classify the complaint", done, act)
            }
            Self::Progress { state, on } => {
                on.deed("record the progress", typed(state), Act::Progress(Progress { state: state.into() }))
            }
            Self::Respond(on) => on.deed_in_words("answer the citizen", "answered", Act::Respond(Respond {})),
            Self::Resolve { outcome, on } => {
                let done = format!("resolved as {}", typed(outcome));
                on.deed("resolve the complaint", done, Act::Resolve(Resolve { outcome: outcome.into() }))
            }
            Self::Close { silence, own_word, on } => {
                let (cause, done) = match (silence, own_word) {
                    (true, _) => (CloseCause::Silence, "closed after the citizen's silence"),
                    (_, true) => (CloseCause::OwnWord, "closed on the agency's own word"),
                    _ => (CloseCause::Reply, "closed by the citizen's word"),
                };
                on.deed("close the complaint", done.to_owned(), Act::Close(Close { cause: cause.into() }))
            }
            Self::Link { duplicate_of, on } => {
                let duplicate_of = duplicate_of.as_str().to_owned();
                let done = format!("is handled with {duplicate_of}");
                on.deed("link the complaint", done, Act::Link(Link { duplicate_of }))
            }
        }
    }
}
