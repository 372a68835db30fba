//! The claims that the pure state machines prove, without a process, a socket or a disk.

mod model;
mod simulation;
