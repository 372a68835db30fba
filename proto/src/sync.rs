//! How two nodes stay in step: one side of a link as a pure machine, [`Session`].
//!
//! ```text
//!              +------------------------------ Session -------------------------------+
//!   Event ---> | handshake  keepalive  delivery  reception  gossip  charters  proof_* | ---> Action, Job
//!              |            what they share: jobs, timers, frames that wait           | ---> next_frame()
//!              +-----------------------------------------------------------------------+ ---> next_timeout()
//! ```
//!
//! A session holds no socket, clock, channel or randomness. Slow work is a [`Job`] for the shell: signature checks, reads of the ledger,
//! commits, proofs, adopting charters. The shell has five duties:
//!
//! 1. While [`Session::reads`] is true, read a frame and pass it as [`Event::Frame`]; pass [`Event::Closed`] when no frame can come any more.
//! 2. While the transport has room and [`Session::has_frame`] is true, send [`Session::next_frame`].
//! 3. Pass [`Event::Timeout`] at [`Session::next_timeout`], before any frame.
//! 4. Pass changes of the node: [`Event::Grown`], [`Event::Signed`], [`Event::Charters`], [`Event::Guard`], [`Event::News`], [`Event::Ask`],
//!    [`Event::Superseded`], [`Event::Stop`]. Pass growth before any frame that came after it, because the peer may have the new leaves already.
//! 5. Perform the actions in their order. Jobs run concurrently and end in any order; pass the result of each as [`Event::Done`]. Submissions to
//!    the writer ([`Job::Commit`] and [`Action::Store`]) must reach it in the order of the actions; pass [`Event::Taken`] for each that it takes.
//!
//! After [`Action::Close`] the shell sends [`End::farewell`] and drops the session. The results of running jobs are then ignored.
//!
//! Invariants:
//! - nothing here is durable: after any interruption both sides start again from the cursor in the receiver's ledger;
//! - each part owns its fields, and no part writes another's.

mod charters;
mod checked_checkpoints;
mod delivery;
mod effects;
mod end;
mod event;
mod give_backs;
mod gossip;
mod handshake;
mod jobs;
mod keepalive;
mod lists;
mod peer_checkpoints;
mod proof_client;
mod proof_server;
mod reception;
mod session;
mod timers;
mod window;

pub use checked_checkpoints::{CheckedCheckpoints, CheckpointAccess, KeysOf};
pub use delivery::{Sender, SenderEvent, SenderOutput};
pub use end::{Closing, End};
pub use event::{
    Action, Adoption, AskId, CheckedAck, Close, Done, Event, GiveBackRange, Job, PeerChange, Question, Reply,
    SessionConfig, SideRecord, Signed, StoredPeer, Warning,
};
pub use give_backs::{GiveBackReason, GiveBacks};
pub use handshake::{HANDSHAKE_WITHIN, PROTOCOL_MAX, PROTOCOL_MIN};
pub use jobs::JobId;
pub use peer_checkpoints::OwnShown;
pub use reception::{Receiver, ReceiverEvent, ReceiverOutput};
pub use session::Session;
pub use window::Window;

#[cfg(test)]
mod tests;
