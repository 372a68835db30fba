//! The commands that move custody: offer, take back, accept, return.

use clap::Subcommand;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::{Accept, Forward, Reassign, Recall, Return, Withdraw};

use super::act::{Deed, OnComplaint};
use super::offer::OfferOptions;
use crate::failure::Failure;
use crate::output::Output;
use crate::words::{ReturnReason, typed};

/// How custody moves.
#[derive(Subcommand, Debug)]
pub enum HandOver {
    /// Offer custody of a complaint to another agency
    Forward {
        /// The offer.
        #[command(flatten)]
        offer: OfferOptions,
        /// Which complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Ask for an offer back before it is answered
    Recall(OnComplaint),
    /// Take back an offer that was not answered in time
    Withdraw(OnComplaint),
    /// Take custody of a complaint that was offered to us
    Accept(OnComplaint),
    /// Decline a complaint that was offered to us
    Return {
        /// Why it is declined
        #[arg(long, value_enum, value_name = "REASON")]
        reason: ReturnReason,
        /// The agency that it should go to
        #[arg(long, value_name = "AGENCY")]
        suggest: Option<AgencyId>,
        /// Which complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Offer custody to another agency in the holder's place, as its supervisor
    Reassign {
        /// The offer.
        #[command(flatten)]
        offer: OfferOptions,
        /// Which complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
}

impl HandOver {
    /// The act that the node is asked for.
    pub(super) fn deed(self, output: &Output) -> Result<Deed, Failure> {
        match self {
            Self::Forward { offer, on } => {
                let answer_by = offer.answer_by(output)?;
                let done = format!("offered to {}, we stay accountable until it accepts", offer.to);
                let act = Act::Forward(Forward { to: offer.to.into(), reason: offer.reason.into(), answer_by });
                on.deed("forward the complaint", done, act)
            }
            Self::Recall(on) => on.deed("recall the offer", "asked the addressee to return it", Act::Recall(Recall {})),
            Self::Withdraw(on) => on.deed("withdraw the offer", "offer withdrawn", Act::Withdraw(Withdraw {})),
            Self::Accept(on) => {
                on.deed("accept the complaint", "accepted, we are accountable now", Act::Accept(Accept {}))
            }
            Self::Return { reason, suggest, on } => {
                let suggested = suggest.as_ref().map_or_else(String::new, |agency| format!(", suggested {agency}"));
                let done = format!("returned as {}{suggested}", typed(reason));
                let suggestion = suggest.map_or_else(String::new, String::from);
                on.deed("return the complaint", done, Act::Return(Return { reason: reason.into(), suggestion }))
            }
            Self::Reassign { offer, on } => {
                let answer_by = offer.answer_by(output)?;
                let done = format!(
                    "offered to {} in the holder's place; the holder stays accountable until it accepts",
                    offer.to
                );
                let act = Act::Reassign(Reassign { to: offer.to.into(), reason: offer.reason.into(), answer_by });
                on.deed("reassign the complaint", done, act)
            }
        }
    }
}
