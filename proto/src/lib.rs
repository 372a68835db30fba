//! What the parties of a Sinergi federation must agree on: formats, rules and decisions. Pure: no clock, no randomness, no file, no
//! socket, no runtime; time and random numbers are arguments.
//!
//! ```text
//!   bytes --entry--> Entry --admission--> Verdict --complaint--> custody, case, participants
//!                      |      (by charter,   |        (fold over the set)        |
//!                      |       ancestors)    |                                   v
//!   command ---------- | ------------------- | ----------------------decide--> body, to be signed
//!                      v                     v
//!                   content               route: to whom          sync: the link, receipt: what was taken
//! ```
//!
//! | module | what it settles |
//! |---|---|
//! | [`ids`], [`clock`], [`limits`] | names, hybrid clock, every bound |
//! | [`wire`] | the generated messages; decides nothing |
//! | [`entry`], [`content`] | what is signed, and what may be forgotten |
//! | [`charter`] | who is who, with which keys, under whom; which charter is trusted |
//! | [`intake`], [`admission`], [`refusal`] | what is taken, refused or deferred, with stable codes |
//! | [`complaint`] | who holds a complaint and how far it is: the same for equal sets; what an operator may do now |
//! | [`engine`] | every decision of a node, as one pure machine |
//! | [`route`] | which peers get an entry, and how much of its content |
//! | [`sync`], [`cursor`], [`outbox`], [`receipt`] | how two nodes stay in step, and how a denial is proved |
//! | [`note`], [`checkpoint`] | C2SP signed notes and ledger checkpoints |
//! | [`watch`] | whether the checkpoints that an agency signed are of one ledger |
//! | [`tree`], [`evidence`] | proofs about another's ledger, and what convinces a stranger |
//! | [`transparency`] | audits of others' ledgers; whether the own ledger is still the one that peers saw |
//! | [`tlog_proof`], [`lodging_proof`] | a leaf proven to be in a ledger, in a file; the citizen's receipt |
//! | [`engine`] | what a node does: recovery of a ledger that was set back or lost |
//!
//! Invariants: received bytes are never encoded again; a refusal is the same on every node; no bytes make it panic.

pub mod admission;
pub mod charter;
pub mod checkpoint;
pub mod clock;
pub mod complaint;
pub mod content;
pub mod cursor;
pub mod engine;
pub mod entry;
pub mod evidence;
pub mod ids;
pub mod intake;
pub mod key;
pub mod limits;
pub mod lodging_proof;
pub mod note;
pub mod outbox;
pub mod receipt;
pub mod refusal;
pub mod route;
pub mod sync;
pub mod tlog_proof;
pub mod transparency;
pub mod tree;
pub mod watch;
pub mod wire;

/// What both sides of a link count and exchange, under one name.
pub mod link {
    pub use crate::cursor::Cursor;
    pub use crate::outbox::Batch;
    pub use crate::sync::{Receiver, ReceiverEvent, ReceiverOutput, Sender, SenderEvent, SenderOutput};
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
