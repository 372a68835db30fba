//! What a node decides, as pure machines.

pub mod recovery;
