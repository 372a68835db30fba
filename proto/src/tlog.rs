//! The transparency-log formats of C2SP: signed notes, checkpoints, tree hashes with their proofs, and proofs in a file.
//!
//! Must not know entries or charters: here, a leaf is a hash and a signer is a key.

pub mod checkpoint;
pub mod note;
pub mod tlog_proof;
pub mod tree;
