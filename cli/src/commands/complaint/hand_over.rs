//! The commands that change custody: forward, recall, withdraw, accept, return, reassign.

use clap::Subcommand;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::{Accept, Forward, Reassign, Recall, Return, Withdraw};

use super::act::{Deed, OnComplaint};
use super::offer::OfferOptions;
use crate::failure::Failure;
use crate::output::Output;
use crate::words::{ReturnReason, typed};

/// The commands that change custody.
#[derive(Subcommand, Debug)]
pub enum HandOver {
    /// Offer custody of a complaint to another agency
    Forward {
        /// The offer.
        #[command(flatten)]
        offer: OfferOptions,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Ask for an offer back before it is answered
    Recall(OnComplaint),
    /// Withdraw an offer that was not answered in time
    Withdraw(OnComplaint),
    /// Accept custody of a complaint that was offered to this agency
    Accept(OnComplaint),
    /// Return a complaint that was offered to this agency
    Return {
        /// The reason
        #[arg(long, value_enum, value_name = "REASON")]
        reason: ReturnReason,
        /// The agency that should get the complaint instead
        #[arg(long, value_name = "AGENCY")]
        suggest: Option<AgencyId>,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
    /// Offer custody to another agency on behalf of the holder, as its supervisor
    Reassign {
        /// The offer.
        #[command(flatten)]
        offer: OfferOptions,
        /// The complaint.
        #[command(flatten)]
        on: OnComplaint,
    },
}

impl HandOver {
    /// The act to request from the node.
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
