//! The harness of tests that need more than one node, a process, a real socket or a fault. `tests/README.md` says where each claim is proven.
//!
//! Nodes here are real `sinergi run` processes with real keys, certificates, ledgers and stores. Peers that lie speak the wire protocol
//! over real mutual TLS. No part is replaced by a mock.
//!
//! ```text
//!    tests/*.rs, src/bin/*.rs     the claims by subject; programs that measure and search
//!         |
//!         +-- federation --- program, process_table      real nodes
//!         +-- peer, member, dishonest, certificate       members that the test controls
//!         +-- proxy, disk, clock, shim                   faults of networks, disks and clocks
//!         +-- sim, model                                 pure machines, in virtual time and in every order
//!         `-- measure, workload, memory                  loads and their cost
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`federation`] | federations of real nodes that tests start, query, stop and kill |
//! | [`peer`] | a member under the test's control, which can send any message |
//! | [`member`] | a member without a node; the caller sends its frames |
//! | [`dishonest`] | a ledger that such a member keeps and lies about |
//! | [`proxy`] | the network between two nodes; tests switch its faults while it carries bytes |
//! | [`certificate`] | certificates that a test makes, good and bad |
//! | [`disk`] | a disk that fails on the test's orders, and its possible contents after a power failure |
//! | [`model`] | one hand-over in every order of its events |
//! | [`sim`] | many nodes in virtual time, under random faults |
//! | [`stage`] | two honest nodes, and a member under the test's control |
//! | [`stranger`] | a person who has only an evidence file and the charter |
//! | [`measure`] | functions for the benchmarks in `src/bin` |
//! | [`program`] | the binaries under test, and the command line as a user runs it |
//! | [`terminal`] | a command as it looks on a terminal |
//! | [`workload`] | clients that lodge and forward, and a record of the answers that they got |
//! | [`folder`] | copies of nodes' folders |
//! | [`memory`] | the most memory that a node may use, derived from its limits |
//! | [`process_table`] | the nodes that run on this machine |
//! | [`clock`] | a node's wall clock, which a test sets while the node runs |
//! | [`shim`] | libraries that are preloaded into nodes, built from `shim/*.c` |
//! | [`go`] | the Go programs of `interop/`, whose checks share no code with Sinergi |

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
