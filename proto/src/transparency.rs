//! What makes dishonesty visible: receipts, the watch over checkpoints, audits, evidence and its judge, and the rollback guard.
//!
//! | module | what it holds |
//! |---|---|
//! | [`receipt`] | what a receiver says it stored |
//! | [`watch`] | whether the checkpoints that an agency signed are of one ledger |
//! | [`audit`] | what an audit of another ledger concludes |
//! | [`cosigned_time`] | the time that a node cosigns on its own checkpoints |
//! | [`evidence`] | accusations and their judge; the evidence file |
//! | [`proofs`] | what a node shows of its own ledger when it is asked |
//! | [`lodging_proof`] | the citizen's receipt |
//! | [`rollback_guard`] | whether the own ledger was set back |

pub mod audit;
pub mod cosigned_time;
pub mod evidence;
pub mod lodging_proof;
pub mod proofs;
pub mod receipt;
pub mod rollback_guard;
pub mod watch;
