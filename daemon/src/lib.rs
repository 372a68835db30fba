//! What one agency runs: its ledger, its store, the one writer, the links with peers, the operator API.
//!
//! Executes what [`sinergi_proto`] decides. Nothing here judges an entry, moves custody or chooses a route by itself.
//!
//! ```text
//!  operator (unix socket)                                        peer (gRPC over mutual TLS)
//!        |  operator/  parse, draw salts and codes                     ^  link/   Hello, Deliver, Ack
//!        v                                                             |          session.rs, dial.rs, accept.rs
//!     Submission ------------------------------------------------------+          intake.rs: authenticate, in parallel
//!        |        bounded queue (writer/submission.rs)                 |
//!        v                                                             |
//!     ENGINE   one thread (writer.rs): proto's Engine decides          |
//!        |     and signs; its batch is encoded (writer/encode.rs)      |
//!        v                                                             |
//!     COMMIT   one thread (writer/committer.rs), while the engine      |
//!        |     decides the next batch                                  |
//!        | 1 append, ONE fdatasync              ledger/                |
//!        | 2 give the newest leaves to the links recent.rs             |
//!        | 3 sign one checkpoint                                       |
//!        | 4 apply                              derivation.rs, store/  |
//!        | 5 destroy what was erased                                   |
//!        | 6 answer every waiter ------------------------------------->+  outbox.rs: the ledger, read on
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`node`] | load, open, start, wait, drain: all wiring |
//! | [`ledger`] | segment files, the Merkle tree, the rules of opening |
//! | [`derivation`], [`store`], [`case`] | the derived store, and the one path that fills it |
//! | [`writer`] | runs the engine, and carries out what it decides |
//! | [`link`], [`outbox`], [`recent`], [`tls`] | sessions with peers, what is to be sent, the newest of it in memory, whose certificate counts |
//! | [`operator`] | the API of the command line tool |
//! | [`tiles`] | the ledger as a C2SP tlog-tiles tree, in a folder or over HTTP |
//! | [`directory`], [`keys`] | charters and keys on the disk |
//! | [`audit`], `proof_server` | checking others' ledgers, and showing the own one |
//! | [`continuity`] | whether the ledger is still the one that peers saw: before that nothing is signed |
//! | [`record_codec`] | the typed records of the ledger as bytes, and back |
//! | [`alarms`], [`telemetry`], [`causes`], [`time`] | what the operator must hear of, logs, errors in words, the wall clock |
//!
//! Invariants of the whole: what was acknowledged is on the disk; a checkpoint covers durable leaves only; everything but the ledger can
//! be thrown away; sled and signature checks never run in an async task.

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
