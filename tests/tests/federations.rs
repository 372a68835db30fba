//! The claims that need real nodes, one module a subject.
//!
//! They are one program, so that their common parts are compiled and linked once, and so that whoever waits for a node leaves the processors to
//! other tests.

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
