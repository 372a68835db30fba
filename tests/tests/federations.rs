//! The claims that need real nodes. Each module has one subject.
//!
//! `cargo test -p sinergi-tests --test federations outage::` runs the tests of one subject.
//!
//! All modules are one program, so that the shared code is compiled and linked once, and one test runs while another waits for its nodes.

mod audit;
mod certificates;
mod charter;
mod citizens_word;
mod clocks;
mod command_line;
mod complaint_life;
mod configuration;
mod crowds;
mod damage;
mod demo;
mod disk_faults;
mod greedy_peer;
mod greeting;
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
mod revocation;
mod tiles;
mod watch;
mod witness;
