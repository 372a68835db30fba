//! A deterministic simulation: many nodes in the charter's hierarchy, virtual time, random operations and random faults.
//!
//! It drives the code that decides in production (`sinergi-proto`: engine, session, rollback guard, watch, recovery plan), unchanged, over a
//! ledger in memory and a network in memory. One seed gives one run, to the last event: nothing here reads a clock, a file or an unordered map.
//!
//! ```text
//! world    the event queue, virtual time, the network, the two phases
//!   |-- operations   what operators do
//!   |-- faults       what machines and networks do
//!   |-- probe        what liars would write
//!   |-- node         one agency: the shell around the pure code
//!   |     `-- ledger    its durable part, and what it has to send
//!   |-- archive      what was ever shown to anybody
//!   |-- accuser      accuses everybody of everything that it proves
//!   `-- invariants   what must hold: one file each
//! ```
//!
//! A run has two phases. In the first everything goes wrong. Then the network heals, every node is up, and within a bound all must agree.

pub mod accuser;
pub mod archive;
pub mod checks;
pub mod faults;
pub mod invariants;
pub mod ledger;
pub mod node;
pub mod operations;
pub mod probe;
pub mod topology;
pub mod world;

pub use world::{Failure, Plan, Report, run};
