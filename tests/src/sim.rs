//! A deterministic simulation: many nodes in the charter's hierarchy, virtual time, random operations and random faults.
//!
//! It drives the code that decides in production (`sinergi-proto`: engine, session, rollback guard, watch, recovery plan), unchanged, over a
//! ledger in memory and a network in memory. One seed gives one run, to the last event: nothing here reads a clock, a file or an unordered map.
//!
//! ```text
//! world    the event queue, virtual time, the two phases
//!   |-- plan         what a run is given and what it came to
//!   |-- network      connections, and what is on its way over them
//!   |-- trouble      draws faults and ends them; `faults` says which there are
//!   |-- clocks       what happens to wall clocks
//!   |-- charters     new charters, and what operators do then; `managers` sign them
//!   |-- operations   what operators do
//!   |-- probe        what liars would write
//!   |-- node         one agency: the shell around the pure code
//!   |     |-- disk      batches on their way to being durable
//!   |     |-- session   events to the sessions of its links, and their actions
//!   |     |-- jobs      what the sessions' jobs come to; `checks` remembers signatures
//!   |     |-- audit     audits of its peers, and evidence
//!   |     |-- lie       where a liar deviates
//!   |     `-- ledger    its durable part, and what it has to send
//!   |-- liars        a library of lies: one file each
//!   |-- archive      what was ever shown to anybody
//!   |-- accuser      accuses everybody of everything that it proves
//!   `-- invariants   what must hold: one file each
//! ```
//!
//! What happens only where it is asked for, because protocol 1 cannot withstand it, is listed in `scenarios`.
//!
//! A run has two phases. In the first everything goes wrong. Then the network heals, every node is up, and within a bound all must agree.

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
pub use world::{Failure, Plan, Report, Told};

/// Runs a plan, and checks every invariant.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(plan: Plan) -> Result<Report, Failure> {
    world::run(plan, invariants::ALL)
}
