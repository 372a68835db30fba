//! The proof: what needs more than one node, a process, a real socket or a fault. `tests/README.md` explains what is proven where.
//!
//! Nodes here are real `sinergi run` processes with real keys, certificates, ledgers and stores. Peers that lie speak the wire protocol over real mutual
//! TLS. Nothing is replaced by a stand-in.
//!
//! ```text
//!    tests/*.rs, src/bin/*.rs     the claims by subject; programs that measure and search
//!         |
//!         +-- federation --- program, process_table      real nodes, asked and stopped
//!         +-- peer, member, dishonest, certificate       members that say what the test wants
//!         +-- proxy, disk, clock, shim                   faults of networks, disks and clocks
//!         +-- sim, model                                 pure machines in virtual time, and in every order
//!         `-- measure, workload, memory                  what work costs
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`federation`] | federations that tests start, ask, stop and kill, in the domain's words |
//! | [`peer`] | a member under the test's control that says whatever the test wants |
//! | [`member`] | a member without a node: what it says is the caller's business |
//! | [`dishonest`] | a ledger that such a member keeps, and lies about |
//! | [`proxy`] | the network between two nodes, with faults that are switched while it carries bytes |
//! | [`certificate`] | certificates that a test makes, good and bad |
//! | [`disk`] | a disk that fails as the test says, and what it may hold after a power failure |
//! | [`model`] | one hand-over, every order of its events |
//! | [`sim`] | many nodes in virtual time, under random faults |
//! | [`stage`] | two honest nodes, and a member that the test speaks for |
//! | [`stranger`] | somebody who has nothing but an evidence file and the charter |
//! | [`measure`] | what the benchmarks in `src/bin` share |
//! | [`program`] | the binaries under test, and the command line as a user runs it |
//! | [`terminal`] | a command as it looks on a terminal |
//! | [`workload`] | clients that lodge and forward, and the account of what they were told |
//! | [`folder`] | copies of nodes' folders |
//! | [`memory`] | what a node may hold in memory, derived from its limits |
//! | [`process_table`] | which nodes run on this machine |
//! | [`clock`] | a node's wall clock, set while it runs |
//! | [`shim`] | libraries that are preloaded into nodes, built from `shim/*.c` |
//! | [`go`] | programs of `interop/`, built and run: checks that share no code with this program |

pub mod certificate;
pub mod clock;
pub mod dishonest;
pub mod disk;
pub mod federation;
pub mod folder;
pub mod go;
pub mod measure;
pub mod member;
pub mod memory;
pub mod model;
pub mod peer;
pub mod process_table;
pub mod program;
pub mod proxy;
pub mod shim;
pub mod sim;
pub mod stage;
pub mod stranger;
pub mod terminal;
pub mod workload;
