//! What every part of the daemon may use: the wall clock, alarms, logs, chains of errors in words, and replacing a file durably.
//!
//! Must not know any other part.

pub mod alarms;
pub(crate) mod atomic_file;
pub mod causes;
pub mod telemetry;
pub mod time;
