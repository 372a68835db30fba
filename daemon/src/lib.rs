//! The node of one agency: its ledger, its store, its links with peers, its operator API. `daemon/README.md` explains it.
//!
//! It executes what [`sinergi_proto`] decides. Nothing here judges an entry, moves custody or chooses a route.
//!
//! ```text
//!  operator (Unix socket)                                        peer (gRPC over mutual TLS)
//!        |  operator/   parse, draw salts and codes                    ^  link/   runs proto's Session
//!        v                                                             |
//!     Submission ------------------------------------------------------+
//!        |        bounded queue (writer/submission.rs)                 |
//!        v                                                             |
//!     ENGINE thread (writer.rs): proto's Engine decides and signs;     |
//!        |     its batch is encoded (writer/encode.rs)                 |
//!        v                                                             |
//!     COMMIT thread (writer/committer.rs), while the engine            |
//!        |     decides the next batch                                  |
//!        | 1 append, ONE fdatasync                    ledger/          |
//!        | 2 keep the newest leaves for the links     recent.rs        |
//!        | 3 sign one checkpoint                                       |
//!        | 4 write the store, then tell the links     store/ ----------+  outbox.rs: the ledger, read on
//!        | 5 destroy what was erased
//!        | 6 answer every waiter
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`node`] | all wiring: load, open, start, wait, drain |
//! | [`ledger`] | segment files, the Merkle tree, opening, verifying, erasing |
//! | [`record_codec`] | the typed records of the ledger as bytes, and back |
//! | [`store`], [`derivation`], [`case`] | the derived store, the one path that fills it, loading a complaint |
//! | [`writer`] | runs the engine, and carries out what it decided |
//! | [`link`], [`tls`], `authentication` | sessions with peers; whose certificate counts; signatures of what came from outside |
//! | [`outbox`], [`recent`] | what a link has to send; the newest leaves in memory |
//! | [`operator`] | the API of the command line tool |
//! | [`audit`], [`watch`], `proof_server` | checking others' ledgers, keeping evidence, answering about the own ledger |
//! | [`continuity`], [`recover`] | runs the rollback guard; begins a new epoch after a loss |
//! | [`peer_clocks`] | whether most peers' clocks contradict this node's |
//! | [`tiles`] | the ledger as a C2SP tlog-tiles tree, in a folder or over HTTP |
//! | [`directory`], [`keys`] | charters and keys on the disk |
//! | [`alarms`], [`telemetry`], [`causes`], [`time`], `durable` | alarms, logs, error chains in words, the wall clock, replacing a file durably |
//!
//! Invariants of the whole:
//! - what was acknowledged is on the disk;
//! - a checkpoint covers durable leaves only;
//! - everything but the ledger can be thrown away;
//! - sled and signature checks never run in an async task.

pub mod alarms;
pub mod audit;
mod authentication;
pub mod case;
pub mod causes;
pub mod continuity;
pub mod derivation;
pub mod directory;
mod durable;
pub mod keys;
pub mod ledger;
pub mod link;
pub mod node;
pub mod operator;
pub mod outbox;
pub mod peer_clocks;
mod proof_server;
pub mod recent;
pub mod record_codec;
pub mod recover;
pub mod store;
pub mod telemetry;
pub mod tiles;
pub mod time;
pub mod tls;
pub mod watch;
pub mod writer;
