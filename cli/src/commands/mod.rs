//! The commands: one file for each. A command parses its arguments, asks the node or works on files, and shows the answer; it decides nothing
//! about complaints.

pub(crate) mod audit;
pub mod charter;
pub mod citizen;
pub mod complaint;
pub mod config;
pub mod confirm;
pub mod evidence;
pub mod init;
pub mod ledger;
pub mod outbox;
pub mod peer;
pub mod pki;
mod question;
pub mod receipt;
pub mod recover;
pub mod refused;
pub mod run;
pub mod status;
