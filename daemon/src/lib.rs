//! The node of one agency: its ledger, its store, its links with peers, its operator API. `daemon/README.md` explains it.
//!
//! It executes what [`sinergi_proto`] decides. Nothing here judges an entry, moves custody or chooses a route.
//!
//! ```text
//!  operator (Unix socket)                                        peer (gRPC over mutual TLS)
//!        |  operator/   parse, draw salts and codes                    ^  peers/  runs proto's Session
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
//!        | 2 keep the newest leaves for the links     leaf_cache.rs    |
//!        | 3 sign one checkpoint                                       |
//!        | 4 write the store, then tell the links     store/ ----------+  outbox.rs: the ledger, read on
//!        | 5 destroy what was erased
//!        | 6 answer every waiter
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`node`] | all wiring: load, open, start, wait, drain; begins a new epoch after a loss |
//! | [`operator`] | the API of the command line tool |
//! | [`audit`] | checks others' ledgers and keeps evidence |
//! | [`tiles`] | the ledger as a C2SP tlog-tiles tree, in a folder or over HTTP |
//! | [`peers`] | runs sessions with peers, watches their checkpoints, answers about the own ledger |
//! | [`writer`] | the engine thread decides, the commit thread makes it durable |
//! | [`rollback_guard`] | runs proto's rollback guard: may this node sign? |
//! | [`transport`] | accepting connections; TLS: whose certificate counts |
//! | `signature_checks` | checks the signatures of items, receipts and checkpoints from outside |
//! | [`storage`] | ledger files, the derived store, charters and keys on the disk, caches |
//! | [`base`] | limits of one node, alarms, logs, error chains as text, the clocks |
//!
//! Invariants of the whole crate:
//! - every acknowledged entry is on the disk;
//! - a checkpoint covers durable leaves only;
//! - all data except the ledger, the keys and the charters can be thrown away and derived again;
//! - sled and signature checks never run in an async task.

pub mod audit;
pub mod base;
pub mod node;
pub mod operator;
pub mod peers;
pub mod rollback_guard;
mod signature_checks;
pub mod storage;
pub mod tiles;
pub mod transport;
pub mod writer;
