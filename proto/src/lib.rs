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
//! | [`base`] | ids, keys, the hybrid clock, the limits of the federation, the codes of refusals |
//! | [`wire`] | the messages that are generated from the schema; decides nothing |
//! | [`tlog`] | C2SP signed notes, checkpoints, tree hashes and proofs |
//! | [`entry`] | what is signed, and the content that it commits to |
//! | [`charter`] | the members, their keys and supervisors; which charter is trusted |
//! | [`admission`] | whether a received entry is taken, refused or deferred |
//! | [`routing`] | which links get an entry, how frames are read from the ledger, how far a link is |
//! | [`complaint`] | custody, case and commands: the fold over a set of entries |
//! | [`transparency`] | receipts, audits, evidence and its judge, the rollback guard |
//! | [`engine`] | every decision of a node, as one pure machine; recovery after a loss |
//! | [`sync`] | one side of a link, as one pure machine |
//!
//! Invariants:
//! - received bytes are never encoded again;
//! - a refusal is the same on every node;
//! - equal sets of entries give equal states;
//! - no bytes make it panic.

pub mod admission;
pub mod base;
pub mod charter;
pub mod complaint;
pub mod engine;
pub mod entry;
pub mod routing;
pub mod sync;
pub mod tlog;
pub mod transparency;
pub mod wire;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
