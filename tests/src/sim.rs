//! A deterministic simulation of many nodes in the charter's hierarchy, with virtual time, random operations and random faults.
//!
//! The product's code decides, unchanged: the engine, the sessions, the rollback guard, the watch and the recovery plan of `sinergi-proto`.
//! The simulator supplies the ledger and the network, in memory. A seed always gives the same run, to the last event: no part of the
//! simulator reads a clock or a file, or iterates over an unordered map.
//!
//! ```text
//! world    the event queue, virtual time, the two phases
//!   |-- plan         the parameters of a run, and its results
//!   |-- network      connections, and the frames in transit
//!   |-- trouble      begins and ends faults; `faults` lists them
//!   |-- clocks       makes wall clocks wrong, and corrects them
//!   |-- charters     new charters, and what operators do with them; `managers` signs them
//!   |-- operations   random commands of operators
//!   |-- probe        invalid entries, judged by every node
//!   |-- node         one agency: the shell around the pure code
//!   |     |-- disk      the pipeline that makes batches durable
//!   |     |-- session   runs the sessions of the node's links
//!   |     |-- jobs      executes the sessions' jobs; `checks` caches signature checks
//!   |     |-- audit     audits of peers, and evidence
//!   |     |-- lie       the points where a liar may deviate
//!   |     `-- ledger    the durable state, and the entries to send
//!   |-- liars        a library of lies, one file each
//!   |-- archive      everything that nodes ever showed to others
//!   |-- accuser      makes every accusation that the archive allows, and has it judged
//!   `-- invariants   the properties that must hold, one file each
//! ```
//!
//! `scenarios` lists troubles that protocol 1 cannot withstand. They happen only on request.
//!
//! A run has two phases. In the first, faults happen. Then the network heals, every node runs, and all nodes must agree within a time
//! limit.

pub mod accuser;
pub mod archive;
pub mod checks;
pub mod faults;
pub mod invariants;
pub mod ledger;
pub mod liars;
pub mod managers;
mod names;
pub mod node;
pub mod operations;
pub mod probe;
pub mod scenarios;
pub mod signatures;
pub mod topology;
pub mod world;

pub use liars::LieKind;
pub use scenarios::Scenario;
pub use world::{Failure, LieOutcome, Plan, Report};

/// Runs a plan and checks every invariant.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(plan: Plan) -> Result<Report, Failure> {
    world::run(plan, invariants::ALL)
}
