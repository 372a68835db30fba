//! Transparency makes dishonesty visible: the check of receipts, the watch over checkpoints, audits, evidence and its judge, and the rollback guard.
//!
//! Must not know links, files or how the own ledger is stored.
//!
//! | module | content |
//! |---|---|
//! | [`receipt`] | checks a peer's receipts by the charter |
//! | [`watch`] | checks that all checkpoints of an agency are of one growing ledger |
//! | [`audit`] | compares another agency's ledger with the own records |
//! | [`evidence`] | accusations, their judge, and the evidence file |
//! | [`proofs`] | answers questions about the own ledger with proofs |
//! | [`lodging_proof`] | the citizen's receipt |
//! | [`rollback_guard`] | stops a node whose own ledger was set back |

pub mod audit;
pub mod evidence;
pub mod lodging_proof;
pub mod proofs;
pub mod receipt;
pub mod rollback_guard;
pub mod watch;
