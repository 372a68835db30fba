//! What makes dishonesty visible: rules about ledgers that others can check.
//!
//! Pure, as the whole crate is: whoever runs a rule here brings the ledger, the time and the peer's answers as arguments.

pub mod audit;
pub mod cosigned_time;
pub mod proofs;
pub mod rollback_guard;
