//! A node's end of one connection: the sender's and the receiver's state machines, and the frames between them.

use std::collections::VecDeque;

use sinergi_proto::cursor::Cursor;
use sinergi_proto::entry::Place;
use sinergi_proto::ids::{AgencyId, EntryId};
use sinergi_proto::outbox::GiveBack;
use sinergi_proto::receipt::ItemResult;
use sinergi_proto::sync::{Receiver, Sender};
use sinergi_proto::wire;

use super::ledger::Seen;

/// What goes over a connection.
#[derive(Clone, Debug)]
pub enum Frame {
    /// The first one.
    Hello(Box<Hello>),
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

/// How a node greets.
#[derive(Clone, Copy, Debug)]
pub struct Hello {
    /// How far it has the other's ledger.
    pub have: Option<Cursor>,
    /// The newest checkpoint of the other that it saw.
    pub seen_of_you: Option<Seen>,
    /// The entry of the other with the highest place that it has.
    pub newest_of_you: Option<(Place, EntryId)>,
    /// The same, of those that the other delivered itself.
    pub delivered_of_you: Option<(Place, EntryId)>,
    /// Its own newest checkpoint; until it may sign, the newest one that its ledger has recorded.
    pub checkpoint: Option<Seen>,
}

/// One end.
pub struct Link {
    /// Which connection.
    pub connection: u64,
    /// The other side.
    pub peer: AgencyId,
    /// How far we had the peer's ledger when we greeted.
    pub have: Option<Cursor>,
    /// What we held of the peer's receipts when we greeted.
    pub receipted: Option<Cursor>,
    /// The peer's greeting, once it came.
    pub hello: Option<Hello>,
    /// The session, once both have greeted and we may sign.
    pub session: Option<Session>,
    /// What came before the session began.
    pub unread: VecDeque<Frame>,
}

/// What runs over a connection.
pub struct Session {
    /// Sends our ledger.
    pub sender: Sender,
    /// Takes the peer's.
    pub receiver: Receiver,
    /// What goes back to the peer.
    pub give_back: Option<GiveBack>,
}
