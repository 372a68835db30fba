//! What every part of the daemon may use: the limits of one node, the clocks, alarms, logs, chains of errors in words, and replacing a file durably.
//!
//! Must not know any other part.

pub mod alarms;
pub mod causes;
pub(crate) mod durable;
pub mod node_limits;
pub mod peer_clocks;
pub mod telemetry;
pub mod time;
