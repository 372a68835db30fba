//! The claims that need real nodes, one module a subject.
//!
//! `cargo test -p sinergi-tests --test federations outage::` runs those of one subject.
//!
//! They are one program: what they share is compiled and linked once, and while one test waits for its nodes another runs.

mod appetite;
mod audit;
mod certificates;
mod charter;
mod clocks;
mod command_line;
mod complaint_life;
mod configuration;
mod crowds;
mod damage;
mod demo;
mod disk_faults;
mod handover;
mod hierarchy;
mod hostile_listener;
mod hostile_peer;
mod import;
mod interop;
mod late_contents;
mod link_faults;
mod lodge_stream;
mod outage;
mod power_loss;
mod readme;
mod receipts;
mod recover;
mod tiles;
mod watch;
