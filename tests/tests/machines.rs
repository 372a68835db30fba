//! The claims that pure machines show: no process, no socket, no disk.

mod model;
mod simulation;
