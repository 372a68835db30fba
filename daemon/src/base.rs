//! Tools that every part of the daemon may use: the limits of one node, the clocks, the disk's free space, alarms, logs, error chains as text, and replacing a file
//! atomically.
//!
//! Must not know any other part of the daemon.

pub mod alarms;
pub(crate) mod atomic_file;
pub mod disk_space;
pub mod error_chain;
pub mod node_limits;
pub mod own_clock;
pub mod telemetry;
pub mod time;
