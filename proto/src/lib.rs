//! The protocol of the federation: the formats, rules and decisions that all nodes must agree on. `proto/README.md` explains it.
//!
//! This crate is pure. It reads no clock, draws no random numbers, opens no file or socket and starts no thread. Its caller
//! passes such things in as arguments.
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
//! | module | content |
//! |---|---|
//! | [`base`] | ids, positions in a ledger, keys, the hybrid clock, the limits of the federation, the codes of refusals |
//! | [`wire`] | the messages of the peer protocol, generated from the schema; no decisions |
//! | [`operator_api`] | the messages of the operator API, generated as well; no other module may use it |
//! | [`tlog`] | C2SP signed notes, checkpoints, tree hashes and proofs |
//! | [`receipt`] | the receiver's signed answer to a delivery |
//! | [`entry`] | signed entries, their bodies, and the contents that they commit to |
//! | [`citizen`] | the citizen's key and reply code, and the words that the key signs |
//! | [`charter`] | the members, their keys and supervisors; the chain of trusted charters |
//! | [`admission`] | the rules that admit, refuse or defer a received entry |
//! | [`routing`] | the links that get an entry, the frames that a link sends |
//! | [`complaint`] | custody, case and commands: the fold over a set of entries |
//! | [`transparency`] | the check of receipts, audits, evidence and its judge, the rollback guard |
//! | [`engine`] | every decision of a node, as one pure machine; recovery after a loss |
//! | [`sync`] | one side of a link, as one pure machine |
//!
//! Invariants:
//! - received bytes are never encoded again;
//! - a refusal is the same on every node;
//! - equal sets of entries give equal states;
//! - no received bytes make the code panic.

pub mod admission;
pub mod base;
pub mod charter;
pub mod citizen;
pub mod complaint;
pub mod engine;
pub mod entry;
pub mod operator_api;
pub mod receipt;
pub mod routing;
pub mod sync;
pub mod tlog;
pub mod transparency;
pub mod wire;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
