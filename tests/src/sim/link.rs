//! A node's end of one connection: the sender's and the receiver's state machines, and the frames between them.

use std::collections::VecDeque;

use sinergi_proto::entry::Place;
use sinergi_proto::ids::{AgencyId, EntryId, Epoch};
use sinergi_proto::link::{Cursor, Receiver, Sender};
use sinergi_proto::receipt::ItemResult;
use sinergi_proto::wire;

use super::ledger::{GiveBack, Seen};

/// What goes over a connection.
#[derive(Clone, Debug)]
pub enum Frame {
    /// The first one.
    Hello {
        /// How far the sender of this frame has the other's ledger.
        have: Option<Cursor>,
        /// The newest checkpoint of the other that it saw.
        seen_of_you: Option<Seen>,
        /// The entry of the other with the highest place that it has.
        newest_of_you: Option<(Place, EntryId)>,
        /// Its own.
        checkpoint: Seen,
    },
    /// Entries.
    Deliver(wire::Deliver),
    /// A receipt.
    Ack {
        /// What it acknowledges.
        cursor: Cursor,
        /// What became of the items.
        results: Vec<ItemResult>,
        /// The checkpoint that covers them.
        checkpoint: Seen,
    },
}

/// One end.
pub struct Link {
    /// Which connection.
    pub connection: u64,
    /// The other side.
    pub peer: AgencyId,
    /// Sends our ledger.
    pub sender: Sender,
    /// Takes the peer's.
    pub receiver: Receiver,
    /// Whether the peer has greeted.
    pub greeted: bool,
    /// What goes back to the peer.
    pub give_back: Option<GiveBack>,
    /// Frames that the peer has delivered and that wait for the group commit.
    pub submitted: VecDeque<Cursor>,
    /// The epoch with which the peer greeted.
    pub epoch: Epoch,
}
