//! How two nodes stay in step: one side of a link as a pure machine, [`Session`].
//!
//! ```text
//!              +------------------------------ Session -------------------------------+
//!   Event ---> | handshake  keepalive  delivery  intake  gossip  charters  proof_*    | ---> Action, Job
//!              |            what they share: jobs, timers, frames that wait           | ---> next_frame()
//!              +-----------------------------------------------------------------------+ ---> next_timeout()
//! ```
//!
//! A session holds no socket, clock, channel or randomness. Whatever takes time is a [`Job`] that the shell works on: signature checks, reads of
//! the ledger, the writer, proofs, charters. The shell has five duties:
//!
//! 1. read a frame while [`Session::reads`] says so, and say [`Event::Frame`], or [`Event::Closed`] when none can come any more;
//! 2. when the transport has room and [`Session::has_frame`] says so, send [`Session::next_frame`];
//! 3. say [`Event::Timeout`] when [`Session::next_timeout`] has come, before any frame;
//! 4. say what changes in the node: [`Event::Grown`], [`Event::Signed`], [`Event::Charters`], [`Event::Guard`], [`Event::News`],
//!    [`Event::Ask`], [`Event::Superseded`], [`Event::Stop`]. Growth is told before any frame that came after it: the peer may have that much;
//! 5. do the actions in their order. Jobs run beside each other and end in any order, each with [`Event::Done`]. What is given to the writer
//!    ([`Job::Commit`] and [`Action::Keep`]) reaches it in the order of the actions, and each submission that it takes is told with
//!    [`Event::Taken`].
//!
//! After [`Action::Close`] the shell sends [`End::farewell`] and drops the session; jobs that still run may end unheard.
//!
//! Nothing here is durable: after any interruption both sides start anew from what the receiver's ledger says it has. Each part owns its fields,
//! and none writes another's.

mod charters;
mod delivery;
mod effects;
mod end;
mod event;
mod gossip;
mod handshake;
mod intake;
mod jobs;
mod keepalive;
mod proof_client;
mod proof_server;
mod session;
mod timers;
mod window;

pub use delivery::sender::{Sender, SenderEvent, SenderOutput};
pub use end::{Closing, End};
pub use event::{
    Action, Adoption, AskId, CheckedAck, Close, Done, Event, GuardState, Job, Kept, Looked, Opening, Owed, PeerChange,
    Question, Recalled, Reply, Signed, Warning,
};
pub use handshake::{HANDSHAKE_WITHIN, PROTOCOL_MAX, PROTOCOL_MIN};
pub use intake::receiver::{Receiver, ReceiverEvent, ReceiverOutput};
pub use jobs::JobId;
pub use session::Session;
pub use timers::Now;
pub use window::Window;

#[cfg(test)]
mod tests;
