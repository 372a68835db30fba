//! The reasons why the engine did not do what a command or a peer asked. Nothing was written then.

use crate::base::clock::{HybridClock, rfc3339 as time};
use crate::base::ids::{AgencyId, ComplaintId};
use crate::base::limits;
use crate::base::refusal::Refusal;
use crate::complaint::Declined;

use super::own_clock::ClockProblem;

/// The reason why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryError {
    /// The node may not sign, so it could not give a receipt.
    MayNotSign,
}

/// The reason why a command was not carried out. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The agency may not do this, or not in the complaint's present state.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// There is no such complaint on this node.
    #[error("there is no complaint {0} here")]
    NoComplaint(ComplaintId),
    /// Peers would refuse the entry, for example because it is too large.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The charter does not let this node's key sign now: peers would not accept the entry.
    #[error("this node may not sign now: {0}; see `sinergi charter show`")]
    OwnKey(String),
    /// A peer has seen more of this ledger than there is.
    #[error(
        "this node's ledger was set back or lost: a peer has seen more of it, see `sinergi status`. The node signs nothing until you restore \
         the newest copy of its folder or begin a new epoch with `sinergi recover`"
    )]
    SetBack,
    /// The node has just started, and not all of its peers have said what they saw of its ledger.
    #[error(
        "this node has just started and still asks its peers what they saw of its ledger; nothing was done, try again"
    )]
    PeersNotHeard,
    /// The ledger may be an old copy, and no peer was heard.
    #[error(
        "nothing shows that this node's ledger is not an old copy, and no peer was heard: wait for a peer, or run `sinergi confirm ledger` if no \
         newer copy of it was ever used; nothing was done"
    )]
    LedgerUnconfirmed,
    /// A charter revokes a key of this node.
    #[error(
        "the charter revokes a key under which this node signs: put new keys in place of the old ones (the managers list them with the revocation) and restart the node; nothing was done"
    )]
    KeyRevoked,
    /// No link leads to the addressee.
    #[error("no link leads to {0}: add a [[peer]] toward it to sinergid.toml and restart the node; nothing was done")]
    NoRoute(AgencyId),
    /// No direct link leads to the addressee, and a disclosed content passes through no relay.
    #[error(
        "there is no direct link to {0}, and a disclosed content goes over a direct link only: add a [[peer]] for it to sinergid.toml and \
         restart the node; nothing was done"
    )]
    NoDirectLink(AgencyId),
    /// The content to be disclosed is not on this node.
    #[error(
        "the content is not on this node: it was withheld from it, has not arrived, or was erased; nothing was done"
    )]
    ContentNotHere,
    /// Nothing may be dated by the node's clock.
    #[error("{0}; nothing was done")]
    Clock(#[from] ClockProblem),
    /// An entry would be dated before a time that the node may have cosigned. To others it would look back-dated.
    #[error(
        "this node's clock shows {}, and the node may have cosigned times up to {}: what it signs now would look back-dated. If the clock is wrong, \
         set it (NTP). If it was wrong before, wait until it shows {}, or begin a new epoch with `sinergi recover`; nothing was done",
        time(*shows),
        time(cosigned.saturating_mul(1000)),
        time(cosigned.saturating_sub(limits::COSIGNED_BACK_BY.as_secs()).saturating_mul(1000))
    )]
    BeforeCosigned {
        /// The node's clock, in milliseconds since 1970.
        shows: u64,
        /// The latest time that it may have cosigned, in seconds since 1970.
        cosigned: u64,
    },
    /// Imports have used up their part of the share that every node grants this agency.
    #[error(
        "this agency has written as much as every other node takes of it in a week, so imports wait: repeat the same command in {minutes} minutes, what was \
         imported is passed over then; nothing was done, and complaints are lodged as before"
    )]
    ImportWaits {
        /// The time to wait, in minutes.
        minutes: u64,
    },
    /// The hybrid clock cannot grow any more.
    #[error("the hybrid clock has reached its end at {0:?}: an entry with an absurd clock was admitted")]
    ClockEnd(HybridClock),
}
