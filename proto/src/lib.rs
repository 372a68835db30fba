//! What all nodes of a federation must agree on: formats, rules and decisions. `proto/README.md` explains the protocol.
//!
//! Pure: no clock, no random numbers, no file, no socket, no thread. Whoever needs one passes it in as an argument.
//!
//! ```text
//!              operators                                                    peers
//!                  |                                                          |
//!                  v                                                          v
//!         +-----------------+         frames, receipts             +--------------------+
//!         |  engine::Engine | <----------------------------------- |  sync::Session     |   one for each link
//!         |  one for a node | -----------------------------------> |                    |
//!         +-----------------+    the ledger has grown              +--------------------+
//!                  |  asks: complaint, admission,                           |  parts: handshake, delivery, intake,
//!                  |  route, charter                                         |  keep-alive, gossip, charters, proofs
//!                  v                                                          v
//!         Batch: records, answers, warnings                        Actions and jobs for the shell
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`], [`clock`], [`key`], [`limits`] | names, the hybrid clock, signing keys, every limit with its name |
//! | [`wire`] | the messages that are generated from the schema; decides nothing |
//! | [`entry`], [`content`] | what is signed, and what may be forgotten |
//! | [`charter`] | who is who, with which keys, under whom; which charter is trusted |
//! | [`intake`], [`admission`], [`refusal`] | what is taken, refused or deferred, with stable numbers |
//! | [`complaint`] | custody, case and commands: the fold over a set of entries |
//! | [`engine`] | every decision of a node, as one pure machine; recovery after a loss |
//! | [`route`], [`outbox`], [`cursor`] | which links get an entry, how frames are read from the ledger, how far a link is |
//! | [`sync`] | one side of a link, as one pure machine |
//! | [`receipt`] | what a receiver says it stored |
//! | [`note`], [`checkpoint`], [`tree`] | C2SP signed notes, signed tree heads, proofs about a tree |
//! | [`watch`] | whether the checkpoints that an agency signed are of one ledger |
//! | [`transparency`] | audits of others' ledgers; the rollback guard over the own one |
//! | [`evidence`] | accusations and their judge; the evidence file |
//! | [`tlog_proof`], [`lodging_proof`] | a leaf proven to be in a ledger, in a file; the citizen's receipt |
//!
//! Invariants:
//! - received bytes are never encoded again;
//! - a refusal is the same on every node;
//! - equal sets of entries give equal states;
//! - no bytes make it panic.

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

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
