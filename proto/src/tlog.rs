//! The transparency-log formats of C2SP (c2sp.org): signed notes, checkpoints, tree hashes with their proofs, and proof files.
//!
//! Must not know entries or charters. A leaf is some bytes here, and a signer is a key.

pub mod checkpoint;
pub mod frontier;
pub mod note;
pub mod small_tree;
pub mod tlog_proof;
pub mod tree;
