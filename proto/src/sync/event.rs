//! The interface between a session and the shell that runs it: events in, actions and jobs out, results of jobs back in.
//!
//! Must not know how a shell works on a job.

use std::sync::Arc;

use bytes::Bytes;

use super::checked_checkpoints::CheckedCheckpoints;
use super::end::{Closing, End};
use super::give_backs::{GiveBackReason, GiveBacks};
use super::jobs::JobId;
use super::window::Window;
use crate::admission::received::Received;
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, Epoch, LedgerIndex};
use crate::charter::{Charters, ListName};
use crate::receipt::{ItemResult, Receipt, ReceiptError};
use crate::routing::outbox::Prepared;
use crate::routing::unsettled::FrameAnswer;
use crate::tlog::checkpoint::Checkpoint;
use crate::transparency::rollback_guard::GuardState;
use crate::transparency::watch::VerifiedCheckpoint;
use crate::wire;

/// An input of a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// A frame came. The shell reads one only while [`super::Session::reads`] is true.
    Frame(wire::Frame),
    /// No frame can come any more.
    Closed(Closing),
    /// The time [`super::Session::next_timeout`] has come.
    Timeout,
    /// The ledger is durable up to this cursor.
    Grown(Cursor),
    /// This node has signed a checkpoint over all its durable leaves.
    Signed(Signed),
    /// Some agency's newest checkpoint has changed. Passed only while [`super::Session::wants_news`] is true.
    News,
    /// These charters are in force now, and so is everything that depends on them.
    Charters(Arc<Charters>),
    /// Whether this node may sign from now on.
    Guard(GuardState),
    /// A part of this node asks the peer a question.
    Ask(AskId, Question),
    /// The writer has taken the oldest submission ([`Job::Commit`] or [`Action::Store`]) that it had not taken.
    Taken,
    /// Another connection of this pair of agencies takes over.
    Superseded,
    /// The node is stopping.
    Stop,
    /// A job has ended.
    Done(JobId, Done),
}

/// A checkpoint of this node over all its durable leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The number of leaves that the checkpoint covers.
    pub size: LedgerIndex,
    /// The signed note.
    pub note: Arc<[u8]>,
}

/// Names a question until it is answered. The shell numbers the questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// A question to the peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Whether the peer responds: a ping.
    Alive,
    /// Proofs about the peer's ledger. The session sets the number of the question.
    Prove(wire::Prove),
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The peer responded.
    Alive,
    /// The peer's proof about its ledger.
    Proof(wire::Proof),
    /// The peer did not answer in time.
    TimedOut,
}

/// An output of a session. The shell performs the actions in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start this job, and pass [`Event::Done`] when it has ended. Jobs run concurrently and end in any order.
    Start(JobId, Job),
    /// Submit this record to the writer, after all earlier submissions, and pass [`Event::Taken`] when the writer has taken it.
    Store(SideRecord),
    /// Give back the room that this job has reserved.
    Release(JobId),
    /// The answer to a question.
    Answer(AskId, Reply),
    /// Give this checkpoint of the peer to the watch. The peer showed it in a receipt, and it verified.
    Saw(VerifiedCheckpoint),
    /// Warn the operator.
    Warn(Warning),
    /// Record this fact about the peer.
    Peer(PeerChange),
    /// End the connection. This is the last action of a session.
    Close(Close),
}

/// A ledger record that is no entry.
#[derive(Clone, Debug, PartialEq)]
pub enum SideRecord {
    /// A receipt of the peer.
    Receipt {
        /// The time at which the receipt came, in milliseconds since 1970.
        at: u64,
        /// The answer that the receipt gives.
        answer: FrameAnswer,
        /// The receipt as it was signed.
        ack: wire::Ack,
    },
    /// A checkpoint of the peer's own ledger.
    Seen {
        /// The time at which the checkpoint came, in milliseconds since 1970.
        at: u64,
        /// The signed note.
        note: Vec<u8>,
    },
}

/// Slow work that the session must not wait for.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Read this node's records about the peer. Ends with [`Done::PeerLoaded`].
    LoadPeer,
    /// Compare the peer's view of this node's ledger with the ledger. If the peer shows more leaves, or other ones, the rollback guard must
    /// stop the node from signing. Ends with [`Done::Compared`].
    Compare {
        /// A checkpoint that this node may have signed.
        checkpoint: Vec<u8>,
        /// A `SignedEntry` that this node may have signed.
        entry: Vec<u8>,
    },
    /// Check checkpoints that the peer sent, and give those that verify to the watch. Ends with [`Done::CheckpointsChecked`].
    CheckCheckpoints {
        /// Signed notes, each at most [`crate::base::limits::CHECKPOINT_BYTES`] long.
        notes: Vec<Vec<u8>>,
    },
    /// Read this node's newest checkpoint, and the checkpoints of other agencies that became the newest after this version of the watch. Ends with
    /// [`Done::Gossip`].
    Gossip {
        /// The version.
        after: u64,
    },
    /// Wait for room in the memory that all links together may use for received frames. The room is reserved until [`Action::Release`].
    /// Ends with [`Done::Reserved`].
    Reserve {
        /// The size of the frame.
        bytes: usize,
    },
    /// Decode and authenticate the items of a frame. Ends with [`Done::Checked`].
    Check {
        /// The items.
        items: Vec<wire::Item>,
    },
    /// Submit authenticated items to the writer, after all earlier submissions. The shell passes [`Event::Taken`] when the writer has taken
    /// them. Ends with [`Done::Committed`] when they are durable.
    Commit {
        /// The frame's cursor.
        cursor: Cursor,
        /// The frame's items.
        items: Vec<Received>,
    },
    /// Sign the receipt for a frame. Ends with [`Done::Acknowledged`].
    SignAck {
        /// The frame's cursor.
        cursor: Cursor,
        /// The results of its items.
        results: Vec<ItemResult>,
        /// A checkpoint that covers the items.
        checkpoint: Vec<u8>,
    },
    /// Check the signature of the peer's receipt. Ends with [`Done::CheckedAck`].
    CheckAck(wire::Ack),
    /// Wait for room in the memory that all links together may use for sending, and read the next frame for the peer. The room is reserved
    /// until [`Action::Release`]. Ends with [`Done::Read`].
    Read {
        /// The start of the frame.
        from: Cursor,
        /// The least end of the read: further leaves may be included if the ledger has grown.
        end: Cursor,
        /// The entries to give back, if the peer has lost its ledger.
        give_back: Option<GiveBackRange>,
    },
    /// Answer a question of the peer about this node's ledger. Ends with [`Done::Proved`].
    Prove(wire::Prove),
    /// Adopt a charter, and everything that depends on it. If it needs a list that is not here, wait for room in the memory for lists. That room is
    /// reserved until [`Action::Release`]. Ends with [`Done::Adopted`].
    Adopt {
        /// The signed note.
        note: Vec<u8>,
        /// A list of trusted entries that the charter needs, if the peer gave one.
        list: Option<Vec<u8>>,
    },
}

/// The entries to give back to a peer whose ledger has begun a new epoch, see [`crate::routing::outbox::GiveBack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveBackRange {
    /// The peer's new epoch.
    pub epoch: Epoch,
    /// Entries that came from the peer are given back if their leaf is before this one.
    pub before: LedgerIndex,
}

/// The result of a job.
#[derive(Clone, Debug)]
pub enum Done {
    /// The result of [`Job::LoadPeer`].
    PeerLoaded(Box<StoredPeer>),
    /// The result of [`Job::Compare`]: how the peer's view contradicts this node's ledger; `None` if it does not.
    Compared(Option<String>),
    /// The result of [`Job::CheckCheckpoints`].
    CheckpointsChecked(CheckedCheckpoints),
    /// The result of [`Job::Gossip`].
    Gossip {
        /// This node's newest checkpoint.
        own: Signed,
        /// The newest notes of others, the oldest change first. At most [`crate::base::limits::GOSSIP_CHECKPOINTS`], and none of the peer's own.
        notes: Vec<Vec<u8>>,
        /// The version of the watch that these notes lead to.
        reached: u64,
    },
    /// The result of [`Job::Reserve`].
    Reserved,
    /// The result of [`Job::Check`]: one per item, in their order.
    Checked(Vec<Received>),
    /// The result of [`Job::Commit`].
    Committed {
        /// One per item, in their order.
        results: Vec<ItemResult>,
        /// A signed checkpoint that covers the items.
        checkpoint: Arc<[u8]>,
    },
    /// The result of [`Job::SignAck`].
    Acknowledged(wire::Ack),
    /// The result of [`Job::CheckAck`]. The error says what is wrong with the receipt.
    CheckedAck(Result<Box<CheckedAck>, String>),
    /// The result of [`Job::Read`].
    Read(Prepared),
    /// The result of [`Job::Prove`].
    Proved(wire::Proof),
    /// The result of [`Job::Adopt`].
    Adopted(Adoption),
    /// The failure of any job. The session ends.
    Failed(End),
}

/// A node's records about a peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredPeer {
    /// The position up to which the node has the peer's ledger.
    pub received: Option<Cursor>,
    /// The position up to which the node has the peer's receipts for its own ledger.
    pub receipted: Option<Cursor>,
    /// The peer's epoch in which it gave the newest of these receipts. `None` if there is none, or the receipt names no epoch.
    pub receipted_in: Option<Epoch>,
    /// The peer's `SignedEntry` with the highest place; empty if there is none.
    pub entry: Bytes,
    /// The peer's newest declared epoch, and the leaf of that declaration in this node's ledger.
    pub reset: Option<(Epoch, LedgerIndex)>,
    /// The peer's newest checkpoint.
    pub checkpoint: Option<VerifiedCheckpoint>,
    /// The version of the watch up to which the peer has surely received the checkpoints of others.
    pub gossiped: u64,
    /// The hash of the peer's charter, if it is a rival of this node's charter; and the version up to which this node has passed on its own
    /// charters for that reason.
    pub passed_on: Option<([u8; 32], u64)>,
    /// When the node began to give entries back to the peer.
    pub gave_back: GiveBacks,
}

/// A receipt that the peer signed, under a checkpoint of the peer that covers all leaves it names.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedAck {
    /// The receipt.
    pub receipt: Receipt,
    /// The bytes that were signed.
    pub ack: wire::Ack,
    /// The checkpoint in the receipt.
    pub checkpoint: Checkpoint,
    /// This node's wall clock when the receipt was read, if it was confirmed, in milliseconds since 1970.
    pub confirmed: Option<u64>,
}

impl CheckedAck {
    /// Checks that `ack` is the receipt of `peer` for a delivery of `own`. `confirmed` is this node's wall clock if it is confirmed,
    /// in milliseconds since 1970. `open` opens a note with a checkpoint of the peer, under any key that the peer ever had.
    ///
    /// # Errors
    /// The problem with the receipt.
    pub fn open(
        ack: wire::Ack,
        [own, peer]: [&AgencyId; 2],
        federation: &str,
        charters: &Charters,
        confirmed: Option<u64>,
        open: impl FnOnce(&[u8]) -> Option<Checkpoint>,
    ) -> Result<Self, ReceiptError> {
        let receipt = Receipt::open(&ack, own, peer, federation, charters)?;
        let checkpoint = receipt.checkpoint(open)?;
        Ok(Self { receipt, ack, checkpoint, confirmed })
    }
}

/// The result of adopting a charter that a peer passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// The charter is in force now, or was before.
    InForce,
    /// The charter does not follow this node's charters, or cannot be stored. No charter that builds on it can be adopted either.
    Not,
    /// The charter is a rival of the one with this version that is in force here: both are signed.
    Rival(u64),
    /// The charter is right, and names a list of trusted entries that is not here.
    Lacks(ListName),
}

/// A warning for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The peer claims, without proof, to have more of this node's ledger than there is.
    Ahead(String),
    /// The peer's ledger has begun this epoch, and the peer has not declared why.
    Undeclared(Epoch),
}

/// A fact about the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// The peer's view of this node's ledger contradicts nothing.
    Heard,
    /// Both sides have greeted. The link is not up yet: both must show a checkpoint first.
    Greeted {
        /// The protocol version.
        protocol: u32,
        /// The peer's charter version.
        charter_version: u64,
    },
    /// The link is up.
    Linked,
    /// The peer has shown a checkpoint of its ledger, with a time or without one.
    Shown {
        /// Whether it has a time.
        has_time: bool,
    },
    /// The peer's clock minus this node's, in milliseconds.
    ClockOffset(i64),
    /// The peer has answered a ping or acknowledged a frame.
    Answered,
    /// The progress of the delivery.
    Progress {
        /// The cursor of the last sent frame.
        sent: Cursor,
        /// The cursor up to which the peer has acknowledged everything.
        acknowledged: Cursor,
    },
    /// The number of entries in a frame that was sent.
    SentEntries(u64),
    /// The number of entries in a frame that came.
    ReceivedEntries(u64),
    /// The number of items of one frame that the peer refused.
    Refused(u64),
    /// The node begins to give entries back to the peer.
    GivesBack(GiveBackReason),
    /// The version of the watch up to which the peer has received the checkpoints of others. 0 if it may have forgotten them.
    Gossiped(u64),
    /// The hash of the peer's rival charter, and the version up to which this node's charters were passed on. `None` if they may not have
    /// reached the peer.
    PassedOn(Option<([u8; 32], u64)>),
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The reason.
    pub end: End,
    /// Whether the link was up long enough, or moved an entry. If not, the next dial is delayed.
    pub was_success: bool,
}

/// The two sides of a link, and the node's state when the session starts.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// This agency.
    pub own: AgencyId,
    /// The other agency, as its certificate names it.
    pub peer: AgencyId,
    /// The federation's name.
    pub federation: String,
    /// The idle timeout: a link without a frame for this long is taken for dead.
    pub idle: std::time::Duration,
    /// How much this side has under way, each way.
    pub window: Window,
    /// The charters in force.
    pub charters: Arc<Charters>,
    /// The durable end of the ledger.
    pub end: Cursor,
    /// The newest checkpoint of this node over all its durable leaves. `None` until it has signed one since its start.
    pub signed: Option<Signed>,
    /// Whether this node may sign.
    pub guard: GuardState,
}
