//! What an operator types: the program `sinergi`, as a library so that the demo, the tests and the benchmarks use the same parts.
//!
//! ```text
//! main ── options (what was typed) ── commands/* (one file per command)
//!                                       │ asks            │ shows
//!                                     client            view (stable documents: JSON and the source of every table)
//!                                  (Unix socket)          │
//!                                       │               output (tables, time, colour, terminal-safe text)
//!                                     sinergid
//! ```
//!
//! - [`options`]: the global options and which node they mean; [`words`], [`when`], [`text`]: what stands in arguments.
//! - [`failure`]: the one way in which a command fails: exit code, message, cause, advice.
//! - [`client`]: the operator API of a running node; [`lodging`]: many complaints in one call.
//! - [`view`]: the documents that `--output json` prints. Their fields are a promise to scripts.
//! - [`import`]: complaints from files of other systems.
//! - [`pki`]: certificates for a pilot. [`charter`]: charters in the making.
//! - [`demo`]: a whole federation on this machine; tests build theirs with its parts.
//!
//! The command line decides nothing about complaints: it parses, asks the node and shows the answer.

pub mod charter;
pub mod client;
pub mod commands;
pub mod demo;
pub mod failure;
pub mod import;
pub mod lodging;
pub mod options;
pub mod output;
pub mod pki;
pub mod text;
pub mod view;
pub mod when;
pub mod words;
