//! What passes between a session and the shell that runs it: events in, actions and jobs out, results back.

use std::sync::Arc;

use bytes::Bytes;

use super::end::{Closing, End};
use super::jobs::JobId;
use super::window::Window;
use crate::charter::Charters;
use crate::checkpoint::Checkpoint;
use crate::cursor::Cursor;
use crate::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use crate::intake::Received;
use crate::outbox::Prepared;
use crate::receipt::{ItemResult, Receipt};
use crate::watch::Noted;
use crate::wire;

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// A frame came. The shell reads one only while [`super::Session::reads`] says so.
    Frame(wire::Frame),
    /// No frame can come any more.
    Closed(Closing),
    /// The moment that [`super::Session::next_timeout`] named has come.
    Timeout,
    /// The ledger is durable up to here.
    Grown(Cursor),
    /// This node has signed a checkpoint over all its durable leaves.
    Signed(Signed),
    /// Some agency's newest checkpoint has changed. Told only while [`super::Session::wants_news`] says so.
    News,
    /// These charters are in force now, with all that depends on them.
    Charters(Arc<Charters>),
    /// Whether this node may sign.
    Guard(GuardState),
    /// Somebody on this node asks the peer something.
    Ask(AskId, Question),
    /// The writer has taken the oldest of what it was given ([`Job::Commit`] and [`Action::Keep`]) and has room for more.
    Taken,
    /// Another connection of this pair takes over.
    Superseded,
    /// The node is stopping.
    Stop,
    /// A job has ended.
    Done(JobId, Done),
}

/// A checkpoint of this node over all its durable leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// How many leaves it covers.
    pub size: LedgerIndex,
    /// The signed note.
    pub note: Arc<[u8]>,
}

/// Whether this node may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardState {
    /// Not yet: peers are asked what they saw of its ledger.
    Waiting,
    /// It may.
    Clear,
    /// Its ledger was set back or lost: only its operator can help.
    SetBack,
}

/// Names a question until it is answered. The shell numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// A question to the peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Whether it is there.
    Alive,
    /// Proofs about its ledger; the session numbers the question.
    Prove(wire::Prove),
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The peer is there.
    Alive,
    /// What it shows of its ledger.
    Proof(wire::Proof),
    /// It said nothing in time.
    Silent,
}

/// What the shell must do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Work on this, and say [`Event::Done`] when it has ended. Jobs run beside each other and end in any order.
    Start(JobId, Job),
    /// Give this to the writer, after whatever it was given before, and say [`Event::Taken`] when the writer has taken it.
    Keep(Kept),
    /// Give back the room that this job took.
    Release(JobId),
    /// The answer to a question.
    Answer(AskId, Reply),
    /// The peer showed this checkpoint of itself, which verified: for the watch.
    Saw(Noted),
    /// The operator must hear of this.
    Warn(Warning),
    /// Something is known of the peer.
    Peer(PeerChange),
    /// End the connection. It is the last action of a session.
    Close(Close),
}

/// Something for the ledger that is no entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// The peer's receipt.
    Receipt {
        /// When it came, milliseconds since 1970.
        at: u64,
        /// The frame that it acknowledges.
        cursor: Cursor,
        /// Items that the peer refused, with the code.
        refused: Vec<(EntryId, u32)>,
        /// The receipt as it was signed.
        ack: wire::Ack,
    },
    /// A checkpoint that the peer showed of itself.
    Seen {
        /// When, milliseconds since 1970.
        at: u64,
        /// The signed note.
        note: Vec<u8>,
    },
}

/// Something that takes time, and that the session must not wait for.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Look up what this node holds of the peer's ledger, and the peer of this node's. Ends with [`Done::Recalled`].
    Recall,
    /// Compare what the peer shows of this node's ledger with the ledger, and stop the signing if that is more, or another.
    /// Ends with [`Done::Compared`].
    Compare {
        /// A checkpoint that this node may have signed.
        checkpoint: Vec<u8>,
        /// A `SignedEntry` that this node may have signed.
        entry: Vec<u8>,
    },
    /// Check checkpoints that the peer shows, and tell the watch of those that verify. Ends with [`Done::Looked`].
    Look {
        /// Signed notes, each at most [`crate::limits::CHECKPOINT_BYTES`].
        notes: Vec<Vec<u8>>,
    },
    /// Read what became the newest checkpoint of others after this version of the watch. Ends with [`Done::Gossip`].
    Gossip {
        /// The version.
        after: u64,
    },
    /// Wait for room in what all links may hold of received frames; it is taken until [`Action::Release`]. Ends with
    /// [`Done::Reserved`].
    Reserve {
        /// How much.
        bytes: usize,
    },
    /// Decode and authenticate the items of a frame. Ends with [`Done::Checked`].
    Check {
        /// The items.
        items: Vec<wire::Item>,
    },
    /// Give authenticated items to the writer, after whatever it was given before. Says [`Event::Taken`] when the writer has taken them,
    /// and ends with [`Done::Committed`] when they are durable.
    Commit {
        /// The frame's cursor.
        cursor: Cursor,
        /// Its items.
        items: Vec<Received>,
    },
    /// Sign the receipt for a frame. Ends with [`Done::Acknowledged`].
    SignAck {
        /// The frame's cursor.
        cursor: Cursor,
        /// What became of its items.
        results: Vec<ItemResult>,
        /// The checkpoint that covers them.
        checkpoint: Vec<u8>,
    },
    /// Check the signature of the peer's receipt. Ends with [`Done::CheckedAck`].
    CheckAck(wire::Ack),
    /// Wait for room in what all links may send, and read the next frame for the peer; the room is taken until [`Action::Release`].
    /// Ends with [`Done::Read`].
    Read {
        /// From here on.
        from: Cursor,
        /// Up to here, or further if the ledger has grown.
        end: Cursor,
        /// What the peer lost with its ledger.
        give_back: Option<Owed>,
    },
    /// Answer a question of the peer about this node's ledger. Ends with [`Done::Proved`].
    Prove(wire::Prove),
    /// Adopt a charter, with all that depends on it. Ends with [`Done::Adopted`].
    Adopt {
        /// The signed note.
        note: Vec<u8>,
    },
}

/// What a peer that has begun a new epoch of its ledger is given back, see [`crate::outbox::GiveBack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The epoch that it has begun.
    pub epoch: Epoch,
    /// What it passed on is given back up to this leaf.
    pub before: LedgerIndex,
}

/// How a job has ended.
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Job::Recall`].
    Recalled(Box<Recalled>),
    /// Of [`Job::Compare`]: how what the peer shows contradicts this node's ledger.
    Compared(Option<String>),
    /// Of [`Job::Look`].
    Looked(Looked),
    /// Of [`Job::Gossip`].
    Gossip {
        /// The newest notes, the oldest change first, at most [`crate::limits::CHECKPOINTS_TOLD`], none of the peer's.
        notes: Vec<Vec<u8>>,
        /// The version that they lead to.
        reached: u64,
    },
    /// Of [`Job::Reserve`].
    Reserved,
    /// Of [`Job::Check`]: one result an item, in their order.
    Checked(Vec<Received>),
    /// Of [`Job::Commit`].
    Committed {
        /// One an item, in their order; `None`: too much of the peer waits, and nothing was taken.
        results: Option<Vec<ItemResult>>,
        /// The signed checkpoint that covers them.
        checkpoint: Arc<[u8]>,
    },
    /// Of [`Job::SignAck`].
    Acknowledged(wire::Ack),
    /// Of [`Job::CheckAck`]; the error says what is wrong with the receipt.
    CheckedAck(Result<Box<CheckedAck>, String>),
    /// Of [`Job::Read`].
    Read(Prepared),
    /// Of [`Job::Prove`].
    Proved(wire::Proof),
    /// Of [`Job::Adopt`].
    Adopted(Adoption),
    /// Of any job: it cannot be done, and the link has to end.
    Failed(End),
}

/// What a node holds of a peer's ledger, and the peer of its, by its own records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// How far it has the peer's ledger.
    pub received: Option<Cursor>,
    /// Up to where it holds the peer's receipts for its own ledger.
    pub receipted: Option<Cursor>,
    /// The peer's `SignedEntry` with the highest place; empty: none.
    pub entry: Bytes,
    /// The peer's newest declaration of an epoch, and the leaf where it lies here.
    pub reset: Option<(Epoch, LedgerIndex)>,
    /// The peer's newest checkpoint, a signed note; empty: none.
    pub checkpoint: Vec<u8>,
    /// The peer has surely heard of others' checkpoints up to this version of the watch.
    pub told: u64,
    /// The hash of a charter of the peer beside ours, and the version up to which ours were passed on for that.
    pub passed_on: Option<([u8; 32], u64)>,
}

/// What checkpoints that a peer showed have added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Notes of the peer itself that show more than was known.
    pub news: Vec<Vec<u8>>,
    /// The epoch of the peer's newest checkpoint.
    pub epoch: Option<Epoch>,
}

/// A receipt whose signature is the peer's.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedAck {
    /// The receipt in it.
    pub receipt: Receipt,
    /// The bytes that were signed.
    pub ack: wire::Ack,
    /// The checkpoint in it, if it verifies.
    pub checkpoint: Option<Checkpoint>,
}

/// What became of a charter that a peer passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// It is in force, or was before.
    InForce,
    /// It does not follow the charters of this node, or cannot be kept. None that builds on it can follow.
    Not,
    /// It was signed beside the one of this version that is in force here.
    Rival(u64),
}

/// What the operator must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The peer says, without proof, that it has more of this node's ledger than there is.
    Ahead(String),
    /// The peer has begun this epoch of its ledger and has not declared why.
    Undeclared(Epoch),
}

/// Something that is known of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// What it saw of this node's ledger contradicts nothing.
    Heard,
    /// The link is up.
    Linked {
        /// The protocol version.
        protocol: u32,
        /// The peer's charter version.
        charter_version: u64,
    },
    /// Its clock less ours, in milliseconds.
    ClockOffset(i64),
    /// It has answered.
    Answered,
    /// How far this node's ledger was sent to it, and how far it was acknowledged.
    Progress {
        /// The cursor of the last frame.
        sent: Cursor,
        /// Up to where it has everything.
        acknowledged: Cursor,
    },
    /// So many entries were sent to it.
    SentEntries(u64),
    /// So many entries came from it.
    ReceivedEntries(u64),
    /// So many items it refused.
    Refused(u64),
    /// It has heard of others' checkpoints up to this version of the watch; 0: it may have forgotten them.
    Told(u64),
    /// It goes by a charter with this hash beside ours, and ours were passed on up to this version; `None`: they may not have reached it.
    PassedOn(Option<([u8; 32], u64)>),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub end: End,
    /// The link lasted or moved an entry: there is no reason to dial more slowly.
    pub was_success: bool,
}

/// Who the two sides of a link are, and what the session's side has when it begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// This agency.
    pub own: AgencyId,
    /// The other one, by its certificate.
    pub peer: AgencyId,
    /// The federation.
    pub federation: String,
    /// Silence after which the link is taken for dead.
    pub idle: std::time::Duration,
    /// How much this side has under way, each way.
    pub window: Window,
    /// The charters in force.
    pub charters: Arc<Charters>,
    /// The durable end of the ledger.
    pub end: Cursor,
    /// The newest checkpoint of this node: signed, or until it may sign recorded.
    pub checkpoint: Arc<[u8]>,
    /// Whether that covers all durable leaves.
    pub is_signed: bool,
    /// Whether this node may sign.
    pub guard: GuardState,
}
