//! What the engine is given, and what it answers.

use std::sync::Arc;

use super::deferred::ItemKey;
use crate::admission::received::Received;
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use crate::base::limits;
use crate::base::refusal::Refusal;
use crate::charter::Charters;
use crate::complaint::{Command, Declined, NewOffer};
use crate::entry::ContentClass;
use crate::entry::content::Content;
use crate::routing::cursor::Cursor;
use crate::transparency::receipt::{ItemOutcome, ItemResult};
use crate::transparency::rollback_guard::GuardState;
use crate::wire;

use super::batch::BatchNumber;
use super::record::{CursorHeader, External, LeafHeader, ReceiptHeader, SeenHeader};

/// Something for the engine. All signatures in it were checked before.
#[derive(Debug)]
pub enum Input {
    /// A new complaint. Answered with [`Answer::Lodged`].
    Lodge(Box<Lodge>),
    /// A command on a complaint. Answered with [`Answer::Acted`].
    Act(Box<Act>),
    /// A frame from a peer. Answered with [`Answer::Delivered`].
    Deliver(Delivery),
    /// A peer's receipt, with the `Ack` as it came.
    Receipt(ReceiptHeader, Vec<u8>),
    /// The newest checkpoint that was seen of an agency, as a signed note.
    Seen(SeenHeader, Vec<u8>),
    /// Checkpoints of other agencies that are newer than those kept, each a signed note. All are kept and committed to. Answered with
    /// [`Answer::Witnessed`].
    Witness(Vec<(AgencyId, Vec<u8>)>),
    /// Waiting items whose signatures were checked again.
    Rechecked(Vec<(ItemKey, Received)>),
    /// Items that the operator wants to be judged again. Answered with [`Answer::Retried`].
    Retry(Vec<KeptItem>),
    /// The charters that hold from now on.
    Charters(Arc<Charters>),
    /// What the rollback guard says from now on.
    Guard(GuardState),
    /// By how much the clocks of most peers are ahead of this node's, in milliseconds.
    PeerClocks(i64),
    /// A batch, and all before it, can be read through the [`View`](super::View).
    Applied(BatchNumber),
    /// Time has passed: what waited for its time, and what the node does by itself, is tried again.
    Tick,
    /// A slice of the work that is left to do, see [`Engine::has_backlog`](super::Engine::has_backlog).
    Work,
    /// The declaration of a new epoch: the first entry of a new ledger. Answered with [`Answer::Declared`].
    Declare(wire::LedgerReset),
    /// An entry of this node's old ledger, for the new one.
    TakeOver(Box<OldEntry>),
    /// How far the old ledger had a peer's.
    TakeOverCursor(CursorHeader),
}

/// What an input came to. Given to its sender when the batch that it belongs to is durable, see [`Withheld`].
#[derive(Debug)]
pub enum Answer {
    /// Nothing to say.
    Nothing,
    /// Of [`Input::Lodge`].
    Lodged(Result<Lodged, CommandError>),
    /// Of [`Input::Act`].
    Acted(Result<Acted, CommandError>),
    /// Of [`Input::Deliver`]: one result an item, in order.
    Delivered(Result<Vec<ItemResult>, DeliveryError>),
    /// Of [`Input::Witness`].
    Witnessed(Result<(), CommandError>),
    /// Of [`Input::Retry`]: one an item, in order.
    Retried(Result<Vec<Retried>, CommandError>),
    /// Of [`Input::Declare`].
    Declared(Result<(), CommandError>),
}

/// An answer that must not be given before the batch that is open is durable: it may rest on leaves that are not.
#[derive(Debug)]
#[must_use]
pub struct Withheld<T>(T);

impl<T> Withheld<T> {
    pub(super) fn new(answer: T) -> Self {
        Self(answer)
    }

    /// The answer, for whoever keeps it until the batch is applied.
    pub fn until_applied(self) -> T {
        self.0
    }
}

/// A new complaint.
#[derive(Debug)]
pub struct Lodge {
    /// The body.
    pub body: wire::Lodged,
    /// Its contents, with their classes.
    pub contents: Vec<(Content, ContentClass)>,
    /// The record of another system that it comes from: lodged once for each.
    pub external: Option<External>,
    /// The offer to make at once.
    pub forward: Option<NewOffer>,
}

/// What became of a new complaint.
#[derive(Debug)]
pub struct Lodged {
    /// Its id.
    pub complaint: ComplaintId,
    /// It was lodged before; nothing was added.
    pub existed: bool,
    /// Why it was lodged but not forwarded.
    pub forward_declined: Option<CommandError>,
}

/// A command on a complaint.
#[derive(Debug)]
pub struct Act {
    /// The complaint.
    pub complaint: ComplaintId,
    /// The command.
    pub command: Command,
    /// The text that goes with it; without a class it gets the complaint's.
    pub text: Option<(Content, Option<ContentClass>)>,
}

/// The entry that a command became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Its id.
    pub entry: EntryId,
    /// Its leaf.
    pub leaf: LedgerIndex,
}

/// A frame from a peer.
#[derive(Debug)]
pub struct Delivery {
    /// The peer.
    pub peer: AgencyId,
    /// The position in the peer's ledger after the frame.
    pub cursor: Cursor,
    /// Its items.
    pub items: Vec<Received>,
}

/// Why a frame is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryError {
    /// Too much of what the peer delivered waits already.
    TooMuchDeferred,
    /// The node may not sign, so it could give no receipt.
    MayNotSign,
}

/// An item that was refused, or that waits, as the operator's command found it.
#[derive(Debug)]
pub struct KeptItem {
    /// The name under which the operator knows the item; given back in the answer.
    pub number: u64,
    /// The peer that delivered it.
    pub peer: AgencyId,
    /// The entry.
    pub entry: EntryId,
    /// Why it was kept.
    pub kept: KeptAs,
    /// The item, its signature checked again.
    pub received: Received,
}

/// Why an item was kept.
#[derive(Clone, Debug)]
pub enum KeptAs {
    /// It was refused, for this reason.
    Refused(String),
    /// It waits under this name, for what the code and the words say.
    Deferred(ItemKey, u32, String),
}

/// What became of an item that was judged again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retried {
    /// The name under which the operator knows it.
    pub number: u64,
    /// Its entry.
    pub entry: EntryId,
    /// Whether it is here now.
    pub outcome: ItemOutcome,
    /// The reason if it is not, in words.
    pub reason: String,
}

/// An entry of an old ledger.
#[derive(Debug)]
pub struct OldEntry {
    /// What the node had noted beside it.
    pub header: LeafHeader,
    /// The entry with its contents, as a peer would deliver it.
    pub received: Received,
}

/// Why a command was not carried out. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Declined by authority or state.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// No such complaint.
    #[error("there is no complaint {0} here")]
    NoComplaint(ComplaintId),
    /// The entry would be larger than an entry may be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Peers would not accept what this node signs.
    #[error("this node may not sign now: {0}; see `sinergi charter show`")]
    OwnKey(String),
    /// A peer has seen more of this ledger than there is.
    #[error(
        "this node's ledger was set back or lost: a peer has seen more of it, see `sinergi status`. Nothing may be signed until the newest \
         copy of its folder is put back or `sinergi recover` has begun a new epoch"
    )]
    SetBack,
    /// The node has just started.
    #[error(
        "this node has just started and still asks its peers what they saw of its ledger; nothing was done, try again"
    )]
    PeersNotHeard,
    /// No link leads to the addressee.
    #[error("no link leads to {0}: add a [[peer]] toward it to sinergid.toml and restart the node; nothing was done")]
    NoRoute(AgencyId),
    /// A content is handed over a direct link only.
    #[error(
        "there is no direct link to {0}, and what is disclosed passes through nobody: add a [[peer]] for it to sinergid.toml and restart the \
         node; nothing was done"
    )]
    NoDirectLink(AgencyId),
    /// The content to be disclosed is not here.
    #[error(
        "the content is not on this node: it was withheld from it, has not arrived, or was erased; nothing was done"
    )]
    ContentNotHere,
    /// The clock cannot be trusted.
    #[error(
        "this node's clock differs by {offset_seconds} s from most of its peers', at most {} s: set the clock (NTP), nothing was signed",
        limits::CLOCK_AHEAD.as_secs()
    )]
    Clock {
        /// By how much the peers' clocks are ahead, in seconds.
        offset_seconds: i64,
    },
    /// The clock has reached its end.
    #[error("the hybrid clock has reached its end at {0:?}: an entry with an absurd clock was admitted")]
    ClockEnd(HybridClock),
}
