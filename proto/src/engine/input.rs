//! The engine's inputs and answers, as domain types.
//!
//! Must not know wire messages of the operator API, or channels: the caller delivers the answers.
//!
//! Invariant: all signatures in an input were checked before.

use std::sync::Arc;

use crate::admission::received::Received;
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use crate::charter::Charters;
use crate::complaint::{Command, NewOffer};
use crate::entry::ContentClass;
use crate::entry::content::Content;
use crate::receipt::{ItemOutcome, ItemResult};
use crate::transparency::rollback_guard::GuardState;
use crate::wire;

use super::batch::BatchNumber;
use super::error::{CommandError, DeliveryError};
use super::fair_use::DiskSpace;
use super::own_clock::ClockState;
use super::record::{CursorHeader, External, ItemKey, LeafHeader, ReceiptHeader, SeenHeader};

/// An input of the engine. All signatures in it were checked before.
#[derive(Debug)]
pub enum Input {
    /// A new complaint. Answered with [`Answer::Lodged`].
    Lodge(Box<Lodge>),
    /// A command on a complaint. Answered with [`Answer::Acted`].
    Act(Box<Act>),
    /// A frame from a peer. Answered with [`Answer::Delivered`].
    Deliver(Delivery),
    /// A peer's receipt, with the bytes of the `Ack` as received.
    Receipt(ReceiptHeader, Vec<u8>),
    /// The newest checkpoint that was seen of an agency, as a signed note.
    Seen(SeenHeader, Vec<u8>),
    /// Checkpoints of other agencies that are newer than the stored ones, each a signed note. The engine stores all of them and commits to
    /// them. Answered with [`Answer::Witnessed`].
    Witness(Vec<(AgencyId, Vec<u8>)>),
    /// Deferred items whose signatures were checked again.
    Rechecked(Vec<(ItemKey, Received)>),
    /// Items that the operator wants to be judged again. Answered with [`Answer::Retried`].
    Retry(Vec<KeptItem>),
    /// The charters in force from now on.
    Charters(Arc<Charters>),
    /// The state of the rollback guard from now on.
    Guard(GuardState),
    /// The state of this node's wall clock from now on.
    Clock(ClockState),
    /// The room on this node's disk from now on.
    Space(DiskSpace),
    /// The [`View`](super::View) shows this batch and all before it.
    Applied(BatchNumber),
    /// Time has passed. The engine tries items that were deferred until a time, and automatic actions, again.
    Tick,
    /// Asks for a slice of the backlog, see [`Engine::has_backlog`](super::Engine::has_backlog).
    Work,
    /// The declaration of a new epoch: the first entry of a new ledger. Answered with [`Answer::Declared`].
    Declare(wire::LedgerReset),
    /// An entry of this node's old ledger, for the new one.
    TakeOver(Box<OldEntry>),
    /// A position in a peer's ledger that the old ledger had recorded.
    TakeOverCursor(CursorHeader),
}

/// The result of an input. Its sender gets it when the batch that it belongs to is applied, see [`Withheld`].
#[derive(Debug)]
pub enum Answer {
    /// The input has no result.
    Nothing,
    /// The answer to [`Input::Lodge`].
    Lodged(Result<Lodged, CommandError>),
    /// The answer to [`Input::Act`].
    Acted(Result<Acted, CommandError>),
    /// The answer to [`Input::Deliver`]: one result per item, in their order.
    Delivered(Result<Vec<ItemResult>, DeliveryError>),
    /// The answer to [`Input::Witness`].
    Witnessed(Result<(), CommandError>),
    /// The answer to [`Input::Retry`]: one result per item, in their order.
    Retried(Result<Vec<Retried>, CommandError>),
    /// The answer to [`Input::Declare`].
    Declared(Result<(), CommandError>),
}

/// An answer that must not be given before the open batch is durable, because it may rest on leaves that are not durable yet.
#[derive(Debug)]
#[must_use]
pub struct Withheld<T>(T);

impl<T> Withheld<T> {
    pub(super) fn new(answer: T) -> Self {
        Self(answer)
    }

    /// Takes the answer out. The caller holds it back until the batch is applied.
    pub fn until_applied(self) -> T {
        self.0
    }
}

/// A new complaint.
#[derive(Debug)]
pub struct Lodge {
    /// The body of its `Lodged` entry.
    pub body: wire::Lodged,
    /// The contents, with their classes.
    pub contents: Vec<(Content, ContentClass)>,
    /// The record of another system that the complaint is imported from. Each record is lodged only once.
    pub external: Option<External>,
    /// The offer to make together with the complaint.
    pub forward: Option<NewOffer>,
}

/// The result of lodging a complaint.
#[derive(Debug)]
pub struct Lodged {
    /// The complaint's id.
    pub complaint: ComplaintId,
    /// Whether it was lodged before. Nothing was added then.
    pub existed: bool,
}

/// A command on a complaint.
#[derive(Debug)]
pub struct Act {
    /// The complaint.
    pub complaint: ComplaintId,
    /// The command.
    pub command: Command,
    /// The text that goes with the command. A text without a class gets the complaint's.
    pub text: Option<(Content, Option<ContentClass>)>,
}

/// The entry that a command was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// The entry's id.
    pub entry: EntryId,
    /// The entry's leaf.
    pub leaf: LedgerIndex,
    /// The addressee of the offer that is open after the act, if one is.
    pub offered_to: Option<AgencyId>,
}

/// A frame from a peer.
#[derive(Debug)]
pub struct Delivery {
    /// The peer.
    pub peer: AgencyId,
    /// The position in the peer's ledger after the frame.
    pub cursor: Cursor,
    /// The items of the frame.
    pub items: Vec<Received>,
}

/// A refused or deferred item that the operator selected.
#[derive(Debug)]
pub struct KeptItem {
    /// The number by which the operator knows the item. The answer repeats it.
    pub number: u64,
    /// The peer that delivered the item.
    pub peer: AgencyId,
    /// The entry.
    pub entry: EntryId,
    /// The reason why the item was kept.
    pub kept: KeptAs,
    /// The item, its signature checked again.
    pub received: Received,
}

/// The reason why an item was kept.
#[derive(Clone, Debug)]
pub enum KeptAs {
    /// Refused, with the reason in words.
    Refused(String),
    /// Deferred under this key, with the deferral code and the reason in words.
    Deferred(ItemKey, u32, String),
}

/// The result of judging an item again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retried {
    /// The number by which the operator knows the item.
    pub number: u64,
    /// The entry.
    pub entry: EntryId,
    /// The new outcome.
    pub outcome: ItemOutcome,
    /// The reason in words; empty if the entry is a leaf now.
    pub reason: String,
}

/// An entry of an old ledger.
#[derive(Debug)]
pub struct OldEntry {
    /// The header beside the entry in the old ledger.
    pub header: LeafHeader,
    /// The entry with its contents, as a peer would deliver it.
    pub received: Received,
}
